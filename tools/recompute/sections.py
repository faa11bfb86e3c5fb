"""What ought to stand in a generated place, as records have it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tools.recompute.cells import Cell, Expected, Number, Words
from tools.recompute.claims import CLAIMS, Claim
from tools.recompute.evidence import Evidence, Filled
from tools.recompute.judges import COMPUTED, JUDGES, computed
from tools.recompute.paper import beside_the_paper, ratios
from tools.recompute.rows import named
from tools.recompute.strength import Strength
from tools.recompute.studies import CENTER, STUDIES
from tools.recompute.tables import Table, caption, classes, differences, family_told, results, statistics, trials
from tools.recompute.verdicts import Judgement, judged

HEADINGS = ("claim", "verdict", "by reading", "ours", "published", "reason", "settings", "section")


@dataclass(frozen=True)
class Section:
    """What ought to stand below a heading.

    Args:
        title: How the heading ends.
        paragraphs: In their order.
        tables: In their order.
    """

    title: str
    paragraphs: tuple[Expected, ...]
    tables: tuple[Table, ...]


def sections(evidence: Evidence, asks: Sequence[str], quoted: Mapping[str, str]) -> list[Section]:
    """What a place asks for.

    Args:
        evidence: What records say.
        asks: A study; a study and losses; or verdicts, and columns of them.
        quoted: Figures of the page that no record holds, by their judge.

    Raises:
        ValueError: If there is no such study or loss.
    """
    what, *rest = asks
    if what == "verdicts":
        return [Section("", (), (_verdicts(evidence, rest, quoted),))]
    if what not in evidence.parts:
        raise ValueError(f"there are no records of {what}")
    if rest:
        return [Section("", (), (_some(evidence, what, rest),))]
    filled = (each for each in evidence.parts[what] if each.rows or each.diverged)
    return [_of_part(evidence, what, each) for each in filled]


def _of_part(evidence: Evidence, study: str, filled: Filled) -> Section:
    part = filled.part
    diverged = [(f"{each.loss}, seed {each.seed}, diverged: {each.diverged}",) for each in filled.diverged]
    text: list[Expected] = [strength_told(part.strength) if part.strength else _anything(), *diverged]
    if filled.missing and filled.rows:
        text.append((f"{filled.missing} of {part.asked} runs are not done yet.",))
    return Section(part.title, tuple(text), tuple(_tables(evidence, study, filled)))


def strength_told(strength: Strength) -> Cell:
    """What stands above the losses of equal strength."""
    return (
        "The gates of the last epoch are ",
        Number(strength.gate, ".2f"),
        f" in the mean of {strength.seeds} seeds, so that sigma2R pulls as a center loss of {strength.times:g} times "
        "its weight, which stands beside it. What differs between the two is how samples are weighted.",
    )


def _anything() -> Words:
    return Words("a text", lambda text: bool(text.strip()))


def _tables(evidence: Evidence, name: str, filled: Filled) -> Iterator[Table]:
    study, rows = STUDIES[name], filled.rows
    if not rows:
        return
    if filled.part.searches:
        yield trials(rows, filled.part.searches)
        return
    yield results(rows)
    yield statistics(rows)
    if filled.comparisons:
        yield differences(filled.comparisons, evidence.family)
    if study.table and filled.part.name == "equal-weight":
        yield beside_the_paper(study.table, rows)
        if study.table == 1 and CENTER in rows:
            yield ratios(rows)
    if study.classes:
        yield from (classes(rows, split) for split in ("train", "test"))


def _some(evidence: Evidence, study: str, losses: Sequence[str]) -> Table:
    """Some losses of a study over all its parts at the weight or the strength of the paper."""
    equal = [each for each in evidence.parts[study] if each.part.name.startswith("equal")]
    every = {record.identity: record for each in equal for rows in each.rows.values() for record in rows}
    rows = named(list(every.values()))
    lacking = [loss for loss in losses if loss not in rows]
    if lacking:
        raise ValueError(f"there are no records of {', '.join(lacking)} in {study}")
    shown = named([record for loss in losses for record in rows[loss]])
    table = results(shown)
    return Table(table.kind, "", table.headings, table.rows, caption(shown))


def _verdicts(evidence: Evidence, columns: Sequence[str], quoted: Mapping[str, str]) -> Table:
    shown = columns or HEADINGS
    rows = []
    for claim in CLAIMS:
        cells = dict(zip(HEADINGS, _row(claim, _judged(claim, evidence, quoted)), strict=True))
        rows.append(tuple(cells[heading] for heading in shown))
    told = None if columns else family_told(evidence.family)
    return Table("verdicts", "", tuple(shown), tuple(rows), told)


def _judged(claim: Claim, evidence: Evidence, quoted: Mapping[str, str]) -> Judgement:
    if claim.judge in COMPUTED:
        return computed(claim.judge, quoted.get(claim.judge, ""))
    return JUDGES[claim.judge](evidence) if claim.judge else judged(claim, evidence)


def _row(claim: Claim, found: Judgement) -> tuple[Expected, ...]:
    words = Words(" ... ".join(claim.words), lambda text: says(text, claim))
    figures = (found.verdict, found.by_reading, found.ours)
    return (words, *figures, (claim.published,), found.reason, found.settings, _anything())


def says(text: str, claim: Claim) -> bool:
    """Whether a text is that of a claim."""
    return text.startswith(claim.words[0]) and all(words in text for words in claim.words)
