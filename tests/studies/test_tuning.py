"""Which weight is chosen, and that one rule holds for every loss."""

import dataclasses

import pytest

from sigma2r.studies.run import Run
from sigma2r.studies.study import Study
from sigma2r.studies.tuning import ASIDE, FARTHEST, SEEDS, START, at_best_weights, search, weight_at
from tests.report.conftest import make_record

RUN = Run(loss="center", epochs=4)


def record_of(run, accuracy, ratio=0.5, diverged=None):
    """A record of a trial with these figures of the images set aside."""
    made = make_record("cross-entropy")
    final = {**made.final, "validation": {**made.final["test"], "accuracy": accuracy, "intra_inter": ratio}}
    return dataclasses.replace(made, run=run, final={} if diverged else final, diverged=diverged)


def searched(accuracy, run=RUN, ratio=lambda run: 0.5, diverged=lambda run: None):
    """The search that trains whatever it asks for; ``accuracy`` is told the run."""
    done = {}
    while True:
        found = search(run, done)
        missing = [trial for several in found.trials for trial in several if trial.run_id not in done]
        if not missing:
            return found
        done |= {r.run_id: record_of(r, accuracy(r), ratio(r), diverged(r)) for r in missing}


def peak(weight):
    """Accuracies that fall off on either side of a weight."""
    import math

    return lambda run: 1 - abs(math.log10(abs(run.loss_weight) / weight)) / 10


def weights(found):
    return [several[0].loss_weight for several in found.trials]


def test_weights_go_in_half_decades_around_the_usual_one():
    assert weights(search(RUN, {})) == [0.001, 0.003, 0.01, 0.03, 0.1]
    assert weights(search(dataclasses.replace(RUN, loss="sigma2r"), {})) == [
        0.000025,
        0.000075,
        0.00025,
        0.00075,
        0.0025,
    ]
    low = dataclasses.replace(RUN, loss="sigma2r", loss_options={"ceiling": 10.0})
    assert weights(search(low, {})) == [0.0001, 0.0003, 0.001, 0.003, 0.01]
    raised = dataclasses.replace(RUN, loss="soft-nearest-neighbor", loss_weight=-1.0, layers=("body.2",))
    assert weights(search(raised, {})) == [-0.001, -0.003, -0.01, -0.03, -0.1]
    assert len(START) == 5


def test_sigma2r_is_searched_where_a_half_open_gate_is_as_strong_as_the_center_loss():
    sigma2r = dataclasses.replace(RUN, loss="sigma2r")
    for step in range(-FARTHEST, FARTHEST + 1):
        assert 40 * weight_at(sigma2r, step) == pytest.approx(weight_at(RUN, step))


@pytest.mark.parametrize("best", [0.00003, 0.001, 0.003, 0.03, 0.3, 3.0])
def test_the_best_weight_is_found_and_never_on_an_edge(best):
    found = searched(peak(best))
    assert (found.weight, found.at_limit) == (best, False)
    tried = weights(found)
    assert tried == sorted(tried)
    assert min(tried) < best < max(tried)
    assert found.remarks == {f"center@{best:g}": "chosen"}


def test_a_search_ends_three_and_a_half_decades_away_and_says_so():
    weak, strong = searched(peak(1e-9)), searched(peak(1e9))
    assert (weak.weight, weak.at_limit) == (3e-6, True)
    assert (strong.weight, strong.at_limit) == (30.0, True)
    assert weak.remarks == {"center@3e-06": "chosen; at the limit of the search"}


def test_a_weight_that_the_loss_does_not_take_is_a_limit():
    smoothing = dataclasses.replace(RUN, loss="label-smoothing")
    assert weights(search(smoothing, {})) == [0.01, 0.03, 0.1, 0.3]
    found = searched(peak(0.9), run=smoothing)
    assert (found.weight, found.at_limit) == (0.3, True)


def test_every_weight_has_three_seeds_at_full_length_and_the_mean_decides():
    found = searched(
        lambda run: {0.01: (0.9, 0.9, 0.6), 0.03: (0.85,) * 3}.get(run.loss_weight, (0.1,) * 3)[run.init_seed]
    )
    assert found.weight == 0.03
    assert [[(trial.init_seed, trial.epochs) for trial in several] for several in found.trials] == [
        [(seed, RUN.epochs) for seed in SEEDS]
    ] * 5
    assert {trial.validation_fraction for several in found.trials for trial in several} == {ASIDE}
    assert len(SEEDS) >= 3


