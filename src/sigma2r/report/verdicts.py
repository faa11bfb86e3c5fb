"""Claims and what records say of them: how an assertion is judged.

A claim that one loss is better than another in a figure is looked at three times: at equal weight; at equal strength;
and with each loss at its own best weight. Where its source can be read in several ways, it is looked at in each. All
differences of a page are paired by seed, and their intervals hold at once with 95 %.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sigma2r.report.grid import Grid
from sigma2r.report.groups import loss_groups, part_records
from sigma2r.report.paired import FEWEST, Compared, Difference, compared, note
from sigma2r.report.tables import ACCURACY, Column, Summary
from sigma2r.studies.record import Record
from sigma2r.studies.study import Done, Scale, Study

HOLDS, EQUAL_ONLY, NOT_SEEN = "holds", "holds at equal weight only", "not seen"
BEST_ONLY = "not at equal weight; holds at its best weight"
BEST_OPEN = "not at equal weight; undecided at its best weight"
DEPENDS = "depends on the reading"
UNDECIDED, NOT_TESTABLE, NOT_RUN = "undecided", "not testable at this scale", "not run yet"
VERDICTS = (HOLDS, EQUAL_ONLY, BEST_ONLY, BEST_OPEN, DEPENDS, NOT_SEEN, UNDECIDED, NOT_TESTABLE, NOT_RUN)

HEADINGS = ("claim", "verdict", "by reading", "ours", "published", "reason", "settings", "section")


class Findings:
    """Records of several studies by study, part and row.

    Args:
        done: Finished records.
        scales: The scale of each study that there are records of.
        studies: The studies by their names.
    """

    def __init__(self, done: Done, scales: Mapping[str, Scale], studies: Mapping[str, Study]) -> None:
        self.settings = {name: studies[name].settings[scale] for name, scale in scales.items()}
        self.caveats = {name: studies[name].caveats.get(scale) for name, scale in scales.items()}
        self._rows: dict[tuple[str, str], dict[str, list[Record]]] = {}
        self._diverged: dict[tuple[str, str], list[Record]] = {}
        for name, scale in scales.items():
            for part in studies[name].known_parts(scale, done):
                self._rows[name, part.name] = loss_groups(part_records(part, done))
                self._diverged[name, part.name] = part_records(part, done, diverged=True)

    def row(self, study: str, part: str, loss: str) -> list[Record]:
        """The records of a loss: spelled with its weight, or the only row that is spelled so without one."""
        rows = self._rows.get((study, part), {})
        if loss in rows:
            return rows[loss]
        named = [records for records in rows.values() if _without_weight(records[0]) == loss]
        return named[0] if len(named) == 1 else []

    def rows(self, study: str, part: str) -> dict[str, list[Record]]:
        """All rows of a part."""
        return self._rows.get((study, part), {})

    def diverged(self, study: str, part: str) -> list[Record]:
        """The records of a part that stand in no row, since their runs diverged."""
        return self._diverged.get((study, part), [])


def _without_weight(record: Record) -> str:
    name, _, rest = record.run.loss_name.partition("@")
    return name + rest[rest.index("[") :] if "[" in rest else name


def by_seed(new: Sequence[Record], old: Sequence[Record], column: Column) -> list[tuple[float, float]]:
    """The figure of both losses for each seed that both have; nothing where fewer than two have it."""
    found = compared("", "", column, new, old)
    return [] if found is None else found.values


@dataclass(frozen=True)
class Look:
    """A comparison: in a part of a study the figure of one loss is below (or above) that of another."""

    study: str
    part: str
    new: str
    old: str
    column: Column
    higher: bool

    def compared(self, findings: Findings) -> Compared | None:
        """The pairs; None where fewer than two seeds have both."""
        new, old = (findings.row(self.study, self.part, loss) for loss in (self.new, self.old))
        return compared(self.new, self.old, self.column, new, old)

    def difference(self, findings: Findings, family: int) -> Difference | None:
        """Paired by seed, with an interval that holds at once with all of a family."""
        found = self.compared(findings)
        return None if found is None else found.difference(family)

    def told(self, found: Difference) -> str:
        """The difference with its interval, its signs and seeds."""
        cells = found.cells()
        return f"{self.part}: {self.new} less {self.old}, {found.figure}: {cells[4]} ({cells[5]}), higher in {cells[6]}"

    def stands(self, found: Difference | None) -> str:
        """``agrees``, ``opposes``, ``undecided``, ``few`` or ``missing``."""
        if found is None:
            return "missing"
        if found.n < FEWEST:
            return "few"
        if found.verdict == "undecided":
            return "undecided"
        return "agrees" if (found.verdict == "higher") == self.higher else "opposes"

    def leans(self, found: Difference) -> bool:
        """Whether the mean lies on the side that is claimed."""
        return (found.mean > 0) == self.higher


@dataclass(frozen=True)
class Judged:
    """What our records say of a claim."""

    settings: str
    ours: str
    verdict: str
    reason: str
    by_reading: str = ""


@dataclass(frozen=True)
class Case:
    """What a claim comes down to in one reading.

    Args:
        equal: Comparisons at equal weight, all of which it needs.
        strength: Comparisons at equal strength, with figures that do not depend on scale.
        best: Comparisons with each loss at its own best weight, alike.
    """

    equal: tuple[Look, ...]
    strength: tuple[Look, ...] = ()
    best: tuple[Look, ...] = ()

    @property
    def looks(self) -> tuple[Look, ...]:
        """All of them."""
        return self.equal + self.strength + self.best


@dataclass(frozen=True)
class Claim:
    """An assertion to be looked at.

    Args:
        says: What it asserts, in our words.
        section: Where.
        published: The figures it rests on.
        cases: What it comes down to, by reading; one without a name where there is but one.
        judge: What decides it otherwise; it is told the size of the family.
        looks: Comparisons that such a judge makes.
    """

    says: str
    section: str
    published: str
    cases: Mapping[str, Case] = field(default_factory=dict)
    judge: Callable[[Findings, int], Judged] | None = field(default=None, compare=False)
    looks: tuple[Look, ...] = ()

    @property
    def all_looks(self) -> tuple[Look, ...]:
        """Every comparison of two losses that it rests on."""
        return (*(look for case in self.cases.values() for look in case.looks), *self.looks)

    def judged(self, findings: Findings, family: int) -> Judged:
        """The verdict, and what it rests on."""
        if self.judge is not None:
            return self.judge(findings, family)
        found = {
            reading: {look: look.difference(findings, family) for look in case.looks}
            for reading, case in self.cases.items()
        }
        known = {look: each for of_case in found.values() for look, each in of_case.items() if each is not None}
        studies = tuple(dict.fromkeys(look.study for look in known))
        verdicts = {reading: _verdict(case, found[reading]) for reading, case in self.cases.items()}
        caveats = dict.fromkeys(caveat for study in studies if (caveat := findings.caveats[study]))
        words = dict.fromkeys(verdict for verdict, _ in verdicts.values() if verdict != NOT_RUN) or {NOT_RUN: None}
        reasons = dict.fromkeys(reason for _, reason in verdicts.values())
        told = reasons if len(reasons) == 1 else [f"{reading}: {reason}" for reading, (_, reason) in verdicts.items()]
        verdict = next(iter(words)) if len(words) == 1 else DEPENDS
        if caveats and verdict != NOT_RUN and any(look.column == ACCURACY for look in known):
            verdict = NOT_TESTABLE
        return Judged(
            " ".join(findings.settings[study] for study in studies) or "–",
            "\n".join(dict.fromkeys(look.told(each) for look, each in known.items())) or "–",
            verdict,
            " ".join([*told, *caveats]),
            "\n".join(f"{reading}: {verdict}" for reading, (verdict, _) in verdicts.items() if reading),
        )


_Found = Mapping[Look, Difference | None]
_WORST_FIRST = ("missing", "few", "opposes", "undecided", "agrees")


def _verdict(case: Case, found: _Found) -> tuple[str, str]:
    equal, strength, best = (_together(looks, found) for looks in (case.equal, case.strength, case.best))
    if equal == "missing":
        return NOT_RUN, "Runs at equal weight are missing."
    if equal == "few":
        return UNDECIDED, f"Fewer than {FEWEST} seeds decide nothing."
    fair = {"equal strength": strength, "its best weight": best}
    fair = {name: each for name, each in fair.items() if each is not None}
    if equal == "agrees" and not fair:
        return HOLDS, "Weights play no part."
    reason = "; ".join(f"at {name} {_WORDS[each]}" for name, each in {"equal weight": equal, **fair}.items() if each)
    if equal == "undecided":
        reason += f"; {_seeds_told(case.equal, found)}"
    return _word(equal, strength, best), f"{reason[0].upper()}{reason[1:]}."


_WORDS = {
    "agrees": "as claimed",
    "opposes": "the other way round",
    "undecided": "no difference is found",
    "few": "too few seeds",
    "missing": "not run yet",
}


def _word(equal: str | None, strength: str | None, best: str | None) -> str:
    if equal == "agrees":
        stands = {strength, best} - {"agrees", None}
        return HOLDS if not stands else NOT_RUN if stands == {"missing"} else EQUAL_ONLY
    if best == "agrees":
        return BEST_ONLY
    if equal == "opposes":
        return BEST_OPEN if best in ("undecided", "few") else NOT_SEEN
    return NOT_SEEN if best == "opposes" else UNDECIDED


def _together(looks: Iterable[Look], found: _Found) -> str | None:
    """How several comparisons stand that are all needed: as the worst of them; None where there is none."""
    stands = [look.stands(found[look]) for look in looks]
    return min(stands, key=_WORST_FIRST.index) if stands else None


def _seeds_told(looks: Iterable[Look], found: _Found) -> str:
    """How many seeds would decide a claim that needs all of these.

    It falls with the first that opposes it, so that the fewest seeds decide where some lean against it; it stands only
    with the last, so that the most are needed where none does.
    """
    open_ones = [(look, each) for look in looks if (each := found[look]) and look.stands(each) == "undecided"]
    against = [each for look, each in open_ones if not look.leans(each)]
    needed = [each.seeds_needed or _BEYOND for each in against or [each for _, each in open_ones]]
    most = min(needed) if against else max(needed)
    return f"seeds that would decide: {f'more than {_BEYOND - 1:,}' if most == _BEYOND else f'{most:,}'}"


_BEYOND = 10_001  # more seeds than are told


def told_mean(values: Sequence[float], digits: int) -> str:
    """The mean with half its t interval; of one seed the value alone."""
    summary = Summary.of(values)
    return "–" if summary is None else summary.text(digits)


def claims_compared(claims: Iterable[Claim], findings: Findings) -> Iterator[Compared]:
    """Every comparison of two losses that claims rest on and records tell of."""
    found = (look.compared(findings) for claim in claims for look in claim.all_looks)
    return (each for each in found if each is not None)


def claims_grid(claims: Sequence[Claim], findings: Findings, family: int, name: str = "claims") -> Grid:
    """Every claim with its verdict.

    Args:
        claims: What is asserted.
        findings: Records of all studies.
        family: How many comparisons the page has.
        name: Of the grid.
    """
    rows = []
    for claim in claims:
        judged = claim.judged(findings, family)
        found = (judged.verdict, judged.by_reading, judged.ours, claim.published, judged.reason, judged.settings)
        rows.append((claim.says, *found, claim.section))
    return Grid(
        name=name,
        title="Verdicts",
        caption=f"{note(family)} Verdicts: {', '.join(VERDICTS)}.",
        headings=HEADINGS,
        rows=tuple(rows),
    )
