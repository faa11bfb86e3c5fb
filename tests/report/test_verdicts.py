"""How a claim is judged, whatever it is a claim about."""

import dataclasses

import pytest

from sigma2r.report.paired import family_size
from sigma2r.report.tables import ACCURACY, RATIO
from sigma2r.report.verdicts import Case, Claim, Findings, Look, claims_compared
from tests.report.conftest import make_record


def of_study(study, rows):
    """Findings of one study alone, given records by part and loss."""
    findings = Findings({}, {}, {})
    findings._rows = {(study, part): losses for part, losses in rows.items()}
    findings.settings, findings.caveats = {study: "small"}, {study: None}
    return findings


def records_of(losses):
    """Records with these accuracies, one a seed, by loss."""
    return {loss: [make_record(loss, s, accuracy=v) for s, v in enumerate(values)] for loss, values in losses.items()}


LOOK = Look("a-study", "equal-weight", "sigma2r@0.01", "center@0.01", ACCURACY, higher=True)
STRENGTH = dataclasses.replace(LOOK, part="equal-strength", old="center")
BEST = dataclasses.replace(LOOK, part="best-weight", new="sigma2r", old="center")

HIGH, LOW = [0.90, 0.91, 0.92, 0.90, 0.91], [0.80, 0.82, 0.81, 0.81, 0.80]
MIXED = [0.80, 0.99, 0.85, 0.97, 0.89]
FOR, AGAINST, OPEN = (HIGH, LOW), (LOW, HIGH), (MIXED, HIGH)


def verdict_of(equal, strength=None, best=None, seeds=5, reading=""):
    """The verdict on "sigma2R is more accurate than the center loss", given accuracies of both in each comparison."""
    rows = {}
    for part, values, names in (
        ("equal-weight", equal, ("sigma2r@0.01", "center@0.01")),
        ("equal-strength", strength, ("sigma2r@0.01", "center@0.4")),
        ("best-weight", best, ("sigma2r@0.003", "center@0.1")),
    ):
        if values is not None:
            rows[part] = records_of({n: v[:seeds] for n, v in zip(names, values, strict=True) if v})
    case = Case((LOOK,), (STRENGTH,) if strength is not None else (), (BEST,) if best is not None else ())
    return Claim("", "", "", {reading: case}).judged(of_study("a-study", rows), 3)


@pytest.mark.parametrize(
    ("equal", "strength", "best", "verdict", "reason"),
    [
        (FOR, None, None, "holds", "Weights play no part."),
        (
            FOR,
            FOR,
            FOR,
            "holds",
            "At equal weight as claimed; at equal strength as claimed; at its best weight as claimed.",
        ),
        (FOR, FOR, OPEN, "holds at equal weight only", "at its best weight no difference is found"),
        (FOR, OPEN, FOR, "holds at equal weight only", "at equal strength no difference is found"),
        (FOR, AGAINST, None, "holds at equal weight only", "at equal strength the other way round"),
        (FOR, FOR, ([], []), "not run yet", "at its best weight not run yet"),
        (FOR, OPEN, ([], []), "holds at equal weight only", "at its best weight not run yet"),
        (AGAINST, AGAINST, FOR, "not at equal weight; holds at its best weight", "At equal weight the other way round"),
        (OPEN, None, FOR, "not at equal weight; holds at its best weight", "at its best weight as claimed"),
        (AGAINST, FOR, OPEN, "not at equal weight; undecided at its best weight", "at equal strength as claimed"),
        (AGAINST, FOR, AGAINST, "not seen", "at its best weight the other way round"),
        (AGAINST, FOR, None, "not seen", "At equal weight the other way round"),
        (OPEN, None, AGAINST, "not seen", "at its best weight the other way round"),
        (OPEN, FOR, OPEN, "undecided", "seeds that would decide: "),
        (([], HIGH), FOR, FOR, "not run yet", "Runs at equal weight are missing."),
    ],
)
def test_a_verdict_follows_from_the_intervals(equal, strength, best, verdict, reason):
    judged = verdict_of(equal, strength, best)
    assert judged.verdict == verdict
    assert reason in judged.reason
    if verdict != "not run yet":
        assert " of 5" in judged.ours
        assert judged.settings == "small"


def test_fewer_than_five_seeds_decide_nothing():
    judged = verdict_of(FOR, FOR, FOR, seeds=4)
    assert (judged.verdict, judged.reason) == ("undecided", "Fewer than 5 seeds decide nothing.")


def test_the_signs_stand_beside_the_interval():
    told = verdict_of((MIXED, HIGH)).ours
    assert told.startswith("equal-weight: sigma2r@0.01 less center@0.01, accuracy: -0.0080 (")
    assert told.endswith("higher in 2 of 5")


