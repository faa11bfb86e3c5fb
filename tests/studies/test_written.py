"""A value is what its field wants, wherever it is written: as a flag, in a file of settings, in brackets, in Python."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from sigma2r import cli
from sigma2r.cli import verbs
from sigma2r.cli.parser import build_parser
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where
from tests.studies.test_cli import call
from tests.test_values import MISREAD, TOO_SMALL


@pytest.fixture
def heard(monkeypatch):
    """What a verb was given, instead of what it does."""
    given = []
    monkeypatch.setattr(verbs, "VERBS", dict.fromkeys(verbs.VERBS, given.append))
    return given


def as_flag(flag, text, folder):
    return ["train", f"--{flag}={text}"]


def in_a_file(flag, text, folder):
    """The line as a user writes it, with nothing around the value."""
    key, _, inner = flag.partition(".")
    path = folder / "run.yaml"
    path.write_text(f"{key}:\n  {inner}: {text}\n" if inner else f"{key}: {text}\n", encoding="utf-8")
    return ["train", "--config", str(path)]


def in_a_flow(flag, text, folder):
    key, _, inner = flag.partition(".")
    assert inner
    return ["train", f"--{key}", f"{{{inner}: {text}}}"]


WAYS = (as_flag, in_a_file)
WRITTEN = [
    ("lr", "1e-3", 0.001),
    ("lr", "1.0e-05", 1e-5),
    ("lr", "5e-324", 5e-324),
    ("lr", "+1", 1.0),
    ("lr", "0e-400", 0.0),
    ("epochs", "3.0", 3),
    ("epochs", "1e1", 10),
    ("init_seed", "1e3", 1000),
    ("init_seed", "1e12", 10**12),
    ("feature_dim", "3.0", 3),
    ("image_size", "none", None),
    ("image_size", "null", None),
    ("gray", "1", True),
    ("gray", "off", False),
    ("gray", "none", None),
    ("missing_classes", "yes", True),
    ("missing_classes", "0", False),
    ("pixel_range", "[0, 1e3]", (0.0, 1000.0)),
    ("augmentation.crop", "2.0", 2),
    ("augmentation.rotation", "1e1", 10.0),
    ("loss_options.neighbors", "5.0", 5),
    ("loss_options.ceiling", "2e1", 20.0),
    ("loss_options.normalize", "yes", True),
]


def held(chosen, flag):
    key, _, inner = flag.partition(".")
    value = getattr(verbs.described(chosen), key)
    return (value[inner] if isinstance(value, dict) else getattr(value, inner)) if inner else value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("flag", "text", "value"), WRITTEN)
def test_what_is_written_is_read_alike_everywhere(heard, tmp_path, way, flag, text, value):
    assert cli.main(way(flag, text, tmp_path)) == 0
    got = held(heard[0], flag)
    assert got == value
    assert type(got) is type(value)


NUMBERS = ["lr", "loss_weight", "epochs", "init_seed", "feature_dim", "augmentation.crop", "augmentation.rotation"]
IN_A_FILE = [text for text in MISREAD if text[:1] not in "'\"" and "#" not in text]  # quotes and remarks are of YAML


@pytest.mark.parametrize("text", MISREAD)
@pytest.mark.parametrize("flag", ["lr", "epochs", "augmentation.crop"])
def test_a_flag_that_others_read_as_another_number_is_refused(heard, tmp_path, capsys, flag, text):
    assert cli.main(as_flag(flag, text, tmp_path)) == 2
    assert "A number is written as 12, 0.5 or 1e-3. sigma2r train --help explains." in told_in_one_line(capsys, flag)
    assert heard == []


@pytest.mark.parametrize("text", ["010", "0x10", "1_000", "１２", "1:30", "2020-01-01"])
@pytest.mark.parametrize("flag", NUMBERS)
@pytest.mark.parametrize("way", [*WAYS, in_a_flow])
def test_a_number_that_others_read_otherwise_is_refused_in_every_field(heard, tmp_path, capsys, way, flag, text):
    if way is in_a_flow and "." not in flag:
        return
    assert cli.main(way(flag, text, tmp_path)) == 2
    assert f"{flag} must be a" in told_in_one_line(capsys, flag)
    assert heard == []


@pytest.mark.parametrize("text", ["010", "0x10", "1_000", "１２", "1:30"])
@pytest.mark.parametrize("flag", ["loss_options.neighbors", "loss_options.ceiling"])
@pytest.mark.parametrize("way", [*WAYS, in_a_flow])
def test_an_option_of_a_loss_that_others_read_otherwise_is_refused(heard, tmp_path, way, flag, text):
    assert cli.main(way(flag, text, tmp_path)) == 0
    with pytest.raises(ValueError, match=rf"sigma2r: {flag.partition('.')[2]} must be .*; got '{text}'\. A number is"):
        verbs.described(heard[0])


@pytest.mark.parametrize("text", TOO_SMALL)
@pytest.mark.parametrize("flag", ["lr", "loss_lr", "weight_decay", "loss_weight", "augmentation.rotation"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_zero_never_becomes_zero(heard, tmp_path, capsys, way, flag, text):
    assert cli.main(way(flag, text, tmp_path)) == 2
    assert f"{flag} must be 0, or a number that 64 bits tell from 0; got" in told_in_one_line(capsys, flag)


@pytest.mark.parametrize("text", ["1e400", "inf", "-inf", ".inf", "nan", ".nan", "NaN"])
@pytest.mark.parametrize("flag", ["lr", "augmentation.rotation"])
@pytest.mark.parametrize("way", WAYS)
def test_a_number_beyond_all_is_refused(heard, tmp_path, capsys, way, flag, text):
    assert cli.main(way(flag, text, tmp_path)) == 2
    assert f"{flag} must be a finite number; got '{text}'" in told_in_one_line(capsys, flag)


def told_in_one_line(capsys, flag):
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith(f"sigma2r: {flag} must be ")
    return err


@pytest.mark.parametrize("number", ["9223372036854775808", "1e19", "1" + "0" * 400, "1e999999999"])
@pytest.mark.parametrize("flag", ["epochs", "batch_size", "workers"])
def test_a_whole_number_beyond_64_bits_is_refused(heard, tmp_path, capsys, flag, number):
    assert cli.main(as_flag(flag, number, tmp_path)) == 2
    assert f"{flag} must be a whole number of at most {2**63 - 1}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["yes", "on", "off", "010", "1e3", "1:30", "2020-01-01", "0x10", "1_0", "true", "３", "="]
)
@pytest.mark.parametrize("way", WAYS)
def test_a_text_stays_the_text_that_was_written(heard, tmp_path, way, text):
    assert cli.main(way("data_dir", text, tmp_path)) == 0
    assert verbs._where(heard[0]) == Where(data_dir=Path(text))
    assert cli.main([*way("layers", f"[{text}, body.2]", tmp_path), "--loss", "contrastive"]) == 0
    assert verbs.described(heard[1]).layers == (text, "body.2")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("lr: 1\nlr: 2", "lr must stand once"),
        ("loss_options:\n  neighbors: 1\n  neighbors: 2", "neighbors must stand once"),
        ("loss_options: {neighbors: 1, neighbors: 2}", "neighbors must stand once"),
        ("lr: [1]", "lr must be a finite number; got a list of 1 text"),
        ("lr: {a: 1}", "lr must be a finite number; got a dict with 'a' and so on"),
        ("lr: !!float 1e-400", "lr must be 0, or a number that 64 bits tell from 0"),
        ("lr: [", "the file of --config must be YAML"),
        ("- 1", "the file of --config must be YAML"),
        ("augmentation: {flip: 1}", "augmentation does not take flip"),
        ("augmentation: [1]", "augmentation must be a mapping, {key: value} or null"),
    ],
)
def test_settings_that_cannot_be_read_are_refused_in_one_line(heard, tmp_path, capsys, settings, told):
    (tmp_path / "run.yaml").write_text(settings)
    assert cli.main(["train", "--config", str(tmp_path / "run.yaml")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert told in err
    assert not any(mark in err for mark in ("\x02", "\\x02", "Parser", "Not of type"))
    assert heard == []


@pytest.mark.parametrize(
    ("flag", "text", "name"),
    [
        ("loss_options", "{normalize: true, normalize: false}", "normalize"),
        ("loss_options", "{a: 1, normalize: true, normalize: true}", "normalize"),
        ("loss_options", "{a: {b: 1, b: 2}}", "b"),
        ("augmentation", '{"crop": 1, "crop": 2}', "crop"),
        ("config", "{lr: 1, lr: 2}", "lr"),
    ],
)
def test_a_mapping_in_a_flag_says_which_name_stands_twice(heard, capsys, flag, text, name):
    assert cli.main(["train", f"--{flag}", text]) == 2
    assert capsys.readouterr().err == f"sigma2r: {flag}.{name} must stand once. sigma2r train --help explains.\n"


@pytest.mark.parametrize("text", ["[a, b]", "{a: 1", "x.yaml"])
def test_what_is_no_mapping_is_refused_as_such(heard, capsys, text):
    assert cli.main(["train", "--loss_options", text]) == 2
    assert "loss_options must be a mapping, {key: value}; got" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["train", "compare"])
@pytest.mark.parametrize(
    "content",
    ["lr: 0.5".encode("utf-16"), b"\x89PNG\r\n\x1a\n\xff", "dataset: folder:\xe9".encode("latin-1"), b"lr: 1\xff"],
    ids=["utf-16", "an image", "latin-1", "cut"],
)
def test_a_file_of_settings_that_is_no_text_is_refused_and_named(heard, tmp_path, capsys, verb, content):
    path = tmp_path / "run.yaml"
    path.write_bytes(content)
    assert cli.main([verb, "--config", str(path)]) == 2
    told = f"the file of --config must be text in UTF-8; {path} is not. Save it as UTF-8."
    assert capsys.readouterr().err == f"sigma2r: {told} sigma2r {verb} --help explains.\n"
    assert heard == []


def test_a_byte_order_mark_before_settings_is_passed_over(heard, tmp_path):
    (tmp_path / "run.yaml").write_text("lr: 0.5\n", encoding="utf-8-sig")
    assert cli.main(["train", "--config", str(tmp_path / "run.yaml")]) == 0
    assert verbs.described(heard[0]).lr == 0.5


@pytest.mark.parametrize(
    ("losses", "told"),
    [
        ("{a: 1}", "a dict with 'a' and so on"),
        ("3", "'3'"),
        ("center@0.1", "'center@0.1'"),
        ("", "None"),
        ("[git@0.1, {b: 1}]", "a list of 2 texts and dicts"),
        ("[git@0.1, null]", "a list of 2 texts and None"),
    ],
)
def test_losses_in_a_file_are_a_list_of_texts(heard, tmp_path, capsys, losses, told):
    (tmp_path / "run.yaml").write_text(f"losses: {losses}\n")
    assert cli.main(["compare", "--config", str(tmp_path / "run.yaml")]) == 2
    _, err = capsys.readouterr()
    assert err == f"sigma2r: losses must be a list of texts; got {told}. sigma2r compare --help explains.\n"
    (tmp_path / "run.yaml").write_text("losses: [git@0.1, 3]\n")
    assert cli.main(["compare", "--config", str(tmp_path / "run.yaml")]) == 0
    assert heard[0].losses == ["git@0.1", "3"]


@pytest.mark.parametrize("text", ["~", "null", "Null", ""])
def test_null_is_nothing(heard, tmp_path, text):
    (tmp_path / "run.yaml").write_text(f"feature_dim: {text}\naugmentation: {text}\n")
    assert cli.main(["train", "--config", str(tmp_path / "run.yaml")]) == 0
    assert verbs.described(heard[0]) == Run()


def test_flags_add_to_the_file_of_settings(heard, tmp_path):
    (tmp_path / "run.yaml").write_text("augmentation: {crop: 2}\nloss_options: {neighbors: 5}\n")
    words = ["--augmentation.rotation", "5", "--loss_options.spread", "std", "--lr", "1e-4"]
    assert cli.main(["train", "--config", str(tmp_path / "run.yaml"), *words]) == 0
    run = verbs.described(heard[0])
    assert (run.augmentation.crop, run.augmentation.rotation, run.lr) == (2, 5.0, 1e-4)
    assert run.loss_options == {"neighbors": 5, "spread": "std"}


def test_what_print_config_writes_is_read_as_the_same_run(heard, tmp_path, capsys):
    words = ["--lr", "1e-5", "--epochs", "1e1", "--gray", "1", "--pixel_range", "[0, 1e300]", "--loss", "git@1e-3",
             "--loss_options.push_weight", "1e-7", "--augmentation.crop", "2.0"]  # fmt: skip
    assert cli.main(["train", *words]) == 0
    code, printed, _ = call(capsys, "train", *words, "--print_config")
    assert code == 0
    assert yaml.safe_load(printed)["loss_options"] == {"push_weight": 1e-7}
    (tmp_path / "run.yaml").write_text(printed)
    assert cli.main(["train", "--config", str(tmp_path / "run.yaml")]) == 0
    assert verbs.described(heard[1]) == verbs.described(heard[0])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--seeds", "010"], "seeds must be a whole number; got '010'"),
        (["--jobs", "0x2"], "jobs must be a whole number; got '0x2'"),
        (["--gpus_per_run", "1e-400"], "gpus_per_run must be 0, or a number that 64 bits tell from 0"),
        (["--workers", "1_0"], "workers must be a whole number; got '1_0'"),
    ],
)
def test_what_no_run_is_told_is_read_by_the_same_rules(heard, capsys, words, told):
    assert cli.main(["compare", *words]) == 2
    assert told in capsys.readouterr().err


def test_seeds_and_jobs_may_be_written_as_any_whole_number(heard):
    assert cli.main(["compare", "--seeds", "3.0", "--jobs", "2e0", "--gpus_per_run", ".5"]) == 0
    assert (heard[0].seeds, heard[0].jobs, heard[0].gpus_per_run) == (3, 2, 0.5)


@pytest.mark.parametrize("text", ["1e-400", "1e400", "0x10", "1_000", "１２", "010", "1:30", "inf", "nan"])
def test_a_weight_behind_the_name_is_read_by_the_same_rules(text):
    with pytest.raises(ValueError, match=r"the weight after the @ must be a number, as in sigma2r@0\.01"):
        Run(loss=f"center@{text}")
    with pytest.raises(ValueError, match=r"git: push_weight must be"):
        Run(loss=f"git@0.1[push_weight={text}]")
    with pytest.raises(ValueError, match=r"git: push_weight must be"):
        Run(loss="git@0.1", loss_options={"push_weight": text})


NO_OPTIONS = [
    *("1e-400", "1e400", "0x10", "1_000", "１２", "010", "inf", "nan"),
    *(float("inf"), float("nan"), 10**30, [1.0, float("inf")], ["0x10"]),
]


@pytest.mark.parametrize("value", NO_OPTIONS)
def test_an_option_of_a_loss_of_ones_own_means_the_same_to_all(value):
    with pytest.raises(
        ValueError, match=r"m\.py:Loss: margin must be a number as in 12, 0\.5 or 1e-3, a text, a truth"
    ):
        Run(loss="m.py:Loss@1", loss_options={"margin": value})


def test_other_options_of_a_loss_of_ones_own_are_what_they_say():
    given = {"a": "7", "b": "0.5", "c": "true", "d": "mean", "e": [1, "x"], "f": None, "g": "1:30", "h": "v2"}
    taken = {"a": 7, "b": 0.5, "c": True, "d": "mean", "e": [1, "x"], "f": None, "g": "1:30", "h": "v2"}
    assert Run(loss="m.py:Loss@1", loss_options=given).loss_options == taken


@pytest.mark.parametrize("values", [("0", "１２"), ("0", "1"), (0, True), (0, 1e400), (1, 0), (0,), (0, 1, 2), 3, "01"])
def test_a_range_of_pixels_is_two_numbers(values):
    with pytest.raises(ValueError, match="pixel_range must be"):
        Run(pixel_range=values)


def test_the_parser_leaves_a_description_as_it_was():
    before = {each.name: each.type for each in dataclasses.fields(Run)}
    build_parser()
    assert {each.name: each.type for each in dataclasses.fields(Run)} == before
    assert before["lr"] is float
