"""Claims that no comparison of two losses decides: what is computed, grows, or is chosen."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from statistics import fmean

from sigma2r.paper.geometry import JITTER, LAYOUTS, READINGS, figure_1, figure_3
from sigma2r.paper.strength import SIGMA2R
from sigma2r.report.paired import FEWEST
from sigma2r.report.tables import ACCURACY, SPREAD, TRAIN_RATIO, Summary, figure_at
from sigma2r.report.verdicts import (
    DEPENDS,
    HOLDS,
    NOT_RUN,
    NOT_SEEN,
    NOT_TESTABLE,
    UNDECIDED,
    Findings,
    Judged,
    Look,
    told_mean,
)
from sigma2r.studies.record import Record

_FEW = f"Fewer than {FEWEST} seeds decide nothing."


def on_both_networks(findings: Findings, _: int) -> Judged:
    """Whether runs of both networks on the same images say anything; they are too few and too short."""
    told = []
    for part in ("lenet", "resnet18"):
        new, old = (findings.row("table-2", part, loss) for loss in ("sigma2r@0.01", "center@0.01"))
        if not new or not old:
            return Judged("–", "–", NOT_RUN, "Runs of ResNet18 or LeNet are missing.")
        ratio = told_mean([b / a for a, b in _pairs(new, old, SPREAD.path)], 1)
        lost = told_mean([100 * (a - b) for a, b in _pairs(new, old, ACCURACY.path)], 1)
        told.append(
            f"{new[0].run.model}: {ratio} times compacter than center@0.01, accuracy {lost} points, n = {len(new)}"
        )
    return Judged(
        findings.settings["table-2"],
        "\n".join(told),
        NOT_TESTABLE,
        "One seed on 10,000 images for eight epochs decides nothing; five at full length would.",
    )


def on_fuzzy_rgb_with_resnet18(findings: Findings, _: int) -> Judged:
    """Figure 4 with the network that the text names: what it shows, with as few seeds as there are."""
    new, old = (findings.row("figure-4", "resnet18", loss) for loss in ("sigma2r@0.01", "center@0.01"))
    if not new or not old:
        return Judged("–", "–", NOT_RUN, "Runs are missing.")
    ratios = {r[0].run.loss_name: told_mean([TRAIN_RATIO.value(each) or 0.0 for each in r], 3) for r in (new, old)}
    pairs = _pairs(new, old, TRAIN_RATIO.path)
    if len(pairs) < FEWEST:
        verdict, reason = UNDECIDED, _FEW
    else:
        verdict = HOLDS if all(a < b for a, b in pairs) else NOT_SEEN
        reason = f"Lower in {sum(a < b for a, b in pairs)} of {len(pairs)} seeds."
    turned = " Here it is the reverse." if all(a > b for a, b in pairs) else ""
    told = f"intra/inter, train: {', '.join(f'{loss} {ratio}' for loss, ratio in ratios.items())}, n = {len(pairs)}"
    return Judged(findings.settings["figure-4"], told, verdict, reason + turned)


def _pairs(new: Sequence[Record], old: Sequence[Record], path: tuple[str, ...]) -> list[tuple[float, float]]:
    """A figure of both for each seed that both have, be it one."""
    values = [{r.run.init_seed: figure_at(r.final, *path) for r in records} for records in (new, old)]
    pairs = ((values[0][seed], values[1][seed]) for seed in sorted(values[0].keys() & values[1].keys()))
    return [(a, b) for a, b in pairs if a is not None and b is not None]


_CURVES = ("intra_inter", "tail_99")


def stragglers_freeze(findings: Findings, _: int) -> Judged:
    """Whether spread and tail of training images stop falling under the center loss, and not under sigma2R.

    Looked at over the later half of the epochs, in what part of their value they fall, with the 95 % interval of each.
    """
    rows = findings.rows("figure-4", "equal-weight")
    if "center@0.01" not in rows or "sigma2r@0.01" not in rows:
        return Judged("–", "–", NOT_RUN, "Runs are missing.")
    falls = {loss: [_late_fall(records, key) for key in _CURVES] for loss, records in rows.items()}
    told = "\n".join(
        f"{loss}: intra/inter falls by {_per_cent(ratio)}, the tail by {_per_cent(tail)} in the later half"
        for loss, (ratio, tail) in falls.items()
    )
    settings = findings.settings["figure-4"]
    if min(len(rows[loss]) for loss in ("center@0.01", "sigma2r@0.01")) < FEWEST:
        return Judged(settings, told, UNDECIDED, _FEW)
    goes_on = {loss: all(_is_above_0(fall) for fall in falls[loss] if fall) for loss in ("center@0.01", "sigma2r@0.01")}
    verdict = HOLDS if goes_on["sigma2r@0.01"] and not goes_on["center@0.01"] else NOT_SEEN
    frozen = [loss for loss, moves in goes_on.items() if not moves]
    reason = f"{' and '.join(frozen)} came to rest." if frozen else "Both go on falling: freezing is a matter of time."
    return Judged(settings, told, verdict, reason)


def _late_fall(records: Iterable[Record], key: str) -> list[float]:
    """By what part a figure of training images falls from the middle of the epochs to the end, for each seed."""
    found = []
    for record in records:
        curve = [value for entry in record.history if (value := figure_at(entry, "train", key)) is not None]
        if len(curve) > 2 and curve[len(curve) // 2 - 1]:
            found.append(1 - curve[-1] / curve[len(curve) // 2 - 1])
    return found


def _per_cent(values: Sequence[float]) -> str:
    return f"{told_mean([100 * value for value in values], 0)} %" if values else "–"


def _is_above_0(values: Sequence[float]) -> bool:
    summary = Summary.of(values)
    return summary is not None and summary.half_width is not None and summary.mean > summary.half_width


def gates_as_drawn(_: Findings, __: int) -> Judged:
    """Whether gates lie as the caption of Figure 1 says, in every reading of sigma, and where samples are moved."""
    gates = {each.reading: each for each in figure_1().gates}
    told = "; ".join(
        f"{reading}: far above near {'yes' if g.far_above_near else 'no'}, isolated above accompanied "
        f"{'yes' if g.isolated_above_accompanied else 'no'}, both in {g.share:.0%} of the moved layouts"
        for reading, g in gates.items()
    )
    return _by_reading(
        f"Computed by the loss on a layout as drawn, n = 3, and on {LAYOUTS:,} with samples moved by N(0, {JITTER:g}²) "
        "on each axis.",
        told,
        {
            reading: g.far_above_near and g.isolated_above_accompanied and g.share > _MOSTLY
            for reading, g in gates.items()
        },
        "The reading of distances, the only one that trains as the tables show, sees how differently far neighbours "
        "are, not how far.",
    )


_MOSTLY = 0.95  # of layouts, that a caption is true of


def _by_reading(settings: str, told: str, holds: Mapping[str, bool], reason: str) -> Judged:
    """A verdict for each reading, and one of all."""
    words = {reading: HOLDS if each else NOT_SEEN for reading, each in holds.items()}
    verdict = next(iter(words.values())) if len(set(words.values())) == 1 else DEPENDS
    return Judged(settings, told, verdict, reason, "\n".join(f"{name}: {word}" for name, word in words.items()))


def isolation(_: Findings, __: int) -> Judged:
    """Whether the excess of an outlier grows with its distance, in every reading."""
    layout = figure_1()
    told = "; ".join(f"{g.reading}: " + ", ".join(f"{e:.3f}" for e in g.excess_of_outlier) for g in layout.gates)
    grows = {g.reading: g.excess_of_outlier[-1] > 2 * g.excess_of_outlier[0] for g in layout.gates}
    return _by_reading(
        f"Excess of spread of an outlier at {', '.join(f'{d:g}' for d in layout.distances)} from a tight class.",
        told,
        {reading: grows[reading] for reading in READINGS},
        "The default reading is blind to isolation: its excess does not grow with the distance. Only the squared "
        "distance makes the loss high there.",
    )


def _growth(findings: Findings) -> Iterator[tuple[str, str, list[Record]]]:
    """Records of sigma2R by data set and reading."""
    for dataset in ("fashion-mnist", "cifar10", "cifar100"):
        for reading, loss in SIGMA2R.items():
            if records := findings.row("figure-5", dataset, loss):
                yield dataset, reading, records


def growth_moves(findings: Findings, _: int) -> Judged:
    """Whether growth changes from epoch to epoch."""
    found = {
        (dataset, reading): [_share_that_moves(record) for record in records]
        for dataset, reading, records in _growth(findings)
    }
    told = {
        key: f"{told_mean(shares, 0)} % of the steps from epoch to epoch exceed 0.001" for key, shares in found.items()
    }
    moves = {key: min(shares) > 90 for key, shares in found.items()}
    return _of_growth(findings, told, moves, "Growth of each class; in every seed more than 90 % of the steps.")


def _share_that_moves(record: Record) -> float:
    """Per cent of the steps of all classes from epoch to epoch that change growth."""
    steps = [
        abs(b - a)
        for before, after in zip(record.history, record.history[1:], strict=False)
        for a, b in zip(before["growth"], after["growth"], strict=True)
    ]
    return 100 * fmean(float(step > 1e-3) for step in steps)


_Key = tuple[str, str]  # data set and reading


def _of_growth(findings: Findings, told: Mapping[_Key, str], each: Mapping[_Key, bool], reason: str) -> Judged:
    """A verdict on growth: what is so in each of the data sets holds, reading by reading."""
    if not told:
        return Judged("–", "–", NOT_RUN, "Runs are missing.")
    counts = {(dataset, reading): len(records) for dataset, reading, records in _growth(findings)}
    ours = "\n".join(
        f"{dataset}, {reading}: {said}, n = {counts[dataset, reading]}" for (dataset, reading), said in told.items()
    )
    settings = findings.settings["figure-5"]
    if min(counts.values()) < FEWEST:
        return Judged(settings, ours, UNDECIDED, _FEW)
    readings = dict.fromkeys(reading for _, reading in each)
    holds = {r: all(so for (_, reading), so in each.items() if reading == r) for r in readings}
    return _by_reading(settings, ours, holds, reason)


def growth_falls(findings: Findings, _: int) -> Judged:
    """Whether growth ends below the mean of its start, which is 0."""
    last = {
        (dataset, reading): [fmean(record.history[-1]["growth"]) for record in records]
        for dataset, reading, records in _growth(findings)
    }
    told = {key: f"from 0 at the start to {told_mean(values, 2)} at the end" for key, values in last.items()}
    return _of_growth(
        findings,
        told,
        {key: max(values) < 0 for key, values in last.items()},
        "In every seed. Small growth is a flat gate: every sample then has nearly Z / 2, and sigma2R is a center loss "
        "of about Z times the weight.",
    )


def growth_falls_late(findings: Findings, _: int) -> Judged:
    """Whether half of its fall comes in the later half of the epochs."""
    told, late = {}, {}
    for dataset, reading, records in _growth(findings):
        halves = [_half_of_the_fall(record) for record in records]
        known = [half for half in halves if half is not None]
        key = dataset, reading
        if len(known) < len(halves):
            told[key], late[key] = "growth does not fall in every seed", False
            continue
        shares = [100 * half / len(record.history) for half, record in zip(known, records, strict=True)]
        steps = [half * _steps(record) for half, record in zip(known, records, strict=True)]
        told[key] = f"half of the fall is over after {told_mean(shares, 0)} % of the epochs, {fmean(steps):,.0f} steps"
        late[key] = fmean(shares) > 50
    reason = "Growth starts at a mean of 0. See also growth held at 0, in the study of sensitivity."
    return _of_growth(findings, told, late, reason)


def _half_of_the_fall(record: Record) -> float | None:
    """Epochs until mean growth is half way from 0 to its end, between epochs along a line; None if it ends above."""
    curve = [0.0, *(fmean(entry["growth"]) for entry in record.history)]
    half = curve[-1] / 2
    if half >= 0:
        return None
    after = next(i for i, value in enumerate(curve) if value <= half)
    before = curve[after - 1]
    return after - 1 + (half - before) / (curve[after] - before)


def _steps(record: Record) -> int:
    """Batches of an epoch, near enough to compare data sets by."""
    return round(record.counts["train"] / record.run.batch_size)


def ambiguity(_: Findings, __: int) -> Judged:
    """Whether any image of Fuzzy-RGB has another largest channel than its class's."""
    samples = figure_3()
    within = 100 * samples.within[0.02]
    return Judged(
        "All 9,000 training images.",
        f"The largest channel is that of the class in {100 * samples.largest_is_label:g} % of the images; in "
        f"{within:.2f} % it exceeds the next by no more than 2 % of full intensity, in {samples.ties} they are equal.",
        NOT_SEEN,
        "By construction the largest channel names the class. A few images are hard to tell, and none is ambiguous but "
        "those whose two largest channels are equal.",
    )


