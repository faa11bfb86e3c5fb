"""What the reports of Tables 1 to 4 show beside what every study shows."""

from collections.abc import Iterator, Sequence

from sigma2r.paper.gains import gains_grid, reading_grid
from sigma2r.report.grid import Grid
from sigma2r.report.tables import Table, class_rows, loss_groups, make_table
from sigma2r.studies.record import Record
from sigma2r.studies.study import Extras, Part

STAND_IN = "LeNet and a short training stand in for ResNet18 and hundreds of epochs (--scale paper)."
"""The caveat of studies whose desk has no room for the paper's network."""


def beside_table(number: int, *, readings: bool = False, classes: bool = False) -> Extras:
    """The printed cells beside ours at equal weight; on demand each reading of sigma, and the spread of each class."""

    def extras(part: Part, records: Sequence[Record]) -> Iterator[Grid]:
        table, prefix = make_table(records), f"table-{number}-{part.name}"
        if part.name == "equal-weight":
            yield gains_grid(number, table, f"{prefix}-paper")
            if readings and "center@0.01" in loss_groups(records):
                yield reading_grid(table, f"{prefix}-readings")
        if classes:
            yield from (_classes_grid(table, split, f"{prefix}-classes-{split}") for split in ("train", "test"))

    return extras


def _classes_grid(table: Table, split: str, name: str) -> Grid:
    return Grid(
        name=name,
        title=f"Spread of each class, {split}",
        caption="Eq. 12 for each class after the last epoch, mean ± half the 95 % t interval over seeds.",
        headings=("class", *loss_groups(table.records)),
        rows=tuple(tuple(row) for row in class_rows(table, split)),
    )
