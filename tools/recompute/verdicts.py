"""Verdicts of claims that are comparisons of two losses: at equal weight, at equal strength, at best weights."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools.recompute.cells import DASH, Cell, Expected, Words, joined
from tools.recompute.claims import Claim, Question, Reading
from tools.recompute.evidence import Evidence
from tools.recompute.rows import ACCURACY, Comparison, difference_told
from tools.recompute.studies import STUDIES
from tools.recompute.sums import FEWEST, MOST, Paired

HOLDS, NOT_SEEN, UNDECIDED, NOT_RUN = "holds", "not seen", "undecided", "not run yet"
DEPENDS, NOT_TESTABLE = "depends on the reading", "not testable at this scale"
EQUAL_ONLY = "holds at equal weight only"
BEST_ONLY = "not at equal weight; holds at its best weight"
BEST_OPEN = "not at equal weight; undecided at its best weight"
FEW_DECIDE = f"Fewer than {FEWEST} seeds decide nothing."

_STAND_IN = "LeNet and a short training stand in for ResNet18 and hundreds of epochs (--scale paper)."


@dataclass(frozen=True)
class Judgement:
    """What a row of verdicts says of a claim.

    Args:
        verdict: One word or several.
        by_reading: The same for each reading, a line each.
        ours: The figures that it rests on.
        reason: Why.
        settings: Of the runs that it rests on.
    """

    verdict: Expected
    by_reading: Expected
    ours: Expected
    reason: Expected
    settings: Expected


# How several comparisons stand that are all needed: as the first of these that one of them is.
_WORST_FIRST = ("missing", "few", "opposes", "undecided", "agrees")
_TOLD = {
    "missing": "not run yet",
    "few": "too few seeds",
    "opposes": "the other way round",
    "undecided": "no difference is found",
    "agrees": "as claimed",
}

_Sums = Mapping[Question, Paired]


def stands(question: Question, found: Paired | None) -> str:
    """How a comparison stands to what is claimed."""
    if found is None:
        return "missing"
    if found.n < FEWEST:
        return "few"
    if found.side == "undecided":
        return "undecided"
    return "agrees" if (found.side == "higher") is question.above else "opposes"


def told(question: Question, comparison: Comparison, found: Paired) -> Cell:
    """A comparison with its interval and its signs."""
    _, _, _, _, middle, interval, higher, *_ = difference_told(comparison, found)
    what = f"{question.part}: {question.new} less {question.old}, {question.figure.title}: "
    return (what, *middle, " (", *interval, "), higher in ", *higher)


def judged(claim: Claim, evidence: Evidence) -> Judgement:
    """The verdict on a claim, each reading by itself."""
    asked = dict.fromkeys(claim.questions)
    answers = {question: found for question in asked if (found := evidence.answer(question)) is not None}
    sums = {question: found.sum(evidence.family) for question, found in answers.items()}
    each = {name: _of_reading(reading, sums) for name, reading in claim.readings.items()}
    studies = list(dict.fromkeys(question.study for question in answers))
    verdict = _of_all([word for word, _ in each.values()])
    caveats = [_STAND_IN] if any(STUDIES[study].stands_in for study in studies) else []
    if caveats and verdict != NOT_RUN and any(question.figure == ACCURACY for question in answers):
        verdict = NOT_TESTABLE
    lines = [told(question, found, sums[question]) for question, found in answers.items()]
    return Judgement(
        verdict=(verdict,),
        by_reading=("\n".join(f"{name}: {word}" for name, (word, _) in each.items() if name),),
        ours=joined(dict.fromkeys(lines), "\n") or (DASH,),
        reason=(" ".join([_reasons({name: reason for name, (_, reason) in each.items()}), *caveats]),),
        settings=settings_of(studies),
    )


def _of_all(words: Sequence[str]) -> str:
    """One word where all readings that were run agree."""
    run = {word for word in words if word != NOT_RUN}
    return DEPENDS if len(run) > 1 else next(iter(run), NOT_RUN)


def _reasons(reasons: Mapping[str, str]) -> str:
    if len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return " ".join(f"{name}: {reason}" for name, reason in reasons.items())


def _of_reading(reading: Reading, sums: _Sums) -> tuple[str, str]:
    """Verdict and reason."""
    equal, strength, best = (_worst(questions, sums) for questions in (reading.equal, reading.strength, reading.best))
    if equal == "missing":
        return NOT_RUN, "Runs at equal weight are missing."
    if equal == "few":
        return UNDECIDED, FEW_DECIDE
    if equal == "agrees" and not strength and not best:
        return HOLDS, "Weights play no part."
    looked = {"equal weight": equal, "equal strength": strength, "its best weight": best}
    clauses = [f"at {where} {_TOLD[how]}" for where, how in looked.items() if how]
    if equal == "undecided":
        clauses.append(f"seeds that would decide: {_seeds(reading.equal, sums)}")
    sentence = "; ".join(clauses)
    return _word(equal, strength, best), f"{sentence[0].upper()}{sentence[1:]}."


def _worst(questions: Iterable[Question], sums: _Sums) -> str:
    found = {stands(question, sums.get(question)) for question in questions}
    return next((how for how in _WORST_FIRST if how in found), "")


def _word(equal: str, strength: str, best: str) -> str:
    """What is claimed at equal weight is only that weight's doing unless every fair comparison agrees."""
    if equal == "agrees":
        others = {strength, best} - {"agrees", ""}
        if others == {"missing"}:
            return NOT_RUN
        return EQUAL_ONLY if others else HOLDS
    if best == "agrees":
        return BEST_ONLY
    if equal == "opposes":
        return BEST_OPEN if best in ("undecided", "few") else NOT_SEEN
    return NOT_SEEN if best == "opposes" else UNDECIDED


def _seeds(questions: Sequence[Question], sums: _Sums) -> str:
    """Seeds that decide a claim which needs all of these: the first that leans against it, or the last for it."""
    undecided = {question: sums[question] for question in questions if sums[question].side == "undecided"}
    against = [found.needed for question, found in undecided.items() if (found.mean > 0) is not question.above]
    needed = [MOST + 1 if n is None else n for n in against or [found.needed for found in undecided.values()]]
    most = min(needed) if against else max(needed)
    return f"more than {MOST:,}" if most > MOST else f"{most:,}"


def settings_of(studies: Sequence[str]) -> Expected:
    """Words on how studies were trained, held to their epochs and seeds; a dash for none."""
    if not studies:
        return (DASH,)
    epochs, seeds = _known(studies)

    def fits(text: str) -> bool:
        ours = text.partition("The paper")[0]
        told = " ".join(re.findall(r"((?:\d+(?:, | and ))*\d+) epochs", ours))  # also "for 10, 20 and 30 epochs"
        named = set(map(int, re.findall(r"\d+", told)))
        counted = {int(n) for n in re.findall(r"(\d+) seeds?\b", ours)}
        return named == epochs and counted == seeds

    numbers = (", ".join(map(str, sorted(each))) for each in (epochs, seeds))
    return Words("epochs {}; seeds {}".format(*numbers), fits)


def _known(studies: Sequence[str]) -> tuple[set[int], set[int]]:
    epochs, seeds = set(), set()
    for name in studies:
        study = STUDIES[name]
        if study.equal:
            epochs.add(study.setting["epochs"])
            seeds.add(10)
        for part in study.rest:
            epochs |= {setting["epochs"] for setting, _ in part.wanted}
            seeds.add(len(part.seeds))
    return epochs, seeds
