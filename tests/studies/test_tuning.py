"""Which weight is chosen, and that every loss has the same grid to choose from."""

import dataclasses

import pytest

from sigma2r.studies.run import Run
from sigma2r.studies.study import Study
from sigma2r.studies.tuning import ASIDE, GRID, chosen_weight, matched, weights_of
from tests.report.conftest import make_record

RUN = Run(loss="center", epochs=4)


def tried(figures, **changes):
    """Trials with these (accuracy, intra/inter) of the images set aside, and their records."""
    done, trials = {}, []
    for weight, (accuracy, ratio) in figures.items():
        run = dataclasses.replace(RUN, loss_weight=weight, validation_fraction=ASIDE)
        made = make_record("cross-entropy")
        figures_aside = {**made.final["test"], "accuracy": accuracy, "intra_inter": ratio}
        final = {**made.final, "validation": figures_aside}
        done[run.run_id] = dataclasses.replace(made, run=run, final=final, **changes)
        trials.append(run)
    return trials, done


def test_the_most_accurate_on_images_set_aside_is_chosen():
    assert chosen_weight(*tried({0.001: (0.8, 0.1), 0.01: (0.9, 0.5), 0.1: (0.7, 0.1)})) == 0.01


def test_of_equally_accurate_ones_the_more_compact():
    assert chosen_weight(*tried({0.001: (0.9, 0.5), 0.01: (0.9, 0.3), 0.1: (0.9, None)})) == 0.01


def test_nothing_is_chosen_before_all_are_tried():
    trials, done = tried({0.001: (0.8, 0.1), 0.01: (0.9, 0.5)})
    assert chosen_weight(trials, dict([*done.items()][1:])) is None


def test_one_that_diverged_is_not_chosen_and_none_is_an_error():
    trials, done = tried({0.001: (0.8, 0.1), 0.01: (0.9, 0.5)})
    broken = {trials[1].run_id: dataclasses.replace(done[trials[1].run_id], diverged="in epoch 1", final={})}
    assert chosen_weight(trials, done | broken) == 0.001
    with pytest.raises(ValueError, match=r"tuning: every weight of center diverged; none can be chosen"):
        chosen_weight(*tried({0.001: (0.8, 0.1)}, diverged="in epoch 1"))


def test_every_loss_has_the_same_grid_and_one_that_is_raised_its_negative():
    for loss in ("center", "sigma2r", "arcface", "supcon", "label-smoothing", "soft-nearest-neighbor"):
        run = dataclasses.replace(RUN, loss=loss)
        assert [trial.loss_weight for trial in weights_of(run)] == list(GRID)
    hidden = dataclasses.replace(RUN, loss="soft-nearest-neighbor", layers=("body.2",))
    assert [trial.loss_weight for trial in weights_of(hidden)] == [-weight for weight in GRID]


def test_what_lies_ahead_counts_the_runs_whose_weights_are_not_known_yet():
    study = Study(
        name="s", title="", source="", settings={"desk": "", "paper": ""},
        parts=lambda scale, done: matched([RUN, dataclasses.replace(RUN, loss="git")], range(5), done, epochs=2),
    )  # fmt: skip
    assert len(study.runs("desk", {})) == 2 * len(GRID)
    assert len(study.missing("desk", {})) == 2 * len(GRID) + 2 * 5
    trial = study.runs("desk", {})[0]
    assert len(study.missing("desk", {trial.run_id: make_record("git")})) == 2 * len(GRID) - 1 + 2 * 5


def test_trials_set_images_aside_and_final_runs_do_not():
    (tuning,) = matched([RUN], range(5), {}, epochs=2)
    assert {(run.validation_fraction, run.epochs) for run in tuning.followed_by} == {(0.0, 4)}
    assert {(run.validation_fraction, run.epochs, run.init_seed) for run in tuning.runs} == {(ASIDE, 2, 0)}
    done = {}
    for run in tuning.runs:
        made = make_record("cross-entropy")
        done[run.run_id] = dataclasses.replace(made, run=run, final={**made.final, "validation": made.final["test"]})
    tuning, final = matched([RUN], range(5), done, epochs=2)
    assert tuning.followed_by == ()
    assert {(run.validation_fraction, run.epochs) for run in final.runs} == {(0.0, 4)}
    assert [run.init_seed for run in final.runs] == list(range(5))
