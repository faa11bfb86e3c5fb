"""Verdicts of claims that no comparison of two losses decides: growth, freezing, networks, rates, other values."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise

from tools.recompute.cells import DASH, Cell, Number, Words, joined
from tools.recompute.claims import OTHER_VALUES
from tools.recompute.evidence import Evidence
from tools.recompute.records import Record
from tools.recompute.rows import ACCURACY, SPREAD, TRAIN_RATIO, Figure
from tools.recompute.studies import CENTER, DATA, SIGMA
from tools.recompute.sums import FEWEST, half_interval, mean, over_seeds
from tools.recompute.verdicts import (
    DEPENDS,
    FEW_DECIDE,
    HOLDS,
    NOT_RUN,
    NOT_SEEN,
    NOT_TESTABLE,
    UNDECIDED,
    Judgement,
    settings_of,
    stands,
    told,
)

_PLAIN = "sigma2r@0.01"


def _judgement(verdict: str, ours: Cell, reason: str, studies: Sequence[str]) -> Judgement:
    return Judgement((verdict,), ("",), ours, (reason,), settings_of(studies))


def _not_run(reason: str = "Runs are missing.") -> Judgement:
    return _judgement(NOT_RUN, (DASH,), reason, ())


def _by_reading(words: Mapping[str, bool]) -> tuple[str, str]:
    """One verdict, and a line for each reading."""
    each = {reading: HOLDS if holds else NOT_SEEN for reading, holds in words.items()}
    verdict = DEPENDS if len(set(each.values())) > 1 else next(iter(each.values()))
    return verdict, "\n".join(f"{reading}: {word}" for reading, word in each.items())


def _pairs(new: Sequence[Record], old: Sequence[Record], figure: Figure) -> list[tuple[float, float]]:
    """A figure of both, for the seeds that both have it for."""
    before = {record.seed: figure.of(record) for record in old}
    after = {record.seed: figure.of(record) for record in new}
    pairs = ((after[seed], before[seed]) for seed in sorted(after.keys() & before.keys()))
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def networks(evidence: Evidence) -> Judgement:
    """LeNet and ResNet18 on the same images: one short run of each."""
    lines: list[Cell] = []
    for part in ("lenet", "resnet18"):
        new, old = (evidence.row("table-2", part, loss) for loss in (_PLAIN, CENTER))
        if not new or not old:
            return _not_run("Runs of ResNet18 or LeNet are missing.")
        times = over_seeds([b / a for a, b in _pairs(new, old, SPREAD)], 1)
        points = over_seeds([100 * (a - b) for a, b in _pairs(new, old, ACCURACY)], 1)
        model = new[0].setting["model"]
        lines.append(
            (f"{model}: ", *times, f" times compacter than {CENTER}, accuracy ", *points, f" points, n = {len(new)}")
        )
    reason = "One seed on 10,000 images for eight epochs decides nothing; five at full length would."
    return _judgement(NOT_TESTABLE, joined(lines, "\n"), reason, ("table-2",))


def fuzzy_on_resnet18(evidence: Evidence) -> Judgement:
    """Figure 4 with the other network."""
    new, old = (evidence.row("figure-4", "resnet18", loss) for loss in (_PLAIN, CENTER))
    if not new or not old:
        return _not_run()
    pairs = _pairs(new, old, TRAIN_RATIO)
    lower, above = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    if len(pairs) < FEWEST:
        verdict, reason = UNDECIDED, FEW_DECIDE
    else:
        verdict, reason = HOLDS if lower == len(pairs) else NOT_SEEN, f"Lower in {lower} of {len(pairs)} seeds."
    reason += " Here it is the reverse." if above == len(pairs) else ""
    ratios = [(f"{each[0].loss} ", *over_seeds([TRAIN_RATIO.of(r) or 0.0 for r in each], 3)) for each in (new, old)]
    ours = ("intra/inter, train: ", *joined(ratios, ", "), f", n = {len(pairs)}")
    return _judgement(verdict, ours, reason, ("figure-4",))


def freezing(evidence: Evidence) -> Judgement:
    """Which losses still lower spread and tail of training images in the later half of the epochs.

    Where no record of either loss tells one of the two by epoch, whether it rests is left open, and so is the verdict.
    """
    rows = evidence.rows("figure-4", "equal-weight")
    if not {CENTER, _PLAIN} <= rows.keys():
        return _not_run()
    lines: list[Cell] = []
    rests: list[str] = []
    open_ones: list[str] = []
    for loss, records in rows.items():
        ratio, tail = (_late_falls(records, key) for key in ("intra_inter", "tail_99"))
        lines.append(
            (f"{loss}: intra/inter falls by ", *_share(ratio), ", the tail by ", *_share(tail), " in the later half")
        )
        if loss in (CENTER, _PLAIN) and not (_surely_falls(ratio) and _surely_falls(tail)):
            (rests if ratio and tail else open_ones).append(loss)
    ours = joined(lines, "\n")
    if min(len(rows[CENTER]), len(rows[_PLAIN])) < FEWEST:
        return _judgement(UNDECIDED, ours, FEW_DECIDE, ("figure-4",))
    if open_ones:
        free = Words(f"open: no curve of {' and '.join(open_ones)}", lambda text: bool(text))
        return Judgement(free, ("",), ours, free, settings_of(("figure-4",)))
    rests.sort(key=(CENTER, _PLAIN).index)
    reason = f"{' and '.join(rests)} came to rest." if rests else "Both go on falling: freezing is a matter of time."
    return _judgement(HOLDS if rests == [CENTER] else NOT_SEEN, ours, reason, ("figure-4",))


def _late_falls(records: Sequence[Record], key: str) -> list[float]:
    """By what share of its value half way a figure of training images is lower at the end, for each seed."""
    found = []
    for curve in (record.curve("train", key) for record in records):
        half_way = curve[len(curve) // 2 - 1] if len(curve) > 2 else 0.0
        if half_way:
            found.append(1 - curve[-1] / half_way)
    return found


def _share(values: Sequence[float]) -> Cell:
    return (*over_seeds([100 * value for value in values], 0), " %") if values else (DASH,)


def _surely_falls(values: Sequence[float]) -> bool:
    return len(values) > 1 and mean(values) > half_interval(values)


def _grown(evidence: Evidence) -> Iterator[tuple[str, str, list[Record]]]:
    """Records of sigma2R by data set and reading."""
    for dataset in DATA:
        for reading, loss in SIGMA.items():
            records = evidence.row("figure-5", dataset, loss)
            if records:
                yield dataset, reading, records


_OfGrowth = Callable[[list[Record]], tuple[Cell, bool]]


def _growth(evidence: Evidence, look: _OfGrowth, reason: str) -> Judgement:
    """What is so of a reading's growth on each data set."""
    lines: list[Cell] = []
    counts: list[int] = []
    so: dict[str, list[bool]] = {}
    for dataset, reading, records in _grown(evidence):
        said, holds = look(records)
        lines.append((f"{dataset}, {reading}: ", *said, f", n = {len(records)}"))
        counts.append(len(records))
        so.setdefault(reading, []).append(holds)
    if not lines:
        return _not_run()
    ours = joined(lines, "\n")
    if min(counts) < FEWEST:
        return _judgement(UNDECIDED, ours, FEW_DECIDE, ("figure-5",))
    verdict, each = _by_reading({reading: all(several) for reading, several in so.items()})
    return replace(_judgement(verdict, ours, reason, ("figure-5",)), by_reading=(each,))


