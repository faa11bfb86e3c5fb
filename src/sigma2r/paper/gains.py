"""Our numbers beside the paper's, cell by cell, with the gains by each table's own formula."""

from collections.abc import Callable, Mapping, Sequence

from sigma2r.paper.published import Comparison, comparisons
from sigma2r.report.grid import Grid
from sigma2r.report.groups import loss_groups
from sigma2r.report.tables import Summary, Table, figure_at, spreads
from sigma2r.studies.record import Record

# The loss that a column of the paper stands for, as a row of ours spells it; several where the paper leaves it open.
_ROWS = {
    "sigma2r": ("sigma2r@0.01",),
    "center": ("center@0.01",),
    "cross-entropy": ("cross-entropy",),
    "soft-nearest-neighbor": (
        "soft-nearest-neighbor@0.01",
        "soft-nearest-neighbor@-0.01[learn_temperature=True,temperature=100.0,layers=body.2+body.5+body.8]",
        "soft-nearest-neighbor@-0.01[learn_temperature=True,temperature=100.0,"
        "layers=body.layer1+body.layer2+body.layer3]",
    ),
}


def gains_grid(number: int, table: Table, name: str) -> Grid:
    """Table ``number`` of the paper with our cells beside the printed ones.

    Args:
        number: 1 to 4.
        table: Of our records.
        name: Of the grid.
    """
    groups = loss_groups(table.records)
    build = _spread_rows if number < 3 else _accuracy_rows
    rows = [row for comparison in comparisons() if comparison.new.table == number for row in build(comparison, groups)]
    formula = "(center - sigma2R) / sigma2R" if number < 3 else "(new - old) / new"
    which = "" if number != 2 else " The paper does not say of which images Table 2 is; ours are test images."
    return Grid(
        name=name,
        title=f"Table {number} of the paper, ours beside the printed",
        caption=f"Gain in per cent: {formula}, of means over seeds.{which} {table.caption}",
        headings=("row", "new, ours", "old, ours", "gain, ours", "new, paper", "old, paper", "gain, printed"),
        rows=tuple(rows),
    )


def _spread_rows(comparison: Comparison, groups: Mapping[str, Sequence[Record]]) -> list[tuple[str, ...]]:
    split, _, rest = comparison.new.row.rpartition(", ")
    k = int(rest.removeprefix("class "))
    new, old = (
        [dict(enumerate(spreads(record, split or "test"))).get(k) for record in groups.get(_ROWS[loss][0], ())]
        for loss in ("sigma2r", "center")
    )
    return [_row(comparison.new.row, new, old, comparison, lambda a, b: 100 * (b - a) / a, 4)]


def _accuracy_rows(comparison: Comparison, groups: Mapping[str, Sequence[Record]]) -> list[tuple[str, ...]]:
    rows = []
    for spelled in _ROWS[comparison.new.column]:
        if spelled not in groups:
            continue
        new, old = (
            [100 * share for r in groups.get(loss, ()) if (share := figure_at(r.final, "test", "accuracy")) is not None]
            for loss in (spelled, _ROWS[comparison.old.column][0])
        )
        if comparison.new.row == "max":
            new, old = ([max(values)] if values else [] for values in (new, old))
        title = f"{comparison.new.row}, {spelled} on {comparison.old.column}"
        rows.append(_row(title, new, old, comparison, lambda a, b: 100 * (a - b) / a, 2))
    return rows


def _row(
    title: str,
    new: Sequence[float | None],
    old: Sequence[float | None],
    comparison: Comparison,
    gain: Callable[[float, float], float],
    digits: int,
) -> tuple[str, ...]:
    summaries = [Summary.of(values) for values in (new, old)]
    shown = ("–" if summary is None else summary.text(digits) for summary in summaries)
    means = [summary.mean for summary in summaries if summary is not None]
    ours = f"{gain(*means):.2f}" if len(means) == 2 and means[0] else "–"
    printed = (comparison.new.printed, comparison.old.printed, comparison.gain.printed)
    return (title, *shown, ours, *printed)


def reading_grid(table: Table, name: str) -> Grid:
    """Table 1 for each reading of sigma, and for the center loss as a mean and as a sum: how many times compacter.

    Args:
        table: Of our records at equal weight.
        name: Of the grid.
    """
    groups = loss_groups(table.records)
    centers = [spelled for spelled in groups if spelled.startswith("center@0.01")]
    rows = []
    for spelled in (each for each in groups if each.startswith("sigma2r@0.01")):
        for split in ("train", "test"):
            cells = []
            for center in centers:
                pairs = zip(*(_class_means(groups[loss], split) for loss in (center, spelled)), strict=True)
                ratios = [old / new for old, new in pairs if old is not None and new]
                cells.append(f"{min(ratios):.2f} to {max(ratios):.2f}" if ratios else "–")
            rows.append((f"{spelled}, {split}", *cells))
    printed = [
        (f"paper, {split}", f"{min(ratios):.2f} to {max(ratios):.2f}", *("–" for _ in centers[1:]))
        for split in ("train", "test")
        if (
            ratios := [
                float(c.old.value / c.new.value)
                for c in comparisons()
                if c.new.table == 1 and c.new.row.startswith(split)
            ]
        )
    ]
    return Grid(
        name=name,
        title="How many times compacter than the center loss, by reading",
        caption="Spread (Eq. 12) of a class under the center loss over that under sigma2R, means over seeds: the least "
        "and the greatest of the classes.",
        headings=("reading and images", *centers),
        rows=(*rows, *printed),
    )


def _class_means(records: Sequence[Record], split: str) -> list[float | None]:
    """The mean of each class over seeds; None where a seed has none."""
    summaries = map(Summary.of, zip(*(spreads(record, split) for record in records), strict=True))
    return [None if summary is None else summary.mean for summary in summaries]