ALTERNATIVES = tuple(
    Look("sensitivity", part, f"sigma2r@0.01[{part}={value}]", "sigma2r@0.01", ACCURACY, higher=True)
    for part, value in (("neighbors", "3"), ("neighbors", "15"), ("ceiling", "10.0"), ("ceiling", "100.0"))
)
"""Other values than the paper's."""

_AS_WELL = 0.005  # of accuracy: a gain that is no reason to choose otherwise


def sensitivity(findings: Findings, family: int) -> Judged:
    """Whether another value than the paper's is better, and by how much it might be."""
    found = [(look, look.difference(findings, family)) for look in ALTERNATIVES]
    known = [(look, difference) for look, difference in found if difference is not None]
    if len(known) < len(found):
        return Judged("–", "–", NOT_RUN, "Runs are missing.")
    better = [look.new for look, difference in known if look.stands(difference) == "agrees"]
    if any(difference.n < FEWEST for _, difference in known):
        verdict, reason = UNDECIDED, _FEW
    elif better:
        verdict, reason = NOT_SEEN, f"More accurate: {', '.join(better)}."
    elif all(difference.mean + difference.half_width <= _AS_WELL for _, difference in known):
        verdict, reason = HOLDS, "No other value gains half a point."
    else:
        verdict, reason = UNDECIDED, "No other value is found to be better; some intervals reach beyond half a point."
    told = "\n".join(look.told(difference) for look, difference in known)
    return Judged(findings.settings["sensitivity"], told, verdict, reason)