def _mean_growth(record: Record) -> list[float]:
    """After each epoch, the mean over classes."""
    return [mean(entry["growth"]) for entry in record.raw["history"]]


def growth_moves(evidence: Evidence) -> Judgement:
    """Whether growth changes from epoch to epoch."""

    def look(records: list[Record]) -> tuple[Cell, bool]:
        shares = [_share_of_steps(record) for record in records]
        told = (*over_seeds(shares, 0), " % of the steps from epoch to epoch exceed 0.001")
        return told, all(share > 90 for share in shares)

    return _growth(evidence, look, "Growth of each class; in every seed more than 90 % of the steps.")


def _share_of_steps(record: Record) -> float:
    curves = zip(*(entry["growth"] for entry in record.raw["history"]), strict=True)
    steps = [abs(later - earlier) for curve in curves for earlier, later in pairwise(curve)]
    return 100 * len([step for step in steps if step > 0.001]) / len(steps)


def growth_falls(evidence: Evidence) -> Judgement:
    """Whether growth, which starts at a mean of 0, ends below it."""

    def look(records: list[Record]) -> tuple[Cell, bool]:
        ends = [_mean_growth(record)[-1] for record in records]
        return ("from 0 at the start to ", *over_seeds(ends, 2), " at the end"), all(end < 0 for end in ends)

    reason = (
        "In every seed. Small growth is a flat gate: every sample then has nearly Z / 2, and sigma2R is a center loss "
        "of about Z times the weight."
    )
    return _growth(evidence, look, reason)


def growth_falls_late(evidence: Evidence) -> Judgement:
    """Whether half of the fall comes in the later half of the epochs."""

    def look(records: list[Record]) -> tuple[Cell, bool]:
        halves = [_half_of_the_fall(_mean_growth(record)) for record in records]
        known = [half for half in halves if half is not None]
        if len(known) < len(halves):
            return ("growth does not fall in every seed",), False
        shares = [100 * half / len(record.raw["history"]) for half, record in zip(known, records, strict=True)]
        steps = Number(mean([half * _batches(record) for half, record in zip(known, records, strict=True)]), ",.0f")
        told = ("half of the fall is over after ", *over_seeds(shares, 0), " % of the epochs, ", steps, " steps")
        return told, mean(shares) > 50

    return _growth(
        evidence, look, "Growth starts at a mean of 0. See also growth held at 0, in the study of sensitivity."
    )


def _half_of_the_fall(curve: Sequence[float]) -> float | None:
    """Epochs until the curve first is half way from 0 to its end, on the straight line from epoch to epoch."""
    if curve[-1] >= 0:
        return None
    goal, before = curve[-1] / 2, 0.0
    for epoch, value in enumerate(curve):
        if value <= goal:
            return epoch + (goal - before) / (value - before)
        before = value
    raise AssertionError("a curve that ends below half of its end is no curve")


