"""Studies: their runs, their scales, how they are found again, and their records kept; nothing is trained."""

import dataclasses
import json
from pathlib import Path

import pytest

from sigma2r.studies.catalog import find_study, read_study
from sigma2r.studies.comparison import comparison, run_folder
from sigma2r.studies.launch import Finished, Started
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study
from tests.report.conftest import for_run, make_record

RUNS = tuple(Run(loss=loss, init_seed=seed, epochs=2) for loss in ("cross-entropy", "center@0.1") for seed in (0, 1))
GIT = Run(loss="git@0.1", epochs=2)
FOLLOWS = (Run(loss="center@0.2"), Run(loss="center@0.3"))


def parts(scale, done):
    yield Part(name="first", title="First", text="", runs=RUNS)
    yield Part(name="second", title="Second", text="", runs=(RUNS[0], GIT), followed_by=FOLLOWS)


STUDY = Study(name="mine", title="", source="", parts=parts, settings={"short": "", "long": ""})


def record_of(run, **changes):
    return dataclasses.replace(for_run(make_record("cross-entropy", accuracy=0.625), run), **changes)


def test_a_run_of_two_parts_is_one_run_and_what_will_follow_lies_ahead():
    assert [run.loss_name for run in STUDY.runs("short", {})] == [
        "cross-entropy", "cross-entropy", "center@0.1", "center@0.1", "git@0.1",
    ]  # fmt: skip
    done = {RUNS[0].run_id: record_of(RUNS[0])}
    assert STUDY.missing("short", done) == [*RUNS[1:], GIT, *FOLLOWS]


def test_the_first_scale_is_the_default_and_an_unknown_one_is_refused():
    assert STUDY.scale(None) == "short"
    assert STUDY.scale("long") == "long"
    with pytest.raises(ValueError, match=r"unknown scale of mine 'log'.*Did you mean long"):
        STUDY.scale("log")


@pytest.mark.parametrize("name", ["a/b", "..", "", ".hidden", "a b", "a:b"])
def test_a_name_is_that_of_a_file(name):
    with pytest.raises(ValueError, match="name must be a file name"):
        dataclasses.replace(STUDY, name=name)
    with pytest.raises(ValueError, match="name must be a file name"):
        Part(name=name, title=name, text="", runs=RUNS)


def test_a_comparison_keeps_the_data_and_gives_each_loss_what_is_its_own():
    base = Run(loss="git", loss_options={"push_weight": 0.5}, data_seed=7)
    runs = list(comparison(base, ["center@0.1", "git@0.1", "contrastive@0.1"], 2, layers=["body.2"]))
    assert [run.init_seed for run in runs] == [0, 1] * 3
    assert {run.data_seed for run in runs} == {7}
    assert [run.loss_options for run in runs[::2]] == [{}, {"push_weight": 0.5}, {}]
    assert [run.layers for run in runs[::2]] == [(), (), ("body.2",)]
    assert len({run_folder(Path("out"), run) for run in runs}) == 6


CODE = """
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study
STUDY = Study(name="own", title="", source="", parts=lambda scale, done: iter(()), settings={"short": ""})
NUMBER = 3
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(CODE)


def test_a_study_of_ones_own_remembers_what_finds_it(own):
    assert find_study("mine", {"mine": STUDY}) is STUDY
    assert find_study("own.py:STUDY", {}).reference == "own.py:STUDY"
    with pytest.raises(ValueError, match=r"own.py:NUMBER: a study must be a .*Study; got int"):
        find_study("own.py:NUMBER", {})
    with pytest.raises(ValueError, match=r"unknown study 'mien'.*Did you mean mine"):
        find_study("mien", {"mine": STUDY})


def test_a_folder_names_its_study_and_runs_no_code(own, tmp_path):
    file = tmp_path / "study.json"
    file.write_text(json.dumps({"study": "own.py:STUDY", "scale": "short"}))
    assert read_study(tmp_path, {}) == (None, "short")
    known = {"own.py:STUDY": find_study("own.py:STUDY", {})}
    assert read_study(tmp_path, known)[0].name == "own"
    for content in ({"study": "mine"}, {"scale": "short"}, {"study": "mine", "scale": 3}, ["mine", "short"]):
        file.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="must name a study and its scale"):
            read_study(tmp_path, {"mine": STUDY})


class Trainer:
    """A launcher that leaves records made by hand."""

    def __init__(self):
        self.trained = []

    def __call__(self, tasks):
        for task in tasks:
            self.trained.append(task.run)
            yield Started(task)
            yield Finished(task, record_of(task.run, diverged=None))


def test_a_study_is_trained_once_and_its_records_serve_others(tmp_path):
    trainer, said = Trainer(), []
    records = reproduce(STUDY, "short", tmp_path, launcher=trainer, say=said.append)
    assert [record.run for record in records] == trainer.trained == STUDY.runs("short", {})
    assert said[0] == "0 of 5 runs are done; 5 are left."
    assert said[1] == "fuzzy-rgb, lenet, cross-entropy, seed 0: training"
    assert said[2].startswith("[1/5] fuzzy-rgb, lenet, cross-entropy, seed 0: accuracy 0.6250, 12 s; 0 running, 4 left")
    assert len(list((tmp_path / "mine").glob("*.json"))) == 6
    assert json.loads((tmp_path / "mine/study.json").read_text()) == {"study": "mine", "scale": "short"}
    other = dataclasses.replace(STUDY, name="other", reference="other")
    again = reproduce(other, "short", tmp_path, launcher=trainer, say=said.append)
    assert len(trainer.trained) == 5
    assert [record.as_dict() for record in again] == [record.as_dict() for record in records]
    assert len(list((tmp_path / "other").glob("*.json"))) == 6


def test_a_damaged_record_is_set_aside_and_trained_again(tmp_path):
    trainer, said = Trainer(), []
    reproduce(STUDY, "short", tmp_path, launcher=trainer, say=said.append)
    damaged = tmp_path / f"mine/{RUNS[1].run_id}.json"
    damaged.write_text("{")
    reproduce(STUDY, "short", tmp_path, launcher=trainer, say=said.append)
    assert trainer.trained[5:] == [RUNS[1]]
    assert "4 of 5 runs are done; 1 are left." in said
    assert damaged.with_name(f"{damaged.name}.broken-1").read_text() == "{"
