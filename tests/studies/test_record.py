"""Records from elsewhere: read whole, or refused in one sentence that names the file and the part."""

import json

import pytest

from sigma2r.studies.record import DamagedFileError, Record, plain, read_records
from sigma2r.studies.train import train
from tests.report.conftest import make_record
from tests.studies.test_cli import call
from tests.studies.test_train import QUIET


def written(folder, change):
    """A good record that was changed, as text, and where it lies."""
    values = json.loads(json.dumps(make_record("sigma2r@0.01").as_dict()))
    change(values)
    path = folder / "record.json"
    path.write_text(json.dumps(values))
    return path


def at(*places, value):
    """Put a value at a place."""

    def change(values):
        for place in places[:-1]:
            values = values[place]
        values[places[-1]] = value

    return change


def without(*places):
    def change(values):
        for place in places[:-1]:
            values = values[place]
        del values[places[-1]]

    return change


WRONG = {
    "run null": at("run", value=None),
    "run a list": at("run", value=[1]),
    "run of another version": at("run", "flavour", value="sweet"),
    "epochs a text": at("run", "epochs", value="three"),
    "loss null": at("run", "loss", value=None),
    "augmentation a number": at("run", "augmentation", value=3),
    "no class names": at("class_names", value=[]),
    "class names of numbers": at("class_names", value=[1, 2, 3]),
    "class names a number": at("class_names", value=3),
    "counts empty": at("counts", value={}),
    "counts a list": at("counts", value=[1]),
    "counts of text": at("counts", "train", value="9000"),
    "counts below zero": at("counts", "train", value=-1),
    "final null": at("final", value=None),
    "final empty": at("final", value={}),
    "final without test": without("final", "test"),
    "accuracy a text": at("final", "test", "accuracy", value="0.9"),
    "accuracy null": at("final", "test", "accuracy", value=None),
    "accuracy a truth value": at("final", "test", "accuracy", value=True),
    "spreads of other classes": at("final", "test", "intra", value=[1.0, 2.0]),
    "spreads of text": at("final", "test", "intra", value=["a", "b", "c"]),
    "spread missing": without("final", "train", "intra_mean"),
    "history a number": at("history", value=3),
    "history empty": at("history", value=[]),
    "history of text": at("history", value=["epoch"]),
    "an epoch of text": at("history", 0, "epoch", value="1"),
    "a loss of text": at("history", 0, "train_loss", value="low"),
    "growth of other classes": at("history", 0, "growth", value=[1.0]),
    "growth of text": at("history", 0, "growth", value=["a", "b", "c"]),
    "an epoch's spreads of other classes": at("history", 0, "test", "intra", value=[]),
    "a plane without labels": without("plane", "labels"),
    "points of three": at("plane", "features", 0, value=[1.0, 2.0, 3.0]),
    "labels of text": at("plane", "labels", 0, value="0"),
    "fewer labels than points": at("plane", "labels", value=[0]),
    "versions a list": at("versions", value=[]),
    "versions of numbers": at("versions", "torch", value=2.0),
    "device null": at("device", value=None),
    "device without threads": without("device", "threads"),
    "seconds empty": at("seconds", value={}),
    "seconds of text": at("seconds", "total", value="12"),
    "finished null": at("finished", value=None),
    "diverged a number": at("diverged", value=3),
    "data a text": at("data", value="mine"),
    "a part too many": at("more", value=1),
    "a part too few": without("plane"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_is_no_record_is_refused_and_named(tmp_path, change):
    path = written(tmp_path, change)
    with pytest.raises(DamagedFileError) as refused:
        Record.read(path)
    told = str(refused.value)
    assert told.startswith(f"Record: {path} ")
    assert "\n" not in told
    with pytest.raises(ValueError, match=r"record\.json"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": NaN}', "NaN is no number of JSON"),
        ('{"schema": 1, "run_id": "a", "seconds": Infinity}', "Infinity is no number"),
        ("[" * 100_000, "nested too deeply|must hold JSON"),
        ('{"schema": true}', "has schema True"),
        ('{"schema": "1"}', "has schema 1"),
        ("", "must hold JSON"),
        ("\ufeff{}", "must hold JSON"),
    ],
    ids=["nan", "infinity", "deep", "schema true", "schema text", "empty", "byte order mark"],
)
def test_what_is_no_json_is_refused_and_named(tmp_path, text, message):
    (tmp_path / "record.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        Record.read(tmp_path / "record.json")
    assert str(tmp_path / "record.json") in str(refused.value)


def test_bytes_that_are_no_text_are_refused_and_named(tmp_path):
    (tmp_path / "record.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DamagedFileError, match=r"record.json must hold JSON"):
        Record.read(tmp_path / "record.json")


def test_a_good_record_is_read_whole_and_one_that_diverged_too(tmp_path):
    path = written(tmp_path, lambda values: None)
    assert Record.read(path) == make_record("sigma2r@0.01")
    gone = written(tmp_path, lambda v: v.update(diverged="in epoch 2", final={}, history=[], counts={}, plane=None))
    assert Record.read(gone).diverged == "in epoch 2"


def test_a_report_of_a_damaged_record_is_one_sentence(tmp_path, capsys):
    written(tmp_path, at("final", value=None))
    code, _, err = call(capsys, "report", tmp_path, "--out", tmp_path / "page")
    assert code == 1
    assert err.count("\n") == 1
    assert "final must hold accuracy and spreads of train and test" in err
    assert not (tmp_path / "page").exists()


def test_every_record_that_training_leaves_is_one(tiny_run, tmp_path):
    record = train(tiny_run, tmp_path, QUIET)
    assert Record.read(tmp_path / "record.json").as_dict() == record.as_dict()
    assert record.device["instructions"]
    assert set(record.data) == {"train", "test"}


def test_figures_have_seven_digits_and_no_nan():
    values = {"a": [1.23456789, float("nan")], "b": (3, {"c": 0.1 + 0.2})}
    assert plain(values) == {"a": [1.234568, None], "b": [3, {"c": 0.3}]}


def test_records_stand_with_the_baseline_first_and_then_by_loss_weight_and_seed(tmp_path):
    wanted = [make_record("cross-entropy", 1), make_record("center@0.1"), make_record("center@0.1", 2),
              make_record("center@0.4"), make_record("sigma2r@0.01")]  # fmt: skip
    for record in wanted[::-1]:
        record.write(tmp_path / f"{record.run_id}.json")
    assert [record.run for record in read_records(tmp_path)] == [record.run for record in wanted]


@pytest.mark.parametrize("schema", [2, 0, "1", True, 1.0])
def test_a_record_of_another_schema_is_refused(tmp_path, schema):
    with pytest.raises(ValueError, match="this version reads schema 1"):
        Record.read(written(tmp_path, at("schema", value=schema)))