def _batches(record: Record) -> int:
    images, batch = record.raw["counts"]["train"], record.setting["batch_size"]
    return round(float(images) / float(batch))


_HALF_A_POINT = 0.005


def other_values(evidence: Evidence) -> Judgement:
    """Whether n or Z other than the paper's are more accurate, and by how much they might be."""
    answers = {question: evidence.answer(question) for question in OTHER_VALUES}
    known = {question: found for question, found in answers.items() if found is not None}
    if len(known) < len(OTHER_VALUES):
        return _not_run()
    sums = {question: found.sum(evidence.family) for question, found in known.items()}
    better = [question.new for question, found in sums.items() if stands(question, found) == "agrees"]
    if min(found.n for found in sums.values()) < FEWEST:
        verdict, reason = UNDECIDED, FEW_DECIDE
    elif better:
        verdict, reason = NOT_SEEN, f"More accurate: {', '.join(better)}."
    elif max(found.mean + found.half for found in sums.values()) <= _HALF_A_POINT:
        verdict, reason = HOLDS, "No other value gains half a point."
    else:
        verdict, reason = UNDECIDED, "No other value is found to be better; some intervals reach beyond half a point."
    ours = joined([told(question, found, sums[question]) for question, found in known.items()], "\n")
    return _judgement(verdict, ours, reason, ("sensitivity",))


_LEARNED = 0.8


def rate_of_adam(evidence: Evidence) -> Judgement:
    """Whether networks learn at the rate of 0.4 that the paper names."""
    ended: dict[str, list[float]] = {}
    lost: dict[str, int] = {}
    for part in ("equal-weight", "other-rate"):
        for record in (*chain.from_iterable(evidence.rows("table-1", part).values()), *evidence.lost("table-1", part)):
            if (record.setting["lr"], record.setting["optimizer"]) == (0.4, "adam"):
                lost[record.loss] = lost.get(record.loss, 0) + (record.diverged is not None)
                ended.setdefault(record.loss, []).extend([] if record.diverged else [ACCURACY.of(record) or 0.0])
    if not ended:
        return _not_run("Runs are missing: see the study of Table 1.")
    lines: list[Cell] = [
        (
            *((f"{loss}: accuracy ", *over_seeds(each, 4), ", the best ", Number(max(each), ".4f")) if each else ()),
            f", n = {len(each)}" if each else f"{loss}: no run ended",
            f"; {lost[loss]} diverged" if lost[loss] else "",
        )
        for loss, each in ended.items()
    ]
    total = sum(map(len, ended.values())) + sum(lost.values())
    learned = len([value for each in ended.values() for value in each if value > _LEARNED])
    verdict = HOLDS if learned == total else NOT_SEEN
    if min(len(each) + lost[loss] for loss, each in ended.items()) < FEWEST:
        verdict = UNDECIDED
    reason = (
        f"{learned} of {total} runs reached {_LEARNED}: Adam's first steps move every weight by the rate. "
        "ResNet18, whose batch norms forget the size of weights, was not tried at this rate."
    )
    settings = ("LeNet on FashionMNIST, learning rate 0.4 with Adam.",)
    return replace(_judgement(verdict, joined(lines, "\n"), reason, ()), settings=settings)


JUDGES: Mapping[str, Callable[[Evidence], Judgement]] = {
    "networks": networks,
    "fuzzy on resnet18": fuzzy_on_resnet18,
    "freezing": freezing,
    "growth moves": growth_moves,
    "growth falls": growth_falls,
    "growth falls late": growth_falls_late,
    "other values": other_values,
    "rate of adam": rate_of_adam,
}
"""What decides a claim that records tell of in another way."""

COMPUTED = ("gates", "isolation", "ambiguity")
"""Claims that no record tells of: the losses and the images themselves do."""


def computed(judge: str, ours: str) -> Judgement:
    """The verdict that the figures beside it, which are not computed here, lead to."""
    free = Words("figures that no record holds", lambda text: bool(text.strip()))
    if judge == "ambiguity":
        return Judgement((NOT_SEEN,), ("",), free, free, free)
    found = {reading: _GEOMETRY[judge](said) for reading, said in re.findall(r"([\w-]+): ([^;]*)", ours)}
    if tuple(found) != tuple(SIGMA):
        readings = Words(f"figures of {', '.join(SIGMA)}", lambda text: False)
        return Judgement(free, free, readings, free, free)
    verdict, each = _by_reading(found)
    return Judgement((verdict,), (each,), free, free, free)


def _gates(said: str) -> bool:
    share = re.search(r"both in (\d+)%", said)
    return said.count("yes") == 2 and share is not None and int(share[1]) > 95


def _isolation(said: str) -> bool:
    excess = [float(number) for number in re.findall(r"\d+\.\d+", said)]
    return len(excess) == 3 and excess[-1] > 2 * excess[0]


_GEOMETRY: Mapping[str, Callable[[str], bool]] = {"gates": _gates, "isolation": _isolation}
