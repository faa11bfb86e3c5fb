"""Whose records a folder holds: a study goes on wherever it has moved, and none takes the place of another."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest

from sigma2r.studies import reproduce as module
from sigma2r.studies.launch import Finished
from sigma2r.studies.reproduce import reproduce
from sigma2r.studies.study import Part, Study
from tests.report.conftest import make_record

LOSSES = ("cross-entropy", "center@0.1", "git@0.1")


class StoppedError(Exception):
    """A training is stopped in its midst."""


class Trainer:
    """A launcher that leaves records made by hand, of so many runs in all."""

    def __init__(self, most=99):
        self.left, self.trained = most, []

    def __call__(self, tasks):
        for task in tasks[: self.left]:
            self.trained.append(task.run.run_id)
            yield Finished(task, replace(make_record(task.run.loss_name), run=task.run))
        self.left -= len(tasks)
        if self.left < 0:
            raise StoppedError


def study(reference, *losses, scales=None) -> Study:
    """Two seeds of each loss at its first scale, and more at others."""
    scales = scales or {"short": 2, "long": 3}

    def parts(scale, done):
        runs = tuple(make_record(loss, seed).run for loss in losses for seed in range(scales[scale]))
        yield Part(name="all", title="All", text="", runs=runs)

    return Study(name="same", title="", source="", parts=parts, settings=dict.fromkeys(scales, ""), reference=reference)


def go_on(folder, own, scale="short", most=99) -> list[str]:
    """The runs that are trained."""
    trainer = Trainer(most)
    with suppress(StoppedError):
        reproduce(own, scale, folder, launcher=trainer, say=lambda line: None)
    return trainer.trained


@pytest.mark.parametrize("paths", [(None, "s.py:A"), ("s.py:A", None), ("s.py:A", "moved/s.py:A"), ("s.py:A", "s:A")])
@pytest.mark.parametrize("most", [0, 1, 99], ids=["before a run", "within", "at the end"])
def test_a_study_goes_on_under_another_path_and_without_one(tmp_path, paths, most):
    first, then = (study(path, *LOSSES) for path in paths)
    trained = go_on(tmp_path, first, most=most)
    assert not set(trained) & set(go_on(tmp_path, then))
    assert go_on(tmp_path, then, "long") == [run.run_id for run in then.runs("long", {}) if run.init_seed == 2]
    assert json.loads((tmp_path / "same/study.json").read_text()) == {"study": then.reference, "scale": "long"}
    assert go_on(tmp_path, first) == []


def test_a_study_that_moved_while_a_longer_scale_was_trained_goes_on(tmp_path):
    scales = {"short": 1, "long": 3}
    go_on(tmp_path, study("s.py:A", "git@0.1", scales=scales))
    go_on(tmp_path, study("s.py:A", *LOSSES, scales=scales), "long", most=2)
    assert len(go_on(tmp_path, study("b/s.py:A", *LOSSES, scales=scales), "long")) == 6


def test_a_study_may_be_edited_where_it_is(tmp_path):
    go_on(tmp_path, study("s.py:A", "cross-entropy", "center@0.1"))
    assert len(go_on(tmp_path, study("s.py:A", "cross-entropy", "git@0.1"))) == 2
    assert len(go_on(tmp_path, study("s.py:A", "sigma2r@0.1"))) == 2


@pytest.mark.parametrize(
    ("paths", "losses"),
    [
        (("s.py:A", "s.py:B"), ("git@0.1",)),
        (("s.py:A", "other.py:A"), ("git@0.1",)),
        (("s.py:A", "s.py:B"), ("cross-entropy", "git@0.1")),
        (("table-1", "s.py:B"), ("git@0.1",)),
        (("s.py:A", "table-1"), ("git@0.1",)),
    ],
    ids=["of one file", "of two files", "with a run in common", "behind one by name", "one by name behind it"],
)
def test_another_study_of_that_name_is_refused_and_changes_nothing(tmp_path, paths, losses):
    go_on(tmp_path, study(paths[0], "cross-entropy", "center@0.1"))
    (tmp_path / "same/0123456789abcdef.json").write_text("{")
    before = {path.name: path.read_bytes() for path in (tmp_path / "same").iterdir()}
    message = rf"same holds the records of the study {paths[0]}, of other runs; {paths[1]} has the same name and would"
    with pytest.raises(ValueError, match=message):
        reproduce(study(paths[1], *losses), "short", tmp_path, launcher=Trainer())
    assert {path.name: path.read_bytes() for path in (tmp_path / "same").iterdir()} == before


def test_parts_that_ask_for_one_more_run_each_time_come_to_an_end(tmp_path, monkeypatch):
    def parts(scale, done):
        runs = tuple(make_record("git@0.1", seed).run for seed in range(len(done) + 1))
        yield Part(name="all", title="All", text="", runs=runs)

    endless, trainer = replace(study("s.py:A", "git@0.1"), parts=parts), Trainer()
    assert module.MOST_ROUNDS == 1000
    monkeypatch.setattr(module, "MOST_ROUNDS", 4)
    with pytest.raises(ValueError, match=r"reproduce: parts of same must come to an end; after 4 rounds"):
        reproduce(endless, "short", tmp_path, launcher=trainer, say=lambda line: None)
    assert len(trainer.trained) == 4
