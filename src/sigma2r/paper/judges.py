"""Claims that no comparison of two losses decides: what is computed, grows, or is chosen."""

from collections.abc import Iterator
from statistics import fmean

from sigma2r.paper.geometry import READINGS, figure_1, figure_3
from sigma2r.report.paired import FEWEST
from sigma2r.report.tables import ACCURACY, SPREAD
from sigma2r.report.verdicts import (
    HOLDS,
    NOT_RUN,
    NOT_SEEN,
    NOT_TESTABLE,
    UNDECIDED,
    Findings,
    Judged,
    Look,
    by_seed,
    told_mean,
)
from sigma2r.studies.record import Record


def on_both_networks(findings: Findings, _: int) -> Judged:
    """Whether runs of ResNet18 say anything; they are too few and too short."""
    told = []
    for study, part in (("table-1", "equal-weight"), ("table-2", "resnet18")):
        new, old = (findings.row(study, part, loss) for loss in ("sigma2r@0.01", "center@0.01"))
        if not new or not old:
            return Judged("–", "–", NOT_RUN, "Runs of ResNet18 or LeNet are missing.")
        spreads, accuracies = (by_seed(new, old, column) for column in (SPREAD, ACCURACY))
        ratio = told_mean([b / a for a, b in spreads], 1)
        lost = told_mean([100 * (a - b) for a, b in accuracies], 1)
        told.append(
            f"{new[0].run.model}: {ratio} times compacter than center@0.01, accuracy {lost} points, n = {len(spreads)}"
        )
    return Judged(
        findings.settings["table-2"],
        "\n".join(told),
        NOT_TESTABLE,
        "One seed of ResNet18 on 10,000 images for eight epochs decides nothing; five at full length would.",
    )


def gates_as_drawn(_: Findings, __: int) -> Judged:
    """Whether gates lie as the caption of Figure 1 says, in every reading of sigma."""
    gates = {each.reading: each for each in figure_1().gates}
    told = "; ".join(
        f"{reading}: far above near {'yes' if g.far_above_near else 'no'}, isolated above accompanied "
        f"{'yes' if g.isolated_above_accompanied else 'no'}"
        for reading, g in gates.items()
    )
    return Judged(
        "Computed by the loss on a layout as drawn, n = 3.",
        told,
        HOLDS if all(g.far_above_near and g.isolated_above_accompanied for g in gates.values()) else NOT_SEEN,
        "It depends on the reading of sigma: under that of distances, the only one that trains as the tables show, the "
        "caption does not hold; under the other two it does.",
    )


def isolation(_: Findings, __: int) -> Judged:
    """Whether the excess of an outlier grows with its distance, in every reading."""
    layout = figure_1()
    told = "; ".join(f"{g.reading}: " + ", ".join(f"{e:.3f}" for e in g.excess_of_outlier) for g in layout.gates)
    grows = {g.reading: g.excess_of_outlier[-1] > 2 * g.excess_of_outlier[0] for g in layout.gates}
    return Judged(
        f"Excess of spread of an outlier at {', '.join(f'{d:g}' for d in layout.distances)} from a tight class.",
        told,
        HOLDS if all(grows[reading] for reading in READINGS) else NOT_SEEN,
        "The default reading is blind to isolation: its excess does not grow with the distance. Only the squared "
        "distance makes the loss high there.",
    )


def _growth(findings: Findings) -> Iterator[tuple[str, list[Record]]]:
    for dataset in ("fashion-mnist", "cifar10", "cifar100"):
        records = findings.row("figure-5", dataset, "sigma2r@0.01")
        if records:
            yield dataset, records


def growth_moves(findings: Findings, _: int) -> Judged:
    """Whether growth changes from epoch to epoch."""
    told, moves = [], []
    for dataset, records in _growth(findings):
        shares = [_share_that_moves(record) for record in records]
        told.append(
            f"{dataset}: {told_mean(shares, 0)} % of the steps from epoch to epoch exceed 0.001, n = {len(shares)}"
        )
        moves.append(min(shares) > 90)
    return _of_growth(findings, told, moves, "Growth of each class; in every seed more than 90 % of the steps.")


def _share_that_moves(record: Record) -> float:
    """Per cent of the steps of all classes from epoch to epoch that change growth."""
    steps = [
        abs(b - a)
        for before, after in zip(record.history, record.history[1:], strict=False)
        for a, b in zip(before["growth"], after["growth"], strict=True)
    ]
    return 100 * fmean(float(step > 1e-3) for step in steps)


def _of_growth(findings: Findings, told: list[str], each: list[bool], reason: str) -> Judged:
    """A verdict on growth: what is so in each of the data sets holds."""
    if not told:
        return Judged("–", "–", NOT_RUN, "Runs are missing.")
    fewest = min(len(records) for _, records in _growth(findings))
    if fewest < FEWEST:
        verdict, reason = UNDECIDED, f"Fewer than {FEWEST} seeds decide nothing."
    else:
        verdict = HOLDS if all(each) else NOT_SEEN
    return Judged(findings.settings["figure-5"], "\n".join(told), verdict, reason)


