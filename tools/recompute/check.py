"""Pages held against records: every cell of every generated table, and what stands around them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.recompute.cells import LAST_DIGIT, SAME, Expected, Words, agreement, shown
from tools.recompute.claims import CLAIMS
from tools.recompute.evidence import Evidence
from tools.recompute.judges import COMPUTED
from tools.recompute.page import Found, FoundSection, Place, places, tables_elsewhere
from tools.recompute.sections import HEADINGS, Section, says, sections
from tools.recompute.tables import Table

ALL_GENERATED = "results.md"
"""The page that has no table but those made from records."""

_LABELS = {"differences": 3, "statistics": 2}  # cells that name a row, where that is not the first alone


@dataclass
class Tally:
    """What was compared.

    Args:
        compared: Cells by kind.
        last_digit: Of these, those that a tie in rounding sets apart.
        differ: Of these, those that differ.
        told: A sentence for each that is not the same.
        overlooked: Tables that were not looked at.
    """

    compared: Counter[str] = field(default_factory=Counter)
    last_digit: Counter[str] = field(default_factory=Counter)
    differ: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    overlooked: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        """Whether the pages say what the records say."""
        return not self.differ and not self.overlooked

    def compare(self, kind: str, where: str, ours: Expected, theirs: str) -> None:
        """Count a cell."""
        self.compared[kind] += 1
        how = agreement(ours, theirs)
        if how == SAME:
            return
        (self.last_digit if how == LAST_DIGIT else self.differ)[kind] += 1
        self.told.append(f"{where} ({how}):\n  ours: {shown(ours)}\n  page: {theirs}")

    def lack(self, kind: str, where: str, what: str) -> None:
        """Count what is there on one side alone."""
        self.compared[kind] += 1
        self.differ[kind] += 1
        self.told.append(f"{where}: {what}")

    def lines(self) -> Iterator[str]:
        """The summary."""
        yield from self.told
        yield from (f"not looked at: {each}" for each in self.overlooked)
        yield f"{'kind':<24}{'compared':>9}{'differ':>8}{'last digit':>12}"
        for kind, count in sorted(self.compared.items()):
            yield f"{kind:<24}{count:>9,}{self.differ[kind]:>8}{self.last_digit[kind]:>12}"
        yield f"{'all':<24}{self.compared.total():>9,}{self.differ.total():>8}{self.last_digit.total():>12}"


def checked(pages: Mapping[str, str], evidence: Evidence) -> Tally:
    """Pages, by their path, against what records say."""
    tally = Tally()
    for quarrel in evidence.shelf.quarrels:
        tally.lack("records", "results", f"two records of one run differ: {quarrel}")
    _check_searches(tally, evidence)
    for name, text in pages.items():
        found = places(text)
        quoted = _quoted(found)
        for place in found:
            _check_place(tally, name, place, evidence, quoted)
        if Path(name).name == ALL_GENERATED:
            _check_whole(tally, name, text, found, evidence)
    return tally


def _check_searches(tally: Tally, evidence: Evidence) -> None:
    """No weight that is recorded does better than the chosen one."""
    for study, several in evidence.parts.items():
        for search in (search for filled in several for search in filled.part.searches if search.chosen):
            if search.overlooked:
                tally.lack("searches", study, f"{search.overlooked} does better than {search.chosen}, which was chosen")
            else:
                tally.compared["searches"] += 1


def _quoted(found: Iterable[Place]) -> dict[str, str]:
    """Figures of the page that no record holds."""
    tables = [table for place in found if place.asks[0] == "verdicts" for s in place.sections for table in s.tables]
    return {
        claim.judge: row[HEADINGS.index("ours")]
        for table in tables
        if tuple(table.headings) == HEADINGS
        for row in table.rows
        for claim in CLAIMS
        if claim.judge in COMPUTED and says(row[0], claim)
    }


def _check_whole(tally: Tally, name: str, text: str, found: Sequence[Place], evidence: Evidence) -> None:
    """The page shows every study and the verdicts, and no table of another origin."""
    tally.overlooked += [f"{name}, line {line}: a table that is not generated" for line in tables_elsewhere(text)]
    asked = {place.asks for place in found}
    for what in ("verdicts", *evidence.parts):
        if (what,) not in asked:
            tally.lack("sections", name, f"{what} is not shown")


def _check_place(tally: Tally, name: str, place: Place, evidence: Evidence, quoted: Mapping[str, str]) -> None:
    where = f"{name}, {' '.join(place.asks)}"
    try:
        wanted = sections(evidence, place.asks, quoted)
    except ValueError as error:
        tally.lack("sections", where, str(error))
        return
    left = list(place.sections)
    for section in wanted:
        found = next((each for each in left if each.title.endswith(section.title)), None)
        if found is None:
            tally.lack("sections", where, f"the page lacks the section {section.title}")
            continue
        tally.compare("sections", where, (found.title,), left[0].title)  # in the same order
        left.remove(found)
        _check_section(tally, f"{name}, line {found.line}, {' '.join(place.asks)}", section, found)
    for extra in left:
        tally.lack("sections", f"{where}, line {extra.line}", f"no record tells of {extra.title or 'this section'}")
        tally.overlooked += [f"{name}, line {table.line}: {table.title}" for table in extra.tables]


def _check_section(tally: Tally, where: str, wanted: Section, found: FoundSection) -> None:
    if len(wanted.paragraphs) == len(found.paragraphs):
        for ours, theirs in zip(wanted.paragraphs, found.paragraphs, strict=True):
            tally.compare("text", where, ours, theirs)
    else:
        ours_told = " | ".join(map(shown, wanted.paragraphs))
        tally.lack("text", where, f"other paragraphs\n  ours: {ours_told}\n  page: {' | '.join(found.paragraphs)}")
    left = list(found.tables)
    for table in wanted.tables:
        matching = next((each for each in left if each.title == table.title), None)
        if matching is not None:
            left.remove(matching)
            _check_table(tally, f"{where}, {wanted.title}", table, matching)
        elif table.needed:
            tally.lack(table.kind, where, f"the page lacks the table {table.title}")
    tally.overlooked += [f"{where}, line {each.line}: {each.title or ' | '.join(each.headings)}" for each in left]


def _check_table(tally: Tally, where: str, wanted: Table, found: Found) -> None:
    where = f"{where}: {wanted.title}" if wanted.title else where
    if [list(wanted.headings)] * len(found.rows) != [found.headings[: len(row)] for row in found.rows]:
        tally.lack(wanted.kind, where, f"other columns\n  ours: {wanted.headings}\n  page: {found.headings}")
        return
    if wanted.caption is not None:
        tally.compare("captions", where, wanted.caption, found.caption)
    for ours, theirs in _paired_rows(tally, where, wanted, found):
        for heading, mine, shown_there in zip(wanted.headings, ours, theirs, strict=True):
            kind = f"verdicts, {heading}" if wanted.kind == "verdicts" else wanted.kind
            tally.compare(kind, f"{where}, {theirs[0]}, {heading}", mine, shown_there)


_PairedRow = tuple[tuple[Expected, ...], list[str]]


def _paired_rows(tally: Tally, where: str, wanted: Table, found: Found) -> list[_PairedRow]:
    """Rows by what names them; those that words name, one by one."""
    size = _LABELS.get(wanted.kind, 1)
    names = [tuple(map(shown, row[:size])) for row in wanted.rows]
    theirs = [tuple(row[:size]) for row in found.rows]
    by_words = any(isinstance(row[0], Words) for row in wanted.rows)
    if names == theirs or (by_words and len(names) == len(theirs)):
        return list(zip(wanted.rows, found.rows, strict=True))
    for name in (Counter(names) - Counter(theirs)).elements():
        tally.lack(wanted.kind, where, f"the page lacks the row {', '.join(name)}")
    for name in (Counter(theirs) - Counter(names)).elements():
        tally.lack(wanted.kind, where, f"no record tells of the row {', '.join(name)}")
    if sorted(names) == sorted(theirs):
        tally.lack(wanted.kind, where, f"rows in another order: {'; '.join(', '.join(name) for name in theirs)}")
    by_name = dict(zip(theirs, found.rows, strict=True))
    return [(row, by_name[name]) for row, name in zip(wanted.rows, names, strict=True) if name in by_name]
