"""Rows of a table, and two rows compared seed by seed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tools.recompute.cells import Cell, Number
from tools.recompute.records import Record
from tools.recompute.sums import FEWEST, MOST, Paired, paired

Rows = Mapping[str, Sequence[Record]]

_NAMED = 5  # classes of a set of images that a name tells


@dataclass(frozen=True)
class Figure:
    """What a column shows: its heading, where it stands in a record, and its digits."""

    title: str
    path: tuple[str, ...]
    digits: int

    def of(self, record: Record) -> float | None:
        """The figure of a run."""
        return record.figure(*self.path)


ACCURACY = Figure("accuracy", ("final", "test", "accuracy"), 4)
TRAIN_SPREAD = Figure("I, train", ("final", "train", "intra_mean"), 3)
SPREAD = Figure("I, test", ("final", "test", "intra_mean"), 3)
RATIO = Figure("intra/inter", ("final", "test", "intra_inter"), 3)
TAIL = Figure("tail 99 %", ("final", "test", "tail_99"), 3)
FARTHEST = Figure("tail max", ("final", "test", "tail_max"), 3)
SECONDS = Figure("seconds", ("seconds", "total"), 0)
TRAIN_RATIO = Figure("intra/inter, train", ("final", "train", "intra_inter"), 3)
TRAIN_TAIL = Figure("tail 99 %, train", ("final", "train", "tail_99"), 3)

COMPARED = (ACCURACY, SPREAD, RATIO, TAIL)
"""The figures in which every table compares its rows."""


def named(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records by their loss, and by what else sets them apart: fields of their runs, and the images that they saw."""
    fields = list(records[0].setting) if records else []
    varied = [key for key in fields if any(record.setting[key] != records[0].setting[key] for record in records)]
    images = [seen(record, records) for record in records]
    numbers = {each: number for number, each in enumerate(dict.fromkeys(images), start=1)}
    by_setting: dict[str, set[object]] = {}
    for record, each in zip(records, images, strict=True):
        by_setting.setdefault(record.identity[0], set()).add(each)
    rows: dict[str, list[Record]] = {}
    for record, each in zip(records, images, strict=True):
        name = record.loss + "".join(f", {key.replace('_', ' ')} {record.setting[key]}" for key in varied)
        if len(by_setting[record.identity[0]]) > 1:
            name += f", images {numbers[each]}: {_told(record)}"
        rows.setdefault(name, []).append(record)
    return rows


def seen(record: Record, among: Iterable[Record]) -> tuple[object, ...]:
    """The images of a run: classes, numbers, and fingerprints where all records that it stands with have them."""
    counts = {split: count for split, count in record.raw["counts"].items() if split != "parameters"}
    printed = all(other.raw.get("data") is not None for other in among)
    prints = {split: each.get("fingerprint") for split, each in record.raw["data"].items()} if printed else {}
    return tuple(record.raw["class_names"]), tuple(sorted(counts.items())), tuple(sorted(prints.items()))


def _told(record: Record) -> str:
    names = record.raw["class_names"]
    some = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} classes ({some}), {many(record, 'train')} training and {many(record, 'test')} test images"


def many(record: Record, split: str) -> str:
    """How many images a split has."""
    return f"{record.raw['counts'][split]:,}"


@dataclass(frozen=True)
class Comparison:
    """One row less another in a figure.

    Args:
        new: What is compared,
        old: with what,
        figure: and in what.
        pairs: The records of both by seed, for the seeds that both have.
    """

    new: str
    old: str
    figure: Figure
    pairs: tuple[tuple[Record, Record], ...]

    @property
    def identity(self) -> object:
        """The same runs in the same figure are one comparison, wherever they stand and in whatever order."""
        sides = frozenset(frozenset(pair[side].identity for pair in self.pairs) for side in (0, 1))
        return sides, self.figure.title

    @cached_property
    def differences(self) -> list[float]:
        """One for each seed of which both have the figure."""
        values = [(self.figure.of(new), self.figure.of(old)) for new, old in self.pairs]
        return [new - old for new, old in values if new is not None and old is not None]

    def sum(self, family: int) -> Paired:
        """Mean, interval, signs and seeds."""
        return paired(self.differences, family)


def compare(new: str, old: str, figure: Figure, records: tuple[Sequence[Record], Sequence[Record]]) -> Comparison:
    """Two rows, paired by first weights."""
    sides = [{record.seed: record for record in side} for side in records]
    shared = sorted(set(sides[0]) & set(sides[1]))
    return Comparison(new, old, figure, tuple((sides[0][seed], sides[1][seed]) for seed in shared))


def comparisons(rows: Rows, baseline: str | None) -> Iterator[Comparison]:
    """Each row less the baseline, or less the first, in each figure that all of its pairs have."""
    old = baseline if baseline in rows else next(iter(rows), None)
    for new in rows:
        if old is None or new == old or not _fit(rows[new][0], rows[old][0]):
            continue
        for figure in COMPARED:
            found = compare(new, old, figure, (rows[new], rows[old]))
            if len(found.differences) == len(found.pairs) > 1:
                yield found


def _fit(record: Record, other: Record) -> bool:
    """Whether two rows may be compared: not if the same settings saw other images."""
    both = (record, other)
    return record.identity[0] != other.identity[0] or seen(record, both) == seen(other, both)


def verdict(found: Paired) -> str:
    """The word at the end of a row of differences."""
    return found.side if found.n >= FEWEST else f"undecided (n < {FEWEST})"


def seeds_told(needed: int | None) -> str:
    """Seeds to decide, as a table has them."""
    return f"> {MOST:,}" if needed is None else f"{needed:,}"


def difference_told(comparison: Comparison, found: Paired) -> list[Cell]:
    """A row of differences."""
    return [
        (comparison.new,),
        (comparison.old,),
        (comparison.figure.title,),
        (str(found.n),),
        (Number(found.mean, f"+.{comparison.figure.digits}f"),),
        found.interval(comparison.figure.digits),
        (f"{found.higher} of {found.n}",),
        (verdict(found),),
        (seeds_told(found.needed),),
    ]
