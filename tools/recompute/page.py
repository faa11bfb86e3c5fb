"""What stands in the generated places of a page: sections, paragraphs and Markdown tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_PLACE = re.compile(r"<!-- results/([^>]+) -->\n(.*?)<!-- end -->", flags=re.DOTALL)
_BETWEEN = re.compile(r"(?<!\\)\|")


@dataclass
class Found:
    """A table of a page.

    Args:
        line: Where it begins.
        title: In bold above it; empty where there is none.
        headings: Of its columns.
        rows: Of its cells.
        caption: Below it.
    """

    line: int
    title: str
    headings: list[str]
    rows: list[list[str]]
    caption: str = ""


@dataclass
class FoundSection:
    """What stands below a heading.

    Args:
        line: Where it begins.
        title: Of it; empty before the first.
        paragraphs: That belong to no table.
        tables: In their order.
    """

    line: int
    title: str
    paragraphs: list[str] = field(default_factory=list)
    tables: list[Found] = field(default_factory=list)


@dataclass
class Place:
    """A generated place.

    Args:
        asks: What it asks for: a study, some losses of one, or verdicts.
        sections: What stands there.
    """

    asks: tuple[str, ...]
    sections: list[FoundSection]


def places(text: str) -> list[Place]:
    """The generated places of a page."""
    return [
        Place(tuple(match[1].split()), _sections(match[2], 1 + text.count("\n", 0, match.start(2))))
        for match in _PLACE.finditer(text)
    ]


def tables_elsewhere(text: str) -> list[int]:
    """The lines on which tables begin outside of generated places."""
    outside = _PLACE.sub(lambda match: "\n" * match[0].count("\n"), text).splitlines()
    begins = (i for i, line in enumerate(outside) if line.startswith("|") and not outside[i - 1].startswith("|"))
    return [i + 1 for i in begins]


def _sections(text: str, line: int) -> list[FoundSection]:
    sections = [FoundSection(line, "")]
    title, after_table = "", False
    for number, block in _blocks(text, line):
        section = sections[-1]
        if block[0].startswith("### "):
            sections.append(FoundSection(number, block[0].removeprefix("### ")))
        elif block[0].startswith("|"):
            headings, _, *rows = map(_cells, block)
            section.tables.append(Found(number, title, headings, rows))
            title = ""
        elif after_table:
            section.tables[-1].caption = " ".join(block)
        elif len(block) == 1 and re.fullmatch(r"\*\*.*\*\*", block[0]):
            title = block[0].strip("*")
        else:
            section.paragraphs.append(" ".join(block))
        after_table = block[0].startswith("|")
    return [section for section in sections if section.title or section.paragraphs or section.tables]


def _blocks(text: str, line: int) -> Iterator[tuple[int, list[str]]]:
    """Lines that stand together, and the number of the first."""
    block: list[str] = []
    for number, each in enumerate([*text.splitlines(), ""], start=line):
        if each.strip():
            block.append(each)
        elif block:
            yield number - len(block), block
            block = []


def _cells(line: str) -> list[str]:
    return [_plain(cell) for cell in _BETWEEN.split(line)[1:-1]]


def _plain(cell: str) -> str:
    """A cell without what Markdown wants."""
    return cell.strip().replace("<br>", "\n").replace("&lt;", "<").replace("\\|", "|").replace("\\\\", "\\")