_RATE, _LEARNED = 0.4, 0.8


def rate_of_adam(findings: Findings, _: int) -> Judged:
    """Whether networks learn at a rate of 0.4: runs of any part that have it; one that diverged did not."""
    accuracies: dict[str, list[float | None]] = defaultdict(list)
    for part in ("equal-weight", "other-rate"):
        records = [*chain(*findings.rows("table-1", part).values()), *findings.diverged("table-1", part)]
        for record in records:
            if record.run.lr == _RATE and record.run.optimizer == "adam":
                ended = record.diverged is None
                accuracies[record.run.loss_name].append((ACCURACY.value(record) or 0.0) if ended else None)
    if not accuracies:
        return Judged("–", "–", NOT_RUN, "Runs are missing: see the study of Table 1.")
    reached = [value or 0.0 for values in accuracies.values() for value in values]
    learned = sum(value > _LEARNED for value in reached)
    if min(map(len, accuracies.values())) < FEWEST:
        verdict = UNDECIDED
    else:
        verdict = HOLDS if learned == len(reached) else NOT_SEEN
    return Judged(
        "LeNet on FashionMNIST, learning rate 0.4 with Adam.",
        "\n".join(_reached_told(loss, values) for loss, values in accuracies.items()),
        verdict,
        f"{learned} of {len(reached)} runs reached {_LEARNED}: Adam's first steps move every weight by the rate. "
        "ResNet18, whose batch norms forget the size of weights, was not tried at this rate.",
    )


def _reached_told(loss: str, values: Sequence[float | None]) -> str:
    ended = [value for value in values if value is not None]
    told = f"accuracy {told_mean(ended, 4)}, the best {max(ended):.4f}, n = {len(ended)}" if ended else "no run ended"
    lost = len(values) - len(ended)
    return f"{loss}: {told}" + (f"; {lost} diverged" if lost else "")
