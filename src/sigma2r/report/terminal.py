"""Tables on the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sigma2r.report.paired import DIFFERENCE_HEADINGS, differences, note
from sigma2r.report.tables import HEADINGS, make_tables
from sigma2r.studies.record import Record

if TYPE_CHECKING:
    from rich.console import Console


def print_table(records: Sequence[Record]) -> None:
    """All tables, and below each how its losses differ from the first."""
    from rich.console import Console

    console = Console(width=None if Console().is_terminal else 132)
    for table in make_tables(records):
        _print(console, table.title, HEADINGS, [row.cells() for row in table.rows], table.caption)
        found = differences(table)
        if found:
            _print(console, "Differences", DIFFERENCE_HEADINGS, [each.cells() for each in found], note(found))


def _print(
    console: "Console", title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str
) -> None:
    from rich.markup import escape
    from rich.table import Table as Grid

    grid = Grid(title=escape(title), title_justify="left")
    for i, heading in enumerate(headings):
        grid.add_column(heading, justify="right" if i else "left")
    for row in rows:
        grid.add_row(*map(escape, row))
    console.print(grid)
    console.print(caption, style="dim", markup=False, highlight=False)
