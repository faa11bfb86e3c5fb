"""A table of text, as Markdown, LaTeX and CSV."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sigma2r._text import visible

LONG = 40  # letters; a longer cell is broken into lines
_NUMBER = re.compile(r"(> )?[+-]?\d[\d.,e+-]*( ?%| ±.*| to .*)?$|–$")

_FORMULA = "=+-@＝＋－＠"  # what a cell begins with that a spreadsheet takes for a formula, in any width
_SIGNED = r"[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]+)?(e[+-]?[0-9]+)?( ?%)?"
_OUR_NUMBER = re.compile(rf"{_SIGNED}( (±|to) {_SIGNED})?")
_AT_SEMICOLON = re.compile(rf";\s*[{re.escape(_FORMULA)}]")  # where a spreadsheet splits lines in many countries


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of text. What cannot be seen in it is written out; cells keep their lines.

    Args:
        name: File name without ending.
        title: A heading.
        caption: What it shows, below it.
        headings: One for each column.
        rows: Cells; the first of a row names it.
        all_rows: All rows, where ``rows`` are a part that a page has room for: they stand in the CSV file.
        thumbnails: Images of each of ``rows`` as PNG, which a page shows beside its name; none, or some for each row.
    """

    name: str
    title: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    all_rows: tuple[tuple[str, ...], ...] | None = None
    thumbnails: tuple[tuple[bytes, ...], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no table of text, and write out what cannot be seen; iterators are read once."""
        object.__setattr__(self, "headings", tuple(self.headings))
        for key in ("rows", "all_rows"):
            if getattr(self, key) is not None:
                object.__setattr__(self, key, tuple(tuple(row) for row in getattr(self, key)))
        for row in (*self.rows, *(self.all_rows or ())):
            if len(row) != len(self.headings) or not all(isinstance(cell, str) for cell in row):
                raise ValueError(
                    f"Grid: rows of {self.name} must hold a text for each of the {len(self.headings)} headings; got "
                    f"{row}."
                )
        if self.thumbnails and len(self.thumbnails) != len(self.rows):
            raise ValueError(
                f"Grid: thumbnails of {self.name} must be as many as its {len(self.rows)} rows; got "
                f"{len(self.thumbnails)}."
            )
        for key in ("title", "caption"):
            object.__setattr__(self, key, visible(getattr(self, key), keep="\n"))
        object.__setattr__(self, "headings", tuple(map(visible, self.headings)))
        for key in ("rows", "all_rows"):
            if getattr(self, key) is not None:
                rows = tuple(tuple(visible(cell, keep="\n") for cell in row) for row in getattr(self, key))
                object.__setattr__(self, key, rows)

    def markdown(self) -> str:
        """The table and its caption as Markdown."""
        rule = ("---:" if numbers else "---" for numbers in self.numeric())
        lines = [map(_in_markdown, self.headings), rule, *(map(_in_markdown, row) for row in self.rows)]
        return "\n".join([*("| " + " | ".join(line) + " |" for line in lines), "", self.caption])

    def latex(self) -> str:
        """The table as LaTeX, for a document that loads booktabs; columns of long text share its width."""
        numbers = self.numeric()
        long = [any(len(cell) > LONG for cell in column) for column in self._columns()]
        width = rf"p{{{0.8 / max(sum(long), 1):.2f}\linewidth}}"
        columns = "".join(
            width if is_long else "r" if holds else "l" for holds, is_long in zip(numbers, long, strict=True)
        )
        lines = [
            r"\begin{table}",
            rf"\caption{{{_in_latex(self.caption)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            _latex_row(self.headings),
            r"\midrule",
            *map(_latex_row, self.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines)

    def _columns(self) -> list[tuple[str, ...]]:
        return list(zip(*self.rows, strict=True)) if self.rows else [()] * len(self.headings)

    def numeric(self) -> list[bool]:
        """Which columns are numbers, and so flush right: never the first, which names the row."""
        return [
            i > 0 and 2 * sum(bool(_NUMBER.match(cell)) for cell in column) >= sum(bool(cell) for cell in column)
            for i, column in enumerate(self._columns())
        ]

    def comma_separated(self) -> str:
        """The table as CSV (RFC 4180); no cell is a formula to a spreadsheet, wherever it splits a line."""
        buffer = io.StringIO()
        plain, quoted = csv.writer(buffer), csv.writer(buffer, quoting=csv.QUOTE_ALL)
        for row in (self.headings, *(self.rows if self.all_rows is None else self.all_rows)):
            writer = quoted if any(map(_AT_SEMICOLON.search, row)) else plain
            writer.writerow(map(_in_spreadsheet, row))
        return buffer.getvalue()


def _lines(cell: str) -> list[str]:
    return [" ".join(line.split()) for line in cell.splitlines()]


def _in_markdown(cell: str) -> str:
    plain = (line.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") for line in _lines(cell))
    return "<br>".join(plain)


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "±": r"$\pm$", "–": "--", "σ": r"$\sigma$", "²": r"$^2$",
}  # fmt: skip


def _in_latex(cell: str) -> str:
    return r"\newline ".join("".join(_LATEX.get(letter, letter) for letter in line) for line in _lines(cell))


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_in_latex, cells)) + r" \\"


def _in_spreadsheet(cell: str) -> str:
    """A cell that begins like a formula, and is no number, is marked as text."""
    if cell.lstrip()[:1] in tuple(_FORMULA) and not _OUR_NUMBER.fullmatch(cell):
        return "'" + cell
    return cell
