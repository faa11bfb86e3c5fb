"""Tables on the terminal, in the letters that it has."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sigma2r._extras import or_which_extra
from sigma2r._text import visible
from sigma2r.report.evaluated import Evaluations, evaluation_grids
from sigma2r.report.groups import loss_groups, part_records
from sigma2r.report.paired import DIFFERENCE_HEADINGS, differences, note
from sigma2r.report.tables import HEADINGS, Table, make_table, make_tables
from sigma2r.studies.record import Record
from sigma2r.studies.study import Done, Scale, Study

if TYPE_CHECKING:
    from rich.console import Console

_PLAIN = str.maketrans({"±": "+-", "–": "-", "²": "2", "…": "..."})


def print_table(records: Sequence[Record]) -> None:
    """All tables, and below each how its losses differ from the first.

    What cannot be seen is written out, and so is what the terminal's encoding has no letter for.

    Raises:
        OSError: If nothing can be written there.
    """
    for table in make_tables(records):
        _print_table(table, table.title, None)


def print_evaluations(records: Sequence[Record], evaluations: Evaluations) -> None:
    """What the features of runs are good for, a row for each loss, in each table of these records.

    Raises:
        OSError: If nothing can be written there.
    """
    console = _console()
    for table in make_tables(records):
        for grid in evaluation_grids(table, evaluations):
            _print(console, grid.title, grid.headings, grid.shown, grid.caption)


def print_study(study: Study, scale: Scale, done: Done) -> None:
    """The table of each part that a report shows, with the differences from the part's own baseline.

    Raises:
        OSError: If nothing can be written there.
    """
    for part in study.known_parts(scale, done):
        records = part_records(part, done)
        if part.shown and records:
            table = make_table(records)
            baseline = part.baseline if part.baseline in loss_groups(records) else None
            _print_table(table, f"{part.title}: {table.title}", baseline)


def _console() -> "Console":
    with or_which_extra("a table"):
        from rich.console import Console

    return Console(width=None if Console().is_terminal else 132)


def _print_table(table: Table, title: str, baseline: str | None) -> None:
    console = _console()
    _print(console, title, HEADINGS, [row.cells() for row in table.rows], table.caption)
    found = differences(table, baseline)
    if found:
        _print(console, "Differences", DIFFERENCE_HEADINGS, [each.cells() for each in found], note(found))


def _print(
    console: "Console", title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str
) -> None:
    from rich.table import Table as Grid
    from rich.text import Text

    def shown(text: str, style: str = "") -> Text:
        """Text in which nothing is markup."""
        return Text(encodable(text, console.encoding), style)

    grid = Grid(title=shown(title, "table.title"), title_justify="left")
    for i, heading in enumerate(headings):
        grid.add_column(shown(heading), justify="right" if i else "left")
    for row in rows:
        grid.add_row(*map(shown, row))
    console.print(grid)
    console.print(shown(caption), style="dim", highlight=False)


def encodable(text: str, encoding: str) -> str:
    r"""``text`` in letters that the encoding has: a plain one where there is one, otherwise written out.

    Example:
        >>> print(encodable("0.9 ± 0.1", "utf-8"), encodable("0.9 ± 0.1, caf\xe9", "ascii"))
        0.9 ± 0.1 0.9 +- 0.1, caf\xe9
    """
    text = visible(text, keep="\n")
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return text
