"""Where the line is drawn between a verdict and another: records just on either side of it."""

import dataclasses

import pytest

from sigma2r.paper.judges import (
    growth_falls,
    growth_falls_late,
    growth_moves,
    on_both_networks,
    on_fuzzy_rgb_with_resnet18,
    rate_of_adam,
    stragglers_freeze,
)
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


def of_growth(judge, *curves, seeds=5, **by_reading):
    """The verdict where each data set grows by its curve, in every seed; in another reading by another."""
    rows = {
        dataset: {"sigma2r@0.01": [growing(curve, seed) for seed in range(seeds)]}
        for dataset, curve in zip(DATASETS, curves, strict=False)
    }
    for reading, curve in by_reading.items():
        rows["fashion-mnist"][f"sigma2r@0.01[spread={reading}]"] = [growing(curve, seed) for seed in range(seeds)]
    return judge(of_study("figure-5", rows), 1)


def falling(half_after, epochs=100, depth=-10.0):
    """From 0 to ``depth``; half of the way is behind after just so many epochs."""
    return [0.0 if epoch < half_after else 0.5 * depth for epoch in range(1, epochs)] + [depth]


@pytest.mark.parametrize(("half_after", "verdict"), [(20, "not seen"), (50, "not seen"), (51, "holds"), (90, "holds")])
def test_late_is_after_half_of_the_epochs_and_by_half_of_the_fall(half_after, verdict):
    judged = of_growth(growth_falls_late, falling(half_after))
    assert judged.verdict == verdict
    steps = f"{half_after * round(9000 / 256):,} steps"
    told = f"half of the fall is over after {half_after} ± 0 % of the epochs, {steps}, n = 5"
    assert judged.ours == f"fashion-mnist, distance-std: {told}"


def test_the_fall_begins_at_0_and_not_after_the_first_epoch():
    # Nine tenths of the fall lie within the first epoch: half is over after 5/9 of it, which is 5.6 % of ten epochs.
    judged = of_growth(growth_falls_late, [-9.0, *[-9.5] * 8, -10.0])
    assert "after 6 ± 0 % of the epochs" in judged.ours
    assert judged.verdict == "not seen"


def test_late_is_so_only_if_it_is_in_every_data_set():
    late, early = falling(60), falling(40)
    assert of_growth(growth_falls_late, late, late, late).verdict == "holds"
    assert of_growth(growth_falls_late, late, early, late).verdict == "not seen"
    assert of_growth(growth_falls_late, late, late, late, seeds=4).verdict == "undecided"
    assert of_growth(growth_falls_late, late, [0.0, 0.1]).verdict == "not seen"


def test_growth_falls_only_if_it_ends_below_its_start():
    assert of_growth(growth_falls, [0.0, -3.0, -1.0]).verdict == "holds"
    assert of_growth(growth_falls, [-2.0, -1.0, -0.5]).verdict == "holds"
    assert of_growth(growth_falls, [0.5, -3.0, 0.1]).verdict == "not seen"
    assert of_growth(growth_falls, [0.0, -3.0, -1.0], [0.0, 0.1]).verdict == "not seen"
    assert "from 0 at the start to -1.00 ± 0.00 at the end, n = 5" in of_growth(growth_falls, [0.0, -3.0, -1.0]).ours


def test_growth_is_judged_reading_by_reading():
    judged = of_growth(growth_falls, [0.0, -1.0], std=[0.0, 1.0])
    assert judged.verdict == "depends on the reading"
    assert judged.by_reading == "distance-std: holds\nstd: not seen"
    assert of_growth(growth_falls, [0.0, -1.0], std=[0.0, -1.0]).verdict == "holds"


@pytest.mark.parametrize(("still", "verdict"), [(9, "holds"), (10, "not seen")])
def test_growth_moves_if_more_than_nine_of_ten_steps_do(still, verdict):
    curve = [0.0]
    for step in range(100):
        curve.append(curve[-1] + (0.0005 if step < still else 0.0015))
    assert of_growth(growth_moves, curve).verdict == verdict


def curved(loss, seed, ratios, tails=None):
    """A record whose spread and tail on training images go through these values."""
    record = make_record(loss, seed)
    history = tuple(
        {**record.history[0], "epoch": epoch,
         "train": {**record.history[0]["train"], "intra_inter": ratio, "tail_99": tail}}
        for epoch, (ratio, tail) in enumerate(zip(ratios, tails or ratios, strict=True), start=1)
    )  # fmt: skip
    return dataclasses.replace(record, history=history)


def frozen(of_center, of_sigma2r, seeds=5, **tails):
    rows = {"center@0.01": [], "sigma2r@0.01": []}
    for seed in range(seeds):
        for loss, values in zip(rows, (of_center, of_sigma2r), strict=True):
            wobble = [value + 0.001 * (-1) ** seed for value in values[2:]]
            rows[loss].append(curved(loss, seed, [*values[:2], *wobble], tails.get(loss.partition("@")[0])))
    return stragglers_freeze(of_study("figure-4", {"equal-weight": rows} if seeds else {}), 1)