def test_of_equally_accurate_ones_the_more_compact():
    ratios = {0.003: 0.4, 0.01: 0.3, 0.03: None}
    assert (
        searched(
            lambda run: 0.9 if run.loss_weight in ratios else 0.1, ratio=lambda r: ratios.get(r.loss_weight, 0.1)
        ).weight
        == 0.01
    )


def test_accuracies_that_differ_by_the_rounding_of_records_are_equal():
    # 4,001 + 4,002 + 4,003 and three times 4,002 images of 6,000, each to seven digits.
    thirds = {0.003: (0.6668333, 0.667, 0.6671667), 0.01: (0.667, 0.667, 0.667)}
    accuracy = lambda run: thirds.get(run.loss_weight, (0.1,) * 3)[run.init_seed]  # noqa: E731 - told a run
    for compact in thirds:
        assert (
            searched(accuracy, ratio=lambda run, best=compact: 0.3 if run.loss_weight == best else 0.4).weight
            == compact
        )


def test_a_weight_at_which_one_seed_diverged_is_not_chosen_and_bounds_the_search():
    def diverged(run):
        return "in epoch 1" if run.loss_weight >= 0.1 and run.init_seed == 1 else None

    found = searched(peak(1e9), diverged=diverged)
    assert (found.weight, found.at_limit) == (0.03, False)
    assert max(weights(found)) == 0.1
    with pytest.raises(ValueError, match=r"tuning: at every weight a run of center diverged; none can be chosen"):
        searched(peak(1.0), diverged=lambda run: "in epoch 1")


def test_nothing_is_chosen_before_all_are_tried():
    trials = [trial for several in search(RUN, {}).trials for trial in several]
    done = {trial.run_id: record_of(trial, 0.9) for trial in trials[1:]}
    assert search(RUN, done).weight is None
    assert search(RUN, {}).remarks == {}


def test_a_record_without_images_set_aside_is_told():
    trials = [trial for several in search(RUN, {}).trials for trial in several]
    done = {trial.run_id: record_of(trial, 0.9) for trial in trials}
    broken = done[trials[4].run_id]
    del broken.final["validation"]
    with pytest.raises(
        ValueError, match=r"tuning: the record of center@0.003, seed 1, must have figures of images set"
    ):
        search(RUN, done)


def parts_of(done, runs=(RUN,)):
    return list(at_best_weights(runs, range(10), done, beside=[Run(loss="cross-entropy")]))


def test_what_lies_ahead_counts_the_runs_whose_weights_are_not_known_yet():
    study = Study(
        name="s", title="", source="", settings={"desk": ""},
        parts=lambda scale, done: iter(parts_of(done, (RUN, dataclasses.replace(RUN, loss="git")))),
    )  # fmt: skip
    assert len(study.runs("desk", {})) == 2 * 5 * 3
    assert len(study.missing("desk", {})) == 2 * 5 * 3 + 2 * 10
    trial = study.runs("desk", {})[0]
    assert len(study.missing("desk", {trial.run_id: record_of(trial, 0.9)})) == 2 * 5 * 3 - 1 + 2 * 10


def test_final_runs_have_the_chosen_weight_all_images_and_every_seed():
    done = {}
    for several in search(RUN, {}).trials:
        done |= {trial.run_id: record_of(trial, peak(0.01)(trial)) for trial in several}
    tuning, final = parts_of(done)
    assert (tuning.trials, tuning.followed_by, tuning.remarks) == (True, (), {"center@0.01": "chosen"})
    assert (final.name, final.title, final.trials) == ("best-weight", "Each loss at its own best weight", False)
    *at_best, alone = final.runs
    assert {(run.loss_name, run.validation_fraction, run.epochs) for run in at_best} == {("center@0.01", 0.0, 4)}
    assert [run.init_seed for run in at_best] == list(range(10))
    assert alone.loss == "cross-entropy"
