"""Where the line is drawn between a verdict and another: records just on either side of it."""

import dataclasses

import pytest

from sigma2r.paper.judges import growth_falls, growth_falls_late, growth_moves, on_both_networks, rate_of_adam
from sigma2r.paper.judges import sensitivity as judged_sensitivity
from tests.report.conftest import make_record
from tests.report.test_verdicts import of_study

DATASETS = ("fashion-mnist", "cifar10", "cifar100")


def growing(curve, seed=0):
    """A record whose growth, the same in all classes, goes through these values."""
    record = make_record("sigma2r@0.01", seed)
    history = tuple(
        {**record.history[0], "epoch": epoch, "growth": [value] * 3, "growth_rate": [1.0] * 3}
        for epoch, value in enumerate(curve, start=1)
    )
    return dataclasses.replace(record, history=history)


def of_growth(judge, *curves, seeds=5):
    """The verdict where each data set grows by its curve, in every seed."""
    rows = {
        dataset: {"sigma2r@0.01": [growing(curve, seed) for seed in range(seeds)]}
        for dataset, curve in zip(DATASETS, curves, strict=False)
    }
    return judge(of_study("figure-5", rows), 1)


def falling(half_after, epochs=100, depth=-10.0):
    """From 0 to ``depth``; just half of the way is behind after so many epochs."""
    return [0.49 * depth if epoch < half_after else 0.5 * depth for epoch in range(1, epochs)] + [depth]


def from_zero(curve):
    return [0.0, *curve[1:]]


@pytest.mark.parametrize(("half_after", "verdict"), [(20, "not seen"), (50, "not seen"), (51, "holds"), (90, "holds")])
def test_late_is_after_half_of_the_epochs_and_by_half_of_the_fall(half_after, verdict):
    judged = of_growth(growth_falls_late, from_zero(falling(half_after)))
    assert judged.verdict == verdict
    assert judged.ours == f"fashion-mnist: half of the fall is over after {half_after} ± 0 % of the epochs, n = 5"


def test_late_is_so_only_if_it_is_in_every_data_set():
    late, early = from_zero(falling(60)), from_zero(falling(40))
    assert of_growth(growth_falls_late, late, late, late).verdict == "holds"
    assert of_growth(growth_falls_late, late, early, late).verdict == "not seen"
    assert of_growth(growth_falls_late, late, late, late, seeds=4).verdict == "undecided"


def test_growth_falls_only_if_it_ends_below_its_first_epoch():
    assert of_growth(growth_falls, [0.0, -3.0, -1.0]).verdict == "holds"
    assert of_growth(growth_falls, [0.0, -3.0, 0.5]).verdict == "not seen"
    assert of_growth(growth_falls, [0.0, -3.0, -1.0], [0.0, 0.1]).verdict == "not seen"


@pytest.mark.parametrize(("still", "verdict"), [(9, "holds"), (10, "not seen")])
def test_growth_moves_if_more_than_nine_of_ten_steps_do(still, verdict):
    curve = [0.0]
    for step in range(100):
        curve.append(curve[-1] + (0.0005 if step < still else 0.0015))
    assert of_growth(growth_moves, curve).verdict == verdict


def sensitivity(highest_end):
    """The verdict where one other value gains this at most, by the end of its interval."""
    wobble = (-0.008, -0.004, 0.0, 0.004, 0.008)

    def records(loss, gain, scattered=True):
        return [make_record(loss, s, accuracy=0.85 + gain + (wobble[s] if scattered else 0.0)) for s in range(5)]

    def judged(gain):
        rows = {
            part: {
                "sigma2r@0.01": records("sigma2r@0.01", 0.0, scattered=False),
                **{f"sigma2r@0.01[{v}]": records(f"sigma2r@0.01[{v}]", gain if v == "ceiling=10.0" else -0.02)
                   for v in values},
            }
            for part, values in (("neighbors", ("neighbors=3", "neighbors=15")),
                                 ("ceiling", ("ceiling=10.0", "ceiling=100.0")))
        }  # fmt: skip
        return judged_sensitivity(of_study("sensitivity", rows), 1)

    # Student's t for 97.5 % and 4 degrees of freedom is 2.7764; the deviation of the five is 0.0063246.
    return judged(highest_end - 2.7764451 * 0.0063245553 / 5**0.5)


@pytest.mark.parametrize(
    ("highest_end", "verdict"),
    [(0.001, "holds"), (0.0048, "holds"), (0.0052, "undecided"), (0.01, "undecided"), (0.03, "not seen")],
)
def test_other_values_may_gain_no_more_than_half_a_point(highest_end, verdict):
    assert sensitivity(highest_end).verdict == verdict


def test_both_networks_are_told_by_how_many_times_compacter_and_by_points():
    def rows(model, spreads):
        return {
            loss: [make_record(loss, s, model=model, scale=scale, accuracy=accuracy) for s in range(2)]
            for loss, (scale, accuracy) in spreads.items()
        }

    findings = of_study(
        "table-2", {"resnet18": rows("resnet18", {"sigma2r@0.01": (0.5, 0.6), "center@0.01": (2.0, 0.7)})}
    )
    assert on_both_networks(findings, 1).verdict == "not run yet"
    first = of_study(
        "table-1", {"equal-weight": rows("lenet", {"sigma2r@0.01": (1.0, 0.9), "center@0.01": (3.0, 0.8)})}
    )
    findings._rows |= first._rows
    judged = on_both_networks(findings, 1)
    assert judged.verdict == "not testable at this scale"
    assert judged.ours.splitlines() == [
        "lenet: 3.0 ± 0.0 times compacter than center@0.01, accuracy 10.0 ± 0.0 points, n = 2",
        "resnet18: 4.0 ± 0.0 times compacter than center@0.01, accuracy -10.0 ± 0.0 points, n = 2",
    ]


@pytest.mark.parametrize(
    ("worst", "seeds", "verdict"), [(0.81, 5, "holds"), (0.79, 5, "not seen"), (0.81, 4, "undecided")]
)
def test_a_rate_is_learned_at_if_every_run_reaches_four_fifths(worst, seeds, verdict):
    rows = {
        loss: [make_record(loss, s, accuracy=worst if s == 3 else 0.9) for s in range(seeds)]
        for loss in ("cross-entropy", "center@0.01")
    }
    assert rate_of_adam(of_study("table-1", {"other-rate": rows}), 1).verdict == verdict
    assert rate_of_adam(of_study("table-1", {}), 1).verdict == "not run yet"
