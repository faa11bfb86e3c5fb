"""What the claims compare, which way round, and what stands beside the tables: told without training or drawing."""

import dataclasses

import pytest

from sigma2r.paper import page, pictures
from sigma2r.paper.claims import claims
from sigma2r.paper.extras import beside_table
from sigma2r.paper.gains import gains_grid, reading_grid
from sigma2r.paper.geometry import figure_1, figure_2, figure_3
from sigma2r.paper.studies import STUDIES
from sigma2r.report.figures import Picture
from sigma2r.report.tables import ACCURACY, RATIO, SPREAD, TAIL, TRAIN_RATIO, TRAIN_SPREAD, TRAIN_TAIL, make_table
from sigma2r.report.verdicts import Claim, Findings
from tests.report.conftest import make_record

UNFAIR = (SPREAD, TRAIN_SPREAD)  # a network lowers them by shrinking all its features
LOOKS = [look for claim in claims() for look in claim.all_looks]
CASES = [(claim, reading, case) for claim in claims() for reading, case in claim.cases.items()]


def test_accuracy_is_claimed_to_be_higher_and_all_else_lower():
    assert len(LOOKS) > 100
    assert [look for look in LOOKS if look.higher != (look.column is ACCURACY)] == []
    assert {look.column for look in LOOKS} == {ACCURACY, SPREAD, TRAIN_SPREAD, RATIO, TRAIN_RATIO, TAIL, TRAIN_TAIL}


def test_each_look_stands_in_the_part_that_its_place_in_the_case_says():
    for _, reading, case in CASES:
        end = {"std": "-std", "rms": "-rms"}.get(reading, "")
        assert {look.part for look in case.equal} == {"equal-weight"}
        assert {look.part for look in case.strength} <= {f"equal-strength{end}"}
        assert {look.part for look in case.best} <= {"best-weight"}


def test_fair_comparisons_are_of_fair_figures_and_of_the_reading():
    fair = [(reading, look) for _, reading, case in CASES for look in case.strength + case.best]
    assert [look for _, look in fair if look.column in UNFAIR] == []
    for reading, look in fair:
        spread = f"[spread={reading}]" if reading in ("std", "rms") else ""
        if look.part == "best-weight" and look.new.startswith("sigma2r"):
            assert look.new == f"sigma2r{spread}"
        elif look.part != "best-weight":
            assert (look.new, look.old) == (f"sigma2r@0.01{spread}", "center")


def test_a_claim_about_sigma2r_is_looked_at_in_every_reading_and_against_center_with_the_printed_sum_too():
    of_sigma2r = [claim for claim in claims() if claim.cases and "" not in claim.cases]
    assert len(of_sigma2r) == 12
    for claim in of_sigma2r:
        against = {look.old for case in claim.cases.values() for look in case.equal}
        center = any(old.startswith("center") for old in against)
        readings = ["distance-std", "std", "rms"] + ["distance-std, Eq. 1 as the printed sum"] * center
        assert list(claim.cases) == readings
        if center:
            last = claim.cases["distance-std, Eq. 1 as the printed sum"]
            assert "center@0.01[reduction=sum]" in {look.old for look in last.equal}
            assert "center@0.01" not in {look.old for look in last.equal}


def test_accuracy_is_looked_at_at_equal_and_at_best_weights_wherever_it_is_claimed():
    accurate = [(claim, case) for claim, _, case in CASES if any(look.column is ACCURACY for look in case.looks)]
    assert len({claim.says for claim, _ in accurate}) == 8
    for claim, case in accurate:
        compared = [
            {(look.new.split("@")[0], look.old.split("@")[0]) for look in looks} for looks in (case.equal, case.best)
        ]
        assert {old for _, old in compared[0]} == {old for _, old in compared[1]}, claim.says
        assert any("center" in look.old for look in case.equal if "sigma2r" in look.new) == bool(case.strength)


def claim(says: str) -> Claim:
    (found,) = (each for each in claims() if says in each.says)
    return found


@pytest.mark.parametrize(
    ("data", "study"), [("(FashionMNIST, train and test)", "table-1"), ("loss (CIFAR10).", "table-2")]
)
def test_spread_is_looked_at_on_training_and_on_test_images(data, study):
    found = claim(f"spread within classes below that of the center {data if data[0] != '(' else 'loss ' + data}")
    for case in found.cases.values():
        assert [look.column for look in case.equal] == [TRAIN_SPREAD, SPREAD]
        assert [look.column for look in case.strength + case.best] == [RATIO, RATIO]
    assert {look.study for look in found.all_looks} == {study}


def known_parts(study, scale):
    """The parts of a study whose records tell a gate and a best weight."""
    from tests.studies.test_tuning import record_of

    done = {}
    while missing := [run for run in study.runs(scale, done) if run.run_id not in done]:
        for run in missing:
            made = record_of(run, 0.9)
            history = ({**made.history[0], "gate": {"mean": 20.0, "low": 19.0, "high": 21.0}},)
            done[run.run_id] = dataclasses.replace(made, history=history)
    return {part.name: part for part in study.known_parts(scale, done)}, done


@pytest.mark.parametrize("scale", ["desk", "paper"])
def test_every_look_finds_its_losses_in_its_study(scale):
    names = {look.study for look in LOOKS}
    known = {name: known_parts(STUDIES[name], scale) for name in names}
    done = {run_id: record for _, of_study in known.values() for run_id, record in of_study.items()}
    findings = Findings(done, dict.fromkeys(names, scale), STUDIES)
    for look in LOOKS:
        for loss in (look.new, look.old):
            assert len(findings.row(look.study, look.part, loss)) == 10, (look, loss)


