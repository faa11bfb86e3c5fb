"""A report as a document: sections of text, tables and figures; written as one page, and each part as a file."""

import base64
import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sigma2r.report.figures import Picture

PAGE = "report.html"
FIGURES = "figures"
TABLES = "tables"
_LONG = 40  # letters; a longer cell is broken into lines
_NUMBER = re.compile(r"(> )?[+-]?\d[\d.,e+-]*( ?%| ±.*| to .*)?$|–$")


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of text.

    Args:
        name: File name without ending.
        title: A heading.
        caption: What it shows, below it.
        headings: One for each column.
        rows: Cells; the first of a row names it.
    """

    name: str
    title: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table and its caption as Markdown."""
        rule = ("---:" if numbers else "---" for numbers in self.numeric())
        lines = [map(_in_markdown, self.headings), rule, *(map(_in_markdown, row) for row in self.rows)]
        return "\n".join([*("| " + " | ".join(line) + " |" for line in lines), "", self.caption])

    def latex(self) -> str:
        """The table as LaTeX, for a document that loads booktabs; columns of long text share its width."""
        numbers = self.numeric()
        long = [any(len(cell) > _LONG for cell in column) for column in self._columns()]
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
        """The table as CSV (RFC 4180); no cell is a formula to a spreadsheet."""
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(map(_in_spreadsheet, self.headings))
        writer.writerows([_in_spreadsheet(cell) for cell in row] for row in self.rows)
        return buffer.getvalue()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a report.

    Args:
        title: Its heading.
        paragraphs: Text before all else.
        grids: Its tables.
        pictures: Its figures.
        code: A command, to be copied.
        notes: Text behind all else.
        terms: Words and what they mean; a column that bears such a word explains itself by it.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    pictures: tuple[Picture, ...] = ()
    code: str | None = None
    notes: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()

    @property
    def anchor(self) -> str:
        """Its name within the page."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-") or "section"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A report.

    Args:
        title: Of the page.
        paragraphs: Text before the sections.
        sections: In order; names of tables and figures are used once.

    Raises:
        ValueError: If two tables, two figures or two sections have one name.
    """

    title: str
    sections: tuple[Section, ...]
    paragraphs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that would overwrite one another's files."""
        for kind, names in (
            ("table", [grid.name for grid in self.grids()]),
            ("figure", [picture.name for picture in self.pictures()]),
            ("section", [section.anchor for section in self.sections]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"Document: names of a {kind} must differ; {', '.join(twice)} is there twice.")

    def grids(self) -> Iterator[Grid]:
        """All tables."""
        return (grid for section in self.sections for grid in section.grids)

    def pictures(self) -> Iterator[Picture]:
        """All figures."""
        return (picture for section in self.sections for picture in section.pictures)


def write_document(document: Document, folder: Path) -> Path:
    """Write the page, and beside it each table as Markdown, LaTeX and CSV and each figure as SVG, PDF and PNG.

    Returns:
        The page.

    Raises:
        OSError: If the folder cannot be written to; each file there is whole.
    """
    for grid in document.grids():
        for ending, content in (("md", grid.markdown()), ("tex", grid.latex()), ("csv", grid.comma_separated())):
            _write(folder / TABLES / f"{grid.name}.{ending}", (content.rstrip("\n") + "\n").encode())
    for picture in document.pictures():
        for ending, image in (("svg", picture.svg), ("pdf", picture.pdf), ("png", picture.png)):
            _write(folder / FIGURES / f"{picture.name}.{ending}", image)
    page = folder / PAGE
    _write(page, render(document).encode())
    return page


def render(document: Document) -> str:
    """The page as text: everything within it, nothing asked of a network."""
    environment = Environment(
        loader=PackageLoader("sigma2r.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda content: Markup(base64.b64encode(content).decode())
    source = environment.loader.get_source  # type: ignore[union-attr]
    script, style = (source(environment, name)[0] for name in ("page.js", "page.css"))
    return environment.get_template("page.html").render(
        document=document,
        long=_LONG,
        script=Markup(script),
        style=Markup(style),
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'",
        terms=dict(term for section in document.sections for term in section.terms),
    )


def _hash(text: str) -> str:
    """What a content security policy calls this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
    if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not re.fullmatch(r"[+-][\d.,e+-]+( (±|to) [+-]?[\d.]+)?", cell):
        return "'" + cell
    return cell
