"""The tables that every study has, rebuilt: results, differences, trials, statistics, the spread of classes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tools.recompute.cells import DASH, Cell, Expected, Number, Words
from tools.recompute.records import Record
from tools.recompute.rows import (
    ACCURACY,
    FARTHEST,
    RATIO,
    SECONDS,
    SPREAD,
    TAIL,
    TRAIN_SPREAD,
    Comparison,
    Rows,
    difference_told,
    many,
)
from tools.recompute.search import Search
from tools.recompute.sums import deviation, mean, over_seeds

RESULTS = (ACCURACY, TRAIN_SPREAD, SPREAD, RATIO, TAIL, FARTHEST, SECONDS)
STATISTICS = (ACCURACY, SPREAD, RATIO, TAIL, FARTHEST)


@dataclass(frozen=True)
class Table:
    """A table as records have it.

    Args:
        kind: Under which its cells are counted.
        title: Above it on the page.
        headings: Of its columns.
        rows: Of its cells.
        caption: Below it; None where no fact stands there.
        needed: Whether a page without it lacks something.
    """

    kind: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Expected, ...], ...]
    caption: Expected | None = None
    needed: bool = True


def results(rows: Rows) -> Table:
    """Mean ± half the interval of every figure of every row."""
    cells = [
        ((name,), (str(len(records)),), *(over_seeds([f.of(r) for r in records], f.digits) for f in RESULTS))
        for name, records in rows.items()
    ]
    headings = ("loss", "n", *(figure.title for figure in RESULTS))
    return Table("results", "Results", headings, tuple(cells), caption(rows))


def caption(rows: Rows, before: str = "") -> Words:
    """What a table says of its runs, up to where it explains its figures."""
    first = next(iter(rows.values()))[0]
    run = first.setting
    counts = sorted({len(records) for records in rows.values()})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    turned = [f"{key.replace('_', ' ')} {value:g}" for key, value in run["augmentation"].items() if value]
    told = (
        f"{before}{run['dataset']} ({many(first, 'train')} training, {many(first, 'test')} test images), "
        f"{run['model']} with {run['feature_dim']} features, {run['epochs']} epochs, batches of {run['batch_size']}, "
        f"{run['optimizer']} at {run['lr']:g} (loss parameters {run['loss_lr']:g}) with cosine decay, augmentation: "
        f"{', '.join(turned) or 'none'}; n = {n} seed{'' if n == '1' else 's'} a loss."
    )
    if counts[-1] > 1:
        told += " Mean ± half the 95 % t interval over seeds."
    return Words(f"{told} Figures are ...", lambda text: text.startswith(f"{told} Figures are the last epoch's"))


def differences(found: Sequence[Comparison], family: int) -> Table:
    """Every row less the baseline."""
    headings = (
        "loss", "less", "figure", "n", "difference", "interval", "higher in", "verdict", "seeds to decide",
    )  # fmt: skip
    rows = tuple(tuple(difference_told(each, each.sum(family))) for each in found)
    return Table("differences", f"Differences from {found[0].old}", headings, rows, family_told(family))


def family_told(family: int) -> Words:
    """Where a caption tells how many intervals hold at once."""
    return Words(
        f"all {family} comparisons of this page at once",
        lambda text: re.findall(r"all ([\d,]+) comparisons of this page at once with 95 %", text) == [str(family)],
    )


def trials(rows: Rows, searches: Sequence[Search]) -> Table:
    """What was tried of each loss, on images set aside, and which weight was chosen."""
    remarks = {search.chosen: search.remark for search in searches if search.chosen is not None}
    cells = [
        (
            (name,),
            (str(len(records)),),
            *(
                over_seeds([record.figure("final", "validation", key) for record in records], digits)
                for key, digits in (("accuracy", 4), ("intra_mean", 3), ("intra_inter", 3))
            ),
            (remarks.get(records[0].loss, ""),),
        )
        for name, records in rows.items()
    ]
    return Table("trials", "Trials", ("loss", "n", "accuracy", "I", "intra/inter", ""), tuple(cells), needed=False)


def statistics(rows: Rows) -> Table:
    """Mean, deviation, least and greatest of each figure of test images."""
    cells: list[tuple[Cell, ...]] = []
    for name, records in rows.items():
        for figure in STATISTICS:
            values = [value for record in records if (value := figure.of(record)) is not None]
            form = f".{figure.digits}f"
            if values:
                middle, least, most = (Number(value, form) for value in (mean(values), min(values), max(values)))
                spread = Number(deviation(values), f".{figure.digits + 1}f") if len(values) > 1 else DASH
                cells.append(
                    ((name,), (figure.title,), (str(len(values)),), (middle,), (spread,), (least,), (most,)),
                )
    headings = ("loss", "figure", "n", "mean", "standard deviation", "least", "greatest")
    return Table("statistics", "Statistics", headings, tuple(cells), needed=False)


def classes(rows: Rows, split: str) -> Table:
    """The spread of each class of the first row's classes."""
    names = next(iter(rows.values()))[0].raw["class_names"]
    cells = tuple(
        (((name,), *(_of_class(records, split, k, names) for records in rows.values()))) for k, name in enumerate(names)
    )
    return Table("classes", f"Spread of each class, {split}", ("class", *rows), cells, needed=False)


def _of_class(records: Sequence[Record], split: str, k: int, names: Sequence[str]) -> Cell:
    if records[0].raw["class_names"] != names:
        return (DASH,)
    return over_seeds([record.of_classes(split)[k] for record in records], 3)
