"""A table of text, as Markdown, LaTeX and CSV."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sigma2r._csv import csv_line
from sigma2r._text import visible

LONG = 40  # letters; a longer cell is broken into lines
_NUMBER = re.compile(r"(> )?[+-]?\d[\d.,e+-]*( ?%| ±.*| to .*)?$|–$")


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of text. What cannot be seen in it is written out where it is shown, and stands in CSV as it is.

    Args:
        name: File name without ending.
        title: A heading.
        caption: What it shows, below it.
        headings: One for each column.
        rows: Cells; the first of a row names it.
        all_rows: All rows, where ``rows`` are a part that a page has room for: they stand in the CSV file.
        lines: Whether cells hold several lines of ours; otherwise a line break is part of a name, and is written out.
        thumbnails: Images of each of ``rows`` as PNG, which a page shows beside its name; none, or some for each row.
    """

    name: str
    title: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    all_rows: tuple[tuple[str, ...], ...] | None = None
    lines: bool = False
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

    @cached_property
    def shown(self) -> tuple[tuple[str, ...], ...]:
        """The cells of ``rows`` as they are shown: what cannot be seen is written out."""
        keep = "\n" if self.lines else ""
        return tuple(tuple(visible(cell, keep) for cell in row) for row in self.rows)

    def markdown(self) -> str:
        """The table and its caption as Markdown."""
        rule = ("---:" if numbers else "---" for numbers in self.numeric())
        lines = [map(_in_markdown, self.headings), rule, *(map(_in_markdown, row) for row in self.shown)]
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
            *map(_latex_row, self.shown),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines)

    def _columns(self) -> list[tuple[str, ...]]:
        return list(zip(*self.shown, strict=True)) if self.shown else [()] * len(self.headings)

    def numeric(self) -> list[bool]:
        """Which columns are numbers, and so flush right: never the first, which names the row."""
        return [
            i > 0 and 2 * sum(bool(_NUMBER.match(cell)) for cell in column) >= sum(bool(cell) for cell in column)
            for i, column in enumerate(self._columns())
        ]

    def comma_separated(self) -> str:
        """The table as CSV: see :func:`sigma2r._csv.csv_line`."""
        return "".join(map(csv_line, (self.headings, *(self.rows if self.all_rows is None else self.all_rows))))


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
