"""How a claim is judged, whatever it is a claim about."""

import dataclasses

import pytest

from sigma2r.report.tables import ACCURACY
from sigma2r.report.verdicts import Claim, Findings, Look
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


def verdict_of(equal, fair=(), seeds=5):
    """The verdict on "sigma2R is more accurate than the center loss", given accuracies by part and loss."""
    rows = {
        part: records_of({loss: values[:seeds] for loss, values in dict(losses).items()})
        for part, losses in (("equal-weight", equal), ("equal-strength", fair))
    }
    look = Look("a-study", "equal-weight", "sigma2r@0.01", "center@0.01", ACCURACY, higher=True)
    fair_look = dataclasses.replace(look, part="equal-strength", old="center@0.4")
    return Claim("", "", "", (look,), (fair_look,) if fair != () else ()).judged(of_study("a-study", rows), 2)


HIGH, LOW = [0.90, 0.91, 0.92, 0.90, 0.91], [0.80, 0.82, 0.81, 0.81, 0.80]
MIXED = [0.80, 0.99, 0.85, 0.97, 0.89]


@pytest.mark.parametrize(
    ("equal", "fair", "seeds", "verdict", "reason"),
    [
        ((HIGH, LOW), None, 5, "holds", "Weights play no part"),
        ((HIGH, LOW), (HIGH, LOW), 5, "holds", "also fairly: equal-strength"),
        ((HIGH, LOW), (HIGH, HIGH), 5, "holds at equal weight only", "equal-strength: no difference found"),
        ((HIGH, LOW), (LOW, HIGH), 5, "holds at equal weight only", "the other way round"),
        ((LOW, HIGH), (HIGH, LOW), 5, "not seen", "the other way round"),
        ((MIXED, HIGH), (HIGH, LOW), 5, "undecided", "seeds that would decide"),
        ((HIGH, LOW), None, 4, "undecided", "Fewer than 5 seeds"),
        ((HIGH, []), None, 5, "not run yet", "missing"),
    ],
)
def test_a_verdict_follows_from_the_intervals(equal, fair, seeds, verdict, reason):
    def named(values, old):
        return {} if values is None else {"sigma2r@0.01": values[0], old: values[1]}

    judged = verdict_of(named(equal, "center@0.01"), () if fair is None else named(fair, "center@0.4"), seeds)
    assert judged.verdict == verdict
    assert reason in judged.reason
    if verdict != "not run yet":
        assert f"n = {seeds}" in judged.ours
        assert judged.settings == "small"


def test_a_part_speaks_for_a_claim_only_if_all_its_comparisons_do():
    def judged(first, second):
        rows = {
            "equal-weight": records_of({"sigma2r@0.01": HIGH, "center@0.01": LOW}),
            "matched": records_of({"sigma2r@0.01": HIGH, "center@0.01": first, "cross-entropy": second}),
        }
        look = Look("a-study", "equal-weight", "sigma2r@0.01", "center@0.01", ACCURACY, higher=True)
        fair = tuple(dataclasses.replace(look, part="matched", old=old) for old in ("center@0.01", "cross-entropy"))
        return Claim("", "", "", (look,), fair).judged(of_study("a-study", rows), 3).verdict

    assert judged(LOW, LOW) == "holds"
    assert judged(HIGH, LOW) == judged(LOW, HIGH) == "holds at equal weight only"


def test_a_caveat_of_the_scale_stands_behind_every_reason():
    rows = {"equal-weight": records_of({"sigma2r@0.01": HIGH, "center@0.01": LOW})}
    look = Look("a-study", "equal-weight", "sigma2r@0.01", "center@0.01", ACCURACY, higher=True)
    findings = of_study("a-study", rows)
    assert Claim("", "", "", (look,)).judged(findings, 1).reason == "Weights play no part."
    findings.caveats = {"a-study": "Small images."}
    assert Claim("", "", "", (look,)).judged(findings, 1).reason == "Weights play no part. Small images."
