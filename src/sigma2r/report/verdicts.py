"""Claims and what records say of them: how an assertion is judged.

A claim that one loss is better than another in a figure is looked at three times: at equal weight; at equal strength;
and with each loss at its own best weight. All differences of a page are paired by seed, and their intervals hold at
once with 95 %.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sigma2r.report.grid import Grid
from sigma2r.report.groups import loss_groups, part_records
from sigma2r.report.paired import FEWEST, Difference, difference_of
from sigma2r.report.tables import Column, Summary
from sigma2r.studies.record import Record
from sigma2r.studies.study import Done, Scale, Study

HOLDS, EQUAL_ONLY, NOT_SEEN = "holds", "holds at equal weight only", "not seen"
UNDECIDED, NOT_TESTABLE, NOT_RUN = "undecided", "not testable at this scale", "not run yet"
VERDICTS = (HOLDS, EQUAL_ONLY, NOT_SEEN, UNDECIDED, NOT_TESTABLE, NOT_RUN)

HEADINGS = ("claim", "verdict", "ours", "published", "reason", "settings", "section")


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
        for name, scale in scales.items():
            for part in studies[name].known_parts(scale, done):
                self._rows[name, part.name] = loss_groups(part_records(part, done))

    def row(self, study: str, part: str, loss: str) -> list[Record]:
        """The records of a loss: spelled with its weight, or the only row of that name with whatever weight."""
        rows = self._rows.get((study, part), {})
        if loss in rows:
            return rows[loss]
        named = [
            records for records in rows.values() if records[0].run.loss == loss and not records[0].run.loss_options
        ]
        return named[0] if len(named) == 1 else []

    def rows(self, study: str, part: str) -> dict[str, list[Record]]:
        """All rows of a part."""
        return self._rows.get((study, part), {})


def by_seed(new: Sequence[Record], old: Sequence[Record], column: Column) -> list[tuple[float, float]]:
    """The figure of both losses for each seed that both have."""
    values = [
        {(r.run.init_seed, r.run.data_seed): value for r in records if (value := column.value(r)) is not None}
        for records in (new, old)
    ]
    return [(values[0][seed], values[1][seed]) for seed in sorted(values[0].keys() & values[1].keys())]


@dataclass(frozen=True)
class Look:
    """A comparison: in a part of a study the figure of one loss is below (or above) that of another."""

    study: str
    part: str
    new: str
    old: str
    column: Column
    higher: bool

    def difference(self, findings: Findings, num_comparisons: int) -> Difference | None:
        """Paired by seed; None where fewer than two seeds have both."""
        new, old = (findings.row(self.study, self.part, loss) for loss in (self.new, self.old))
        values = [a - b for a, b in by_seed(new, old, self.column)]
        if len(values) < 2:
            return None
        return difference_of(self.new, self.old, self.column, values, num_comparisons)

    def told(self, found: Difference) -> str:
        """The difference with its interval and seeds."""
        cells = found.cells()
        return f"{self.part}: {self.new} less {self.old}, {found.figure}: {cells[4]} ({cells[5]}), n = {found.n}"

    def stands(self, found: Difference | None) -> str:
        """``agrees``, ``opposes``, ``undecided`` or ``missing``."""
        if found is None:
            return "missing"
        if found.verdict.startswith("undecided"):
            return "undecided"
        return "agrees" if (found.verdict == "higher") == self.higher else "opposes"


@dataclass(frozen=True)
class Judged:
    """What our records say of a claim."""

    settings: str
    ours: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Claim:
    """An assertion to be looked at.

    Args:
        says: What it asserts, in our words.
        section: Where.
        published: The figures it rests on.
        equal: Comparisons at equal weight, all of which it needs.
        fair: Comparisons at equal strength and at each loss's best weight, with figures that do not depend on scale.
        judge: What decides it otherwise.
        compared: Comparisons of two losses that this needs, with intervals among those that hold at once.
    """

    says: str
    section: str
    published: str
    equal: tuple[Look, ...] = ()
    fair: tuple[Look, ...] = ()
    judge: Callable[[Findings, int], Judged] | None = field(default=None, compare=False)
    compared: int = 0

    def judged(self, findings: Findings, num_comparisons: int) -> Judged:
        """The verdict, and what it rests on."""
        if self.judge is not None:
            return self.judge(findings, num_comparisons)
        equal = [(look, look.difference(findings, num_comparisons)) for look in self.equal]
        fair = [(look, look.difference(findings, num_comparisons)) for look in self.fair]
        studies = dict.fromkeys(look.study for look, found in equal + fair if found is not None)
        settings = " ".join(findings.settings[study] for study in studies) or "–"
        ours = "\n".join(look.told(found) for look, found in equal + fair if found is not None) or "–"
        verdict, reason = _verdict(equal, fair)
        caveats = dict.fromkeys(caveat for study in studies if (caveat := findings.caveats[study]))
        reason = " ".join([reason, *caveats])
        return Judged(settings, ours, verdict, reason)


_Looked = list[tuple[Look, Difference | None]]


def _verdict(equal: _Looked, fair: _Looked) -> tuple[str, str]:
    stands = [look.stands(found) for look, found in equal]
    if "missing" in stands:
        return NOT_RUN, "Runs at equal weight are missing."
    if any(found is not None and found.n < FEWEST for _, found in equal):
        return UNDECIDED, f"Fewer than {FEWEST} seeds decide nothing."
    if all(each == "agrees" for each in stands):
        return _fair_verdict(fair)
    if all(each == "opposes" for each in stands):
        return NOT_SEEN, "The difference is there, the other way round."
    if "opposes" in stands:
        return NOT_SEEN, "In at least one of the comparisons the difference is the other way round."
    needed = [
        found.seeds_needed for (_, found), each in zip(equal, stands, strict=True) if each == "undecided" and found
    ]
    most = None if any(n is None for n in needed) else max(n for n in needed if n is not None)
    return UNDECIDED, f"An interval holds 0; seeds that would decide: {'more than 10,000' if most is None else most}."


_WORST_FIRST = ("opposes", "undecided", "missing", "agrees")


def _fair_verdict(fair: _Looked) -> tuple[str, str]:
    if not fair:
        return HOLDS, "Weights play no part."
    stands: dict[str, str] = {}
    for look, found in fair:
        stands[look.part] = min(look.stands(found), stands.get(look.part, "agrees"), key=_WORST_FIRST.index)
    known = {part: each for part, each in stands.items() if each != "missing"}
    if all(each == "agrees" for each in known.values()) and len(known) == len(stands):
        return HOLDS, f"At equal weight, and also fairly: {', '.join(known)}."
    against = [part for part, each in known.items() if each != "agrees"]
    if against:
        how = ", ".join(
            f"{part}: {'the other way round' if known[part] == 'opposes' else 'no difference found'}"
            for part in against
        )
        return EQUAL_ONLY, how + "."
    return EQUAL_ONLY, "The fair comparisons are not all run yet."


def told_mean(values: Sequence[float], digits: int) -> str:
    """The mean with half its t interval; of one seed the value alone."""
    summary = Summary.of(values)
    return "–" if summary is None else summary.text(digits)


def claims_grid(claims: Sequence[Claim], findings: Findings, name: str = "claims") -> Grid:
    """Every claim with its verdict.

    Args:
        claims: What is asserted.
        findings: Records of all studies.
        name: Of the grid.
    """
    count = sum(len(claim.equal) + len(claim.fair) + claim.compared for claim in claims)
    rows = []
    for claim in claims:
        judged = claim.judged(findings, count)
        rows.append(
            (claim.says, judged.verdict, judged.ours, claim.published, judged.reason, judged.settings, claim.section)
        )
    return Grid(
        name=name,
        title="Verdicts",
        caption=f"Differences are paired by seed; the intervals of all {count} comparisons hold at once with 95 % "
        f"(Student's t, Bonferroni). Fewer than {FEWEST} seeds decide nothing. Verdicts: {', '.join(VERDICTS)}.",
        headings=HEADINGS,
        rows=tuple(rows),
        lines=True,
    )