def test_freezing_is_what_the_later_half_of_the_epochs_tells_and_not_the_end_alone():
    rests, moves = [0.9, 0.3, 0.3, 0.3], [0.9, 0.5, 0.3, 0.2]
    held = frozen(rests, moves)
    assert (held.verdict, held.reason) == ("holds", "center@0.01 came to rest.")
    assert frozen(moves, moves).reason == "Both go on falling: freezing is a matter of time."
    assert frozen(moves, moves).verdict == frozen(moves, rests).verdict == frozen(rests, rests).verdict == "not seen"
    assert frozen(moves, moves, center=rests).verdict == "holds"  # the tail rests
    assert frozen(rests, moves, seeds=4).verdict == "undecided"
    assert frozen(rests, moves, seeds=0).verdict == "not run yet"
    assert "sigma2r@0.01: intra/inter falls by 60 ± " in held.ours


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


def of_networks(model, spreads, seeds=2):
    return {
        loss: [make_record(loss, s, model=model, scale=scale, accuracy=accuracy) for s in range(seeds)]
        for loss, (scale, accuracy) in spreads.items()
    }


def test_both_networks_are_told_by_how_many_times_compacter_and_by_points():
    resnet18 = of_networks("resnet18", {"sigma2r@0.01": (0.5, 0.6), "center@0.01": (2.0, 0.7)})
    lenet = of_networks("lenet", {"sigma2r@0.01": (1.0, 0.9), "center@0.01": (3.0, 0.8)})
    assert on_both_networks(of_study("table-2", {"resnet18": resnet18}), 1).verdict == "not run yet"
    judged = on_both_networks(of_study("table-2", {"resnet18": resnet18, "lenet": lenet}), 1)
    assert judged.verdict == "not testable at this scale"
    assert judged.ours.splitlines() == [
        "lenet: 3.0 ± 0.0 times compacter than center@0.01, accuracy 10.0 ± 0.0 points, n = 2",
        "resnet18: 4.0 ± 0.0 times compacter than center@0.01, accuracy -10.0 ± 0.0 points, n = 2",
    ]


@pytest.mark.parametrize(
    ("new", "old", "seeds", "verdict", "reason"),
    [
        (1.0, 3.0, 1, "undecided", "Fewer than 5 seeds decide nothing."),
        (3.0, 1.0, 1, "undecided", "Fewer than 5 seeds decide nothing. Here it is the reverse."),
        (1.0, 3.0, 5, "holds", "Lower in 5 of 5 seeds."),
        (3.0, 1.0, 5, "not seen", "Lower in 0 of 5 seeds. Here it is the reverse."),
    ],
)
def test_resnet18_on_fuzzy_rgb_is_shown_with_as_few_seeds_as_there_are(new, old, seeds, verdict, reason):
    rows = of_networks("resnet18", {"sigma2r@0.01": (new, 0.9), "center@0.01": (old, 0.9)}, seeds)
    judged = on_fuzzy_rgb_with_resnet18(of_study("figure-4", {"resnet18": rows}), 1)
    assert (judged.verdict, judged.reason) == (verdict, reason)
    assert f"n = {seeds}" in judged.ours
    assert on_fuzzy_rgb_with_resnet18(of_study("figure-4", {}), 1).verdict == "not run yet"


def at_rate(rate, worst, seeds):
    return {
        loss: [make_record(loss, s, accuracy=worst if s == 3 else 0.9, lr=rate) for s in range(seeds)]
        for loss in ("cross-entropy", "center@0.01")
    }


@pytest.mark.parametrize("part", ["other-rate", "equal-weight"])
@pytest.mark.parametrize(
    ("worst", "seeds", "verdict"), [(0.81, 5, "holds"), (0.79, 5, "not seen"), (0.81, 4, "undecided")]
)
def test_a_rate_is_learned_at_if_every_run_reaches_four_fifths_in_whatever_part_it_stands(part, worst, seeds, verdict):
    other = "equal-weight" if part == "other-rate" else "other-rate"
    rows = {part: at_rate(0.4, worst, seeds), other: at_rate(0.001, 0.1, seeds)}
    judged = rate_of_adam(of_study("table-1", rows), 1)
    assert judged.verdict == verdict
    assert judged.reason.startswith(f"{2 * seeds - 2 * (worst < 0.8)} of {2 * seeds} runs reached 0.8")
    assert "the best 0.9000" in judged.ours
    assert rate_of_adam(of_study("table-1", {}), 1).verdict == "not run yet"
    assert rate_of_adam(of_study("table-1", {part: at_rate(0.001, 0.9, 5)}), 1).verdict == "not run yet"


@pytest.mark.parametrize(
    ("ended", "lost", "verdict", "told"),
    [
        (5, 0, "holds", "accuracy 0.9000 ± 0.0000, the best 0.9000, n = 5"),
        (4, 1, "not seen", "n = 4; 1 diverged"),
        (0, 5, "not seen", "center@0.01: no run ended; 5 diverged"),
        (2, 2, "undecided", "n = 2; 2 diverged"),
    ],
)
def test_a_run_that_diverged_learned_nothing(ended, lost, verdict, told):
    records = [make_record("center@0.01", s, accuracy=0.9, lr=0.4) for s in range(ended + lost)]
    findings = of_study("table-1", {"other-rate": {"center@0.01": records[:ended]} if ended else {}})
    findings._diverged = {
        ("table-1", "other-rate"): [dataclasses.replace(r, final={}, diverged="in epoch 2") for r in records[ended:]]
    }
    judged = rate_of_adam(findings, 1)
    assert (judged.verdict, told in judged.ours) == (verdict, True)
    assert judged.reason.startswith(f"{ended} of {ended + lost} runs reached 0.8")
