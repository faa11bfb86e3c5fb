"""Our numbers beside the paper's, cell by cell, with the gains by each table's own formula."""

from collections.abc import Mapping, Sequence

from sigma2r.paper.published import Comparison, comparisons
from sigma2r.paper.strength import SIGMA2R
from sigma2r.report.grid import Grid
from sigma2r.report.groups import loss_groups
from sigma2r.report.tables import Summary, Table, figure_at, spreads
from sigma2r.studies.record import Record

CENTER, SUM = "center@0.01", "center@0.01[reduction=sum]"

# The losses that a column of the paper may stand for, as rows of ours spell them.
_ROWS = {
    "sigma2r": tuple(SIGMA2R.values()),
    "center": (CENTER,),
    "cross-entropy": ("cross-entropy",),
    "soft-nearest-neighbor": (
        "soft-nearest-neighbor@0.01",
        "soft-nearest-neighbor@-0.01[learn_temperature=True,temperature=100.0,layers=body.2+body.5+body.8]",
        "soft-nearest-neighbor@-0.01[learn_temperature=True,temperature=100.0,"
        "layers=body.layer1+body.layer2+body.layer3]",
    ),
}
_PAPER = ("new, paper", "old, paper", "gain, printed")


def gains_grid(number: int, table: Table, name: str) -> Grid:
    """Table ``number`` of the paper with our cells beside the printed ones, in every reading.

    Args:
        number: 1 to 4.
        table: Of our records.
        name: Of the grid.
    """
    ours = [comparison for comparison in comparisons() if comparison.new.table == number]
    headings, rows, text = (_spreads if number < 3 else _accuracies)(ours, loss_groups(table.records))
    which = " The paper does not say of which images Table 2 is; ours are test images." if number == 2 else ""
    return Grid(
        name=name,
        title=f"Table {number} of the paper, ours beside the printed",
        caption=f"Gain in per cent, of means over seeds: {text}.{which} {table.caption}",
        headings=(*headings, *_PAPER),
        rows=tuple(rows),
    )


_Groups = Mapping[str, Sequence[Record]]
_Rows = list[tuple[str, ...]]


def _spreads(ours: Sequence[Comparison], groups: _Groups) -> tuple[Sequence[str], _Rows, str]:
    """A row for each class: the center loss in both readings of Eq. 1, sigma2R in three of sigma, and its gains."""
    of_readings = (heading for reading in SIGMA2R for heading in (reading, f"gain, {reading}"))
    headings = ("row", "center", *of_readings, "center, sum", "gain on the sum")
    rows: _Rows = []
    for comparison in ours:
        split, _, rest = comparison.new.row.rpartition(", ")
        k = int(rest.removeprefix("class "))

        def of(loss: str, split: str = split or "test", k: int = k) -> Summary | None:
            return Summary.of(dict(enumerate(spreads(record, split))).get(k) for record in groups.get(loss, ()))

        center, summed, first = of(CENTER), of(SUM), of(SIGMA2R["distance-std"])
        cells = [_told(center, 4)]
        for loss in SIGMA2R.values():
            cells += [_told(of(loss), 4), _gain(center, of(loss))]
        rows.append((comparison.new.row, *cells, _told(summed, 4), _gain(summed, first), *_printed(comparison)))
    return headings, rows, "(center - sigma2R) / sigma2R; on the sum, of the reading distance-std"


def _gain(old: Summary | None, new: Summary | None) -> str:
    """How many per cent of the new spread the old one lies above it."""
    return "–" if old is None or new is None or not new.mean else f"{100 * (old.mean - new.mean) / new.mean:.2f}"


def _accuracies(ours: Sequence[Comparison], groups: _Groups) -> tuple[Sequence[str], _Rows, str]:
    """A row for each loss in each of its readings."""
    rows: _Rows = []
    for comparison in ours:
        for loss in (each for each in _ROWS[comparison.new.column] if each in groups):
            new, old = (
                _summary(comparison.new.row, groups.get(each, ())) for each in (loss, _ROWS[comparison.old.column][0])
            )
            lost = new is None or old is None or not new.mean
            gain = "–" if lost else f"{100 * (new.mean - old.mean) / new.mean:.2f}"  # type: ignore[union-attr]
            title = f"{comparison.new.row}, {loss} on {comparison.old.column}"
            rows.append((title, _told(new, 2), _told(old, 2), gain, *_printed(comparison)))
    return ("row", "new, ours", "old, ours", "gain, ours"), rows, "(new - old) / new"


def _summary(row: str, records: Sequence[Record]) -> Summary | None:
    """Accuracy in per cent over seeds; of the best alone where the row says so."""
    shares = [figure_at(record.final, "test", "accuracy") for record in records]
    known = [100 * share for share in shares if share is not None]
    return Summary.of([max(known)] if known and row == "max" else known)


def _told(summary: Summary | None, digits: int) -> str:
    return "–" if summary is None else summary.text(digits)


def _printed(comparison: Comparison) -> tuple[str, str, str]:
    return comparison.new.printed, comparison.old.printed, comparison.gain.printed


def reading_grid(table: Table, name: str) -> Grid:
    """Table 1 for each reading of sigma, and for the center loss as a mean and as a sum: how many times compacter.

    Args:
        table: Of our records at equal weight.
        name: Of the grid.
    """
    groups = loss_groups(table.records)
    centers = [spelled for spelled in groups if spelled.startswith("center@0.01")]
    rows: _Rows = []
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
