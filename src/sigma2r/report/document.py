"""A report as a document: sections of text, tables and figures; written as one page, and each part as a file."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sigma2r._csv import ERRORS
from sigma2r._text import visible
from sigma2r.report.grid import LONG, Grid
from sigma2r.report.owned import FIGURES, MARK, PAGE, TABLES, write_files
from sigma2r.report.picture import Picture


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

    def __post_init__(self) -> None:
        """Write out what cannot be seen in its texts; they keep their lines."""
        for key in ("paragraphs", "notes"):
            object.__setattr__(self, key, tuple(visible(text, keep="\n") for text in getattr(self, key)))
        object.__setattr__(self, "title", visible(self.title))
        object.__setattr__(self, "code", None if self.code is None else visible(self.code, keep="\n"))
        object.__setattr__(self, "terms", tuple((visible(a), visible(b, keep="\n")) for a, b in self.terms))

    @property
    def anchor(self) -> str:
        """Its name within the page."""
        letters = r"[^a-z0-9]+" if self.title.isascii() else r"\W+"
        return re.sub(letters, "-", self.title.lower()).strip("-") or "section"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A report.

    Args:
        title: Of the page.
        paragraphs: Text before the sections.
        sections: In order; names of tables and figures are used once.

    Raises:
        ValueError: If two tables, two figures or two sections have one name, or a name is none of a file.
    """

    title: str
    sections: tuple[Section, ...]
    paragraphs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that would overwrite one another's files, or leave the folder."""
        object.__setattr__(self, "title", visible(self.title))
        object.__setattr__(self, "paragraphs", tuple(visible(text, keep="\n") for text in self.paragraphs))
        for name in (*(grid.name for grid in self.grids()), *(picture.name for picture in self.pictures())):
            if not re.fullmatch(r"\w[^/\\:]*", name) or visible(name) != name:
                raise ValueError(f"Document: a table or figure must have the name of a file; got {name!r}.")
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

    Beside these stands ``report.sha256``, the list of them, by which the next report knows what it may overwrite or
    remove: see :func:`sigma2r.report.owned.write_files`.

    Returns:
        The page.

    Raises:
        ValueError: If a file that no report wrote is in the way; nothing is written then.
        OSError: If the folder cannot be written to; each file there is whole.
    """
    files: dict[str, bytes] = {}
    for grid in document.grids():
        for ending, content in (("md", grid.markdown()), ("tex", grid.latex()), ("csv", grid.comma_separated())):
            files[f"{TABLES}/{grid.name}.{ending}"] = (content.removesuffix("\n") + "\n").encode(errors=ERRORS)
    for picture in document.pictures():
        for ending, image in (("svg", picture.svg), ("pdf", picture.pdf), ("png", picture.png)):
            files[f"{FIGURES}/{picture.name}.{ending}"] = image
    write_files({**files, PAGE: render(document).encode()}, folder)
    return folder / PAGE


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
        long=LONG,
        mark=Markup(MARK),
        script=Markup(script),
        style=Markup(style),
        policy=f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; script-src '{_hash(script)}'",
        terms=dict(term for section in document.sections for term in section.terms),
    )


def _hash(text: str) -> str:
    """What a content security policy calls this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