def test_the_comparisons_of_sensitivity_are_counted_with_the_others():
    assert len(claim("n = 7 and Z = 40").looks) == 4
    assert {look.old for look in claim("n = 7 and Z = 40").looks} == {"sigma2r@0.01"}


def test_published_ranges_are_the_least_and_greatest_gain():
    assert (
        claim("(FashionMNIST, train and test)").published
        == "gain 300.03 to 388.83 % (train), 286.70 to 417.45 % (test)"
    )
    assert claim("center loss (CIFAR10).").published == "gain 92.88 to 349.25 %"


# Spreads of ten classes by loss, other on training images than on test images.
NAMES = tuple(f"class {k}" for k in range(10))


def records():
    made = []
    for loss, scale in (("center@0.01", 4.0), ("sigma2r@0.01", 1.0), ("cross-entropy", 9.0)):
        for seed in range(2):
            record = make_record(loss, seed, names=NAMES, scale=scale, accuracy=0.5 + seed / 4 + scale / 100)
            train = {**record.final["train"], "intra": [2 * value for value in record.final["train"]["intra"]]}
            made.append(dataclasses.replace(record, final={**record.final, "train": train}))
    return made


def test_the_printed_cells_and_readings_stand_beside_the_part_at_equal_weight_alone():
    parts = {part.name: part for part in STUDIES["table-1"].parts("desk", {})}
    grids = {name: list(beside_table(1, readings=True, classes=True)(part, records())) for name, part in parts.items()}
    assert [grid.name for grid in grids["equal-weight"]] == [
        f"table-1-equal-weight-{end}" for end in ("paper", "readings", "classes-train", "classes-test")
    ]
    assert [grid.name for grid in grids["other-rate"]] == [
        f"table-1-other-rate-classes-{split}" for split in ("train", "test")
    ]
    train, test = ({row[0]: row[1:] for row in grid.rows} for grid in grids["equal-weight"][2:])
    assert train["class 2"] == ("24.000 ± 0.000", "6.000 ± 0.000", "54.000 ± 0.000")
    assert test["class 2"] == ("12.000 ± 0.000", "3.000 ± 0.000", "27.000 ± 0.000")
    assert [grid.name for grid in beside_table(3)(parts["equal-weight"], records())] == ["table-3-equal-weight-paper"]


def test_gains_and_ratios_follow_from_our_means():
    rows = {row[0]: row for row in gains_grid(1, make_table(records()), "g").rows}
    assert rows["train, class 3"][1:4] == ("32.0000 ± 0.0000", "8.0000 ± 0.0000", "300.00")
    assert rows["test, class 3"][1:4] == ("16.0000 ± 0.0000", "4.0000 ± 0.0000", "300.00")
    rows = {row[0]: row for row in gains_grid(3, make_table(records()), "g").rows}
    # Means are 63.5 and 66.5 per cent, the best 76 and 79.
    assert rows["avg, sigma2r@0.01 on center"][3] == f"{100 * (63.5 - 66.5) / 63.5:.2f}"
    assert rows["max, sigma2r@0.01 on center"][1:4] == ("76.00", "79.00", f"{100 * (76 - 79) / 76:.2f}")
    shown = {row[0]: row[1] for row in reading_grid(make_table(records()), "g").rows}
    assert shown["sigma2r@0.01, test"] == shown["sigma2r@0.01, train"] == "4.00 to 4.00"


@pytest.fixture
def undrawn(monkeypatch):
    """Figures that nobody draws: drawing takes seconds."""
    monkeypatch.setattr(pictures, "picture", lambda name, draw: Picture(name, "", "", b"", b"", b""))


def test_the_tables_of_figures_1_to_3_tell_what_was_computed(undrawn):
    (grid,) = pictures._figure_1(layout := figure_1()).grids
    for row, gates in zip(grid.rows, layout.gates, strict=True):
        answers = ["yes" if holds else "no" for holds in (gates.far_above_near, gates.isolated_above_accompanied)]
        told = [gates.reading, *(f"{beta:.2f}" for beta in gates.beta[:6]), *answers, f"{100 * gates.share:.0f}%"]
        assert list(row) == [*told, *(f"{excess:.3f}" for excess in gates.excess_of_outlier)]
    (grid,) = pictures._figure_2(surface := figure_2()).grids
    (middle,) = (row for row in grid.rows if row[0] == "1")
    assert middle[2] == "40.000"  # twice Z / 2, where spread is that of the inflection
    assert [float(row[1]) < 1 for row in grid.rows] == [float(surface.value[i, 0, 30]) < 2.0 for i in range(3)]
    (grid,) = pictures._figure_3(samples := figure_3()).grids
    assert grid.rows == tuple((f"{m:g}", f"{100 * share:.2f} %") for m, share in samples.within.items())


def test_verdicts_come_first_and_only_where_a_study_of_the_paper_is(undrawn):
    document = page.paper_document({}, {"table-1": "desk"})
    assert document.sections[0].title == "What the paper asserts, and what was found"
    assert [section.title.partition(":")[0] for section in document.sections[1:4]] == [
        "Figure 1",
        "Figure 2",
        "Figure 3",
    ]
    other = page.paper_document({}, {}, {})
    assert other.title == "sigma2r: studies"
    assert [section.title for section in other.sections] == ["What the figures mean"]