def test_a_part_speaks_for_a_claim_only_if_all_its_comparisons_do():
    def judged(first, second):
        rows = {
            "equal-weight": records_of({"sigma2r@0.01": HIGH, "center@0.01": LOW}),
            "best-weight": records_of({"sigma2r@0.01": HIGH, "center@0.01": first, "cross-entropy": second}),
        }
        best = (BEST, dataclasses.replace(BEST, old="cross-entropy"))
        return Claim("", "", "", {"": Case((LOOK,), (), best)}).judged(of_study("a-study", rows), 3).verdict

    assert judged(LOW, LOW) == "holds"
    assert judged(HIGH, LOW) == judged(LOW, HIGH) == "holds at equal weight only"


def test_readings_that_differ_are_told_one_by_one():
    rows = {
        "equal-weight": records_of({"sigma2r@0.01": HIGH, "sigma2r@0.01[spread=rms]": LOW, "center@0.01": [0.85] * 5}),
    }

    def judged(*readings):
        cases = {r: Case((dataclasses.replace(LOOK, new=new),)) for r, new in readings}
        return Claim("", "", "", cases).judged(of_study("a-study", rows), 2)

    plain, rms = ("plain", "sigma2r@0.01"), ("rms", "sigma2r@0.01[spread=rms]")
    both = judged(plain, rms)
    assert (both.verdict, both.by_reading) == ("depends on the reading", "plain: holds\nrms: not seen")
    assert both.reason == "plain: Weights play no part. rms: At equal weight the other way round."
    assert judged(plain).verdict == judged(plain, ("again", "sigma2r@0.01")).verdict == "holds"
    missing = judged(plain, ("std", "sigma2r@0.01[spread=std]"))
    assert (missing.verdict, missing.by_reading) == ("holds", "plain: holds\nstd: not run yet")


@pytest.mark.parametrize(
    ("gains", "against"),
    [((0.004, 0.002, 0.001), False), ((0.004, -0.002, 0.001), True), ((-0.004, -0.002, 0.001), True)],
)
def test_a_claim_of_three_comparisons_needs_the_most_seeds_to_stand_and_the_fewest_to_fall(gains, against):
    wobble = (-0.02, 0.01, 0.0, -0.01, 0.02)
    old = {f"git@{k + 1}": [0.8 - gain + 0.9 * w for w in wobble] for k, gain in enumerate(gains)}
    rows = {"equal-weight": records_of({"sigma2r@0.01": [0.8] * 5, **old})}
    looks = tuple(dataclasses.replace(LOOK, old=name) for name in old)
    findings = of_study("a-study", rows)
    judged = Claim("", "", "", {"": Case(looks)}).judged(findings, 3)
    needed = [look.difference(findings, 3).seeds_needed for look in looks]
    assert len(set(needed)) == 3
    leaning = [n for n, gain in zip(needed, gains, strict=True) if gain < 0]
    expected = min(leaning) if against else max(needed)
    assert judged.reason == f"At equal weight no difference is found; seeds that would decide: {expected:,}."


def test_accuracy_where_a_caveat_stands_is_not_testable_and_all_is_told_all_the_same():
    rows = {"equal-weight": records_of({"sigma2r@0.01": HIGH, "center@0.01": LOW})}
    findings = of_study("a-study", rows)
    assert Claim("", "", "", {"": Case((LOOK,))}).judged(findings, 1).reason == "Weights play no part."
    findings.caveats = {"a-study": "Small images."}
    judged = Claim("", "", "", {"distances": Case((LOOK,))}).judged(findings, 1)
    assert judged.verdict == "not testable at this scale"
    assert judged.by_reading == "distances: holds"
    assert judged.reason == "Weights play no part. Small images."
    compact = dataclasses.replace(LOOK, column=RATIO, higher=False)
    assert Claim("", "", "", {"": Case((compact,))}).judged(findings, 1).verdict != "not testable at this scale"
    assert (
        Claim("", "", "", {"": Case((dataclasses.replace(LOOK, old="git"),))}).judged(findings, 1).verdict
        == "not run yet"
    )


def test_a_comparison_that_two_claims_or_tables_make_is_counted_once():
    rows = {"equal-weight": records_of({"sigma2r@0.01": HIGH, "center@0.01": LOW, "git@1": MIXED})}
    findings = of_study("a-study", rows)
    turned = dataclasses.replace(LOOK, new=LOOK.old, old=LOOK.new)
    looks = (LOOK, turned, dataclasses.replace(LOOK, column=RATIO), dataclasses.replace(LOOK, old="git@1"))
    several = list(claims_compared([Claim("", "", "", {"": Case(looks)})], findings))
    assert (len(several), family_size(several)) == (4, 3)
