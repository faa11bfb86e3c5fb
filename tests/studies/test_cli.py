"""The command line, end to end, as a user calls it."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sigma2r.cli import main
from sigma2r.paper.studies import STUDIES
from sigma2r.studies.estimate import Estimate
from sigma2r.studies.study import Part, Study


def call(capsys, *words):
    """Exit code, standard output, standard error."""
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out = capsys.readouterr()
    return code, out.out, out.err


def tiny_words(tiny, *more):
    return (
        "--dataset",
        tiny,
        "--feature-dim",
        "2",
        "--epochs",
        "2",
        "--batch-size",
        "36",
        "--progress",
        "false",
        *more,
    )


def test_list_names_all_that_can_be_typed(capsys):
    code, out, _ = call(capsys, "list")
    assert code == 0
    for name in (
        "fuzzy-rgb",
        "fashion-mnist",
        "folder:PATH",
        "lenet",
        "resnet18",
        "cross-entropy",
        "center",
        "sigma2r",
        "arcface",
        "label-smoothing",
        "table-1",
        "figure-2",
        "sensitivity",
    ):
        assert name in out
    assert "neighbors=7" in out


def test_help_explains_every_flag(capsys):
    code, out, _ = call(capsys, "train", "--help")
    assert code == 0
    text = " ".join(out.split())
    for told in (
        "lambda of Eq. 11",
        "Learning rate of the network",
        "CPU threads",
        "Random changes of training images",
    ):
        assert told in text


def test_train_leaves_a_record_and_prints_its_table(tiny, tmp_path, capsys):
    words = tiny_words(tiny, "--loss", "center@0.1", "--out", tmp_path / "run", "--augmentation.crop", "1")
    code, out, err = call(capsys, "train", *words)
    assert (code, err) == (0, "")
    assert "center@0.1" in out
    record = json.loads((tmp_path / "run/record.json").read_text())
    assert record["run"]["loss_weight"] == 0.1
    assert record["run"]["augmentation"] == {"crop": 1, "rotation": 10.0, "horizontal_flip": 0.0, "vertical_flip": 0.0}
    assert len(record["history"]) == 2


def test_a_yaml_file_fills_the_same_description_and_print_config_writes_it(tiny, tmp_path, capsys):
    words = tiny_words(tiny, "--loss", "sigma2r@0.05", "--loss-options.neighbors", "3")
    code, printed, _ = call(capsys, "train", *words, "--print_config")
    assert code == 0
    assert yaml.safe_load(printed)["loss_options"] == {"neighbors": 3}
    config = tmp_path / "run.yaml"
    config.write_text(printed)
    assert call(capsys, "train", "--config", config, "--out", tmp_path / "a")[0] == 0
    assert call(capsys, "train", *words, "--out", tmp_path / "b")[0] == 0
    first, second = (json.loads((tmp_path / name / "record.json").read_text()) for name in "ab")
    assert first["run_id"] == second["run_id"]
    assert first["final"] == second["final"]


def test_compare_trains_all_reports_and_does_not_train_again(tiny, tmp_path, capsys):
    words = ("compare", *tiny_words(tiny), "--losses", "cross-entropy", "center@0.01", "sigma2r@0.01", "--seeds", "2",
             "--loss_options.neighbors", "3", "--out", tmp_path)  # fmt: skip
    code, out, _ = call(capsys, *words)
    assert code == 0
    assert out.count(": training") == 6
    assert "about 0 s to go" in out
    assert len(list(tmp_path.glob("runs/*/record.json"))) == 6
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".pdf", ".png", ".svg"}
    page = (tmp_path / "report.html").read_bytes()
    code, out, _ = call(capsys, *words)
    assert code == 0
    assert ": training" not in out
    assert (tmp_path / "report.html").read_bytes() == page
    code, out, _ = call(capsys, "report", tmp_path, "--out", tmp_path / "again")
    assert code == 0
    assert (tmp_path / "again/report.html").read_bytes() == page


@pytest.fixture
def tiny_study(tiny_run, monkeypatch):
    """A study that trains in seconds, in the place of ``figure-5``."""
    runs = tuple(
        dataclasses.replace(tiny_run, loss=loss, loss_options={}, init_seed=seed)
        for loss in ("center@0.01", "sigma2r@0.01")
        for seed in range(2)
    )
    part = Part(name="all", title="Growth", text="As a test.", runs=runs)
    tiny = Study(
        name="figure-5", title="Tiny", source="Figure 5", parts=lambda scale, done: iter([part]),
        settings={"desk": "Next to nothing.", "paper": "A little more."}, figures=("growth",),
    )  # fmt: skip
    monkeypatch.setitem(STUDIES, "figure-5", tiny)
    return tiny


def test_reproduce_trains_a_study_tells_how_it_goes_and_writes_its_report(tiny_study, tmp_path, capsys):
    words = ("reproduce", "figure-5", "--out", tmp_path / "out", "--records", tmp_path / "kept", "--progress", "false")
    code, out, err = call(capsys, *words)
    assert (code, err) == (0, "")
    assert out.startswith("figure-5, scale desk: Next to nothing.\n0 of 4 runs are done; 4 are left.")
    assert "[4/4]" in out
    assert "0 left" in out
    kept = tmp_path / "kept/figure-5"
    assert len(list(kept.glob("*.json"))) == 5  # four records, and which study they are of
    page = (tmp_path / "out/figure-5/report.html").read_text()
    assert "Next to nothing." in page
    assert (tmp_path / "out/figure-5/figures/figure-5-all-growth.svg").exists()
    before = {path: path.read_bytes() for path in kept.iterdir()}
    code, out, _ = call(capsys, *words)
    assert code == 0
    assert "[1/4]" not in out  # nothing is trained twice
    assert {path: path.read_bytes() for path in kept.iterdir()} == before
    assert (tmp_path / "out/figure-5/report.html").read_text() == page


def test_at_the_papers_scale_it_says_how_long_before_it_starts(tiny_study, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sigma2r.studies.estimate.estimate", lambda runs, device: Estimate(1234.4, len(runs), 2))
    code, out, _ = call(
        capsys, "reproduce", "figure-5", "--scale", "paper", "--out", tmp_path / "out", "--progress", "false"
    )
    assert code == 0
    assert out.index("About 1,234 hours") < out.index("[1/4]")
    assert "4 runs of 2 kinds" in out


def test_the_report_of_a_folder_of_studies_is_that_of_the_paper(tiny_study, tmp_path, capsys):
    assert call(capsys, "reproduce", "figure-5", "--out", tmp_path, "--progress", "false")[0] == 0
    code, out, _ = call(capsys, "report", tmp_path, "--out", tmp_path / "page")
    assert code == 0
    assert out == f"Report: {tmp_path / 'page/report.html'}\n"
    page = (tmp_path / "page/report.html").read_text()
    assert "What the paper asserts, and what was found" in page
    assert "Tiny: Growth" in page


@pytest.mark.parametrize("figure", ["figure-1", "figure-2", "figure-3"])
def test_a_figure_that_is_computed_needs_no_training(figure, tmp_path, capsys):
    code, out, err = call(capsys, "reproduce", figure, "--out", tmp_path)
    assert (code, err) == (0, "")
    assert out == f"Report: {tmp_path / figure / 'report.html'}\n"
    assert {path.name for path in (tmp_path / figure / "figures").iterdir()} == {
        f"{figure}.{form}" for form in ("svg", "pdf", "png")
    }
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.message
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["train", "--loss", "centre"],
            1,
            "sigma2r: unknown loss 'centre'; known: cross-entropy, center, sigma2r, soft-nearest-neighbor, git",
        ),
        (["train", "--dataset", "folder:/nowhere"], 1, "sigma2r: folder: /nowhere must hold train/ and test/"),
        (["train", "--epochs", "none"], 2, "epochs"),
        (["train", "--epoks", "3"], 2, "epoks"),
        (["compare", "--seeds", "0"], 1, "sigma2r: compare: seeds must be at least 1; got 0"),
        (["report", "/nowhere"], 1, "sigma2r: Record: /nowhere must hold run folders with a record.json"),
        (["train", "--device", "tpu9"], 1, "sigma2r: train: device must be auto, cpu, cuda"),
        (["reproduce", "table-9"], 1, "sigma2r: unknown study 'table-9'; known: fashion-mnist-accuracy, figure-1"),
        (["reproduce", "table-1", "--jobs", "0"], 1, "sigma2r: LocalLauncher: jobs must be"),
        (["reproduce", "table-1", "--scale", "office"], 1, "unknown scale of table-1 'office'; known: desk, paper"),
        (["dance"], 2, "dance"),
    ],
    ids=str,
)
def test_a_wrong_call_is_told_in_one_line_and_leaves_nothing(tmp_path, monkeypatch, capsys, words, code, message):
    monkeypatch.chdir(tmp_path)
    got, _, err = call(capsys, *words)
    assert got == code
    assert message in err
    if code == 1:
        assert err.count("\n") == 1
    assert not list(tmp_path.rglob("record.json"))


def test_it_runs_as_a_program():
    told = subprocess.run([Path(sys.executable).parent / "sigma2r", "list"], capture_output=True, text=True, check=True)
    assert "resnet18" in told.stdout


def test_without_the_extras_it_says_what_to_install():
    script = "import sys; sys.modules['jsonargparse'] = None\nfrom sigma2r.cli import main; sys.exit(main(['list']))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert 'pip install "sigma2r[train,report]"' in told.stderr
    assert told.stderr.count("\n") == 1