def growth_falls(findings: Findings, _: int) -> Judged:
    """Whether growth ends below where it was after the first epoch."""
    told, fallen = [], []
    for dataset, records in _growth(findings):
        first = [fmean(record.history[0]["growth"]) for record in records]
        last = [fmean(record.history[-1]["growth"]) for record in records]
        told.append(
            f"{dataset}: {told_mean(first, 2)} after epoch 1, {told_mean(last, 2)} at the end, n = {len(records)}"
        )
        fallen.append(all(b < a for a, b in zip(first, last, strict=True)))
    return _of_growth(
        findings,
        told,
        fallen,
        "In every seed. Small growth is a flat gate: every sample then has nearly Z / 2, and sigma2R is a center loss "
        "of 40 times the weight.",
    )


def growth_falls_late(findings: Findings, _: int) -> Judged:
    """Whether half of its fall comes in the later half of the epochs."""
    told, late = [], []
    for dataset, records in _growth(findings):
        shares = []
        for record in records:
            curve = [fmean(entry["growth"]) for entry in record.history]
            half = curve[0] + (curve[-1] - curve[0]) / 2
            shares.append(100 * next(i for i, value in enumerate(curve, 1) if value <= half) / len(curve))
        told.append(
            f"{dataset}: half of the fall is over after {told_mean(shares, 0)} % of the epochs, n = {len(records)}"
        )
        late.append(fmean(shares) > 50)
    return _of_growth(findings, told, late, "See also growth held at 0, in the study of sensitivity.")


def ambiguity(_: Findings, __: int) -> Judged:
    """Whether any image of Fuzzy-RGB has another largest channel than its class's."""
    samples = figure_3()
    within = 100 * samples.within[0.02]
    return Judged(
        "All 9,000 training images.",
        f"The largest channel is that of the class in {100 * samples.largest_is_label:g} % of the images; in "
        f"{within:.2f} % it exceeds the next by no more than 2 % of full intensity.",
        NOT_SEEN,
        "By construction the largest channel always names the class. A few images are hard to tell, none is ambiguous.",
    )


ALTERNATIVES = (
    ("neighbors", "sigma2r@0.01[neighbors=3]"),
    ("neighbors", "sigma2r@0.01[neighbors=15]"),
    ("ceiling", "sigma2r@0.01[ceiling=10.0]"),
    ("ceiling", "sigma2r@0.01[ceiling=100.0]"),
)
_AS_WELL = 0.005  # of accuracy: a gain that is no reason to choose otherwise


def sensitivity(findings: Findings, num_comparisons: int) -> Judged:
    """Whether another value than the paper's is better, and by how much it might be."""
    looks = [Look("sensitivity", part, loss, "sigma2r@0.01", ACCURACY, higher=True) for part, loss in ALTERNATIVES]
    found = [(look, look.difference(findings, num_comparisons)) for look in looks]
    known = [(look, difference) for look, difference in found if difference is not None]
    if len(known) < len(found):
        return Judged("–", "–", NOT_RUN, "Runs are missing.")
    better = [look.new for look, difference in known if look.stands(difference) == "agrees"]
    if any(difference.n < FEWEST for _, difference in known):
        verdict, reason = UNDECIDED, f"Fewer than {FEWEST} seeds decide nothing."
    elif better:
        verdict, reason = NOT_SEEN, f"More accurate: {', '.join(better)}."
    elif all(difference.mean + difference.half_width <= _AS_WELL for _, difference in known):
        verdict, reason = HOLDS, "No other value gains half a point."
    else:
        verdict, reason = UNDECIDED, "No other value is found to be better; some intervals reach beyond half a point."
    told = "\n".join(look.told(difference) for look, difference in known)
    return Judged(findings.settings["sensitivity"], told, verdict, reason)


def rate_of_adam(findings: Findings, _: int) -> Judged:
    """Whether networks learn at a rate of 0.4."""
    rows = findings.rows("table-1", "other-rate")
    if not rows:
        return Judged("–", "–", NOT_RUN, "Runs are missing, or diverged: see the study of Table 1.")
    told = "\n".join(
        f"{loss}: accuracy {told_mean([ACCURACY.value(r) or 0 for r in records], 4)}, n = {len(records)}"
        for loss, records in rows.items()
    )
    all_runs = [record for records in rows.values() for record in records]
    learned = sum((ACCURACY.value(record) or 0) > 0.8 for record in all_runs)
    few = min(len(records) for records in rows.values()) < FEWEST
    return Judged(
        "LeNet on FashionMNIST, learning rate 0.4 with Adam.",
        told,
        UNDECIDED if few else HOLDS if learned == len(all_runs) else NOT_SEEN,
        f"{learned} of {len(all_runs)} runs reached 0.8, which all reach with a rate of 0.001: Adam's first steps move "
        "every weight by 0.4. ResNet18, whose batch norms forget the size of weights, was not tried at this rate.",
    )
