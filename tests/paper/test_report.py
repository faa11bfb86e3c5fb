"""Reports of studies: our cells beside the printed ones, verdicts, and what is not run yet."""

import dataclasses
import json
from pathlib import Path
from statistics import fmean

import pytest

from sigma2r.paper.claims import claims
from sigma2r.paper.gains import gains_grid, reading_grid
from sigma2r.paper.page import paper_document
from sigma2r.paper.pictures import geometry_sections
from sigma2r.paper.published import comparisons
from sigma2r.paper.studies import STUDIES
from sigma2r.report.document import Document
from sigma2r.report.folder import folder_document, read_studies
from sigma2r.report.study import study_sections
from sigma2r.report.tables import make_table
from sigma2r.report.verdicts import HEADINGS, VERDICTS, Claim, Findings, claims_grid
from sigma2r.studies.record import Record
from tests.report.conftest import for_run, make_record
from tests.report.test_odd_records import without_spread
from tests.report.test_verdicts import of_study

NAMES = tuple(f"class {k}" for k in range(10))
ACCURACIES = {
    "cross-entropy": [0.50, 0.51, 0.52, 0.50, 0.51],
    "center@0.01": [0.60, 0.62, 0.61, 0.60, 0.62],
    "sigma2r@0.01": [0.70, 0.71, 0.73, 0.70, 0.72],
    "center@0.4": [0.70, 0.72, 0.72, 0.71, 0.71],
    "soft-nearest-neighbor@0.01": [0.55, 0.56, 0.57, 0.55, 0.56],
}
SPREADS = {"sigma2r@0.01": 0.5, "center@0.4": 0.55, "center@0.01": 2.0, "cross-entropy": 20.0}


def record_of(run, **changes) -> Record:
    """A record of a study's run, its figures by its loss and seed."""
    loss = run.loss_name if run.loss_name in ACCURACIES else "center@0.4"
    accuracy = ACCURACIES[loss][run.init_seed % 5]
    made = make_record(
        "cross-entropy", names=NAMES, accuracy=accuracy, scale=SPREADS.get(loss, 1.0) + run.init_seed / 99
    )
    validation = {"validation": {**made.final["test"], "accuracy": 0.5 + run.loss_weight}}
    final = {**made.final, **(validation if run.validation_fraction > 0 else {})}
    history = made.history
    if run.loss == "sigma2r":
        curve = [0.0, -4.0, -5.0, -6.0]
        gate = {"mean": 20.0, "low": 18.0, "high": 22.0, "slope": 0.5}
        history = tuple({**history[-1], "epoch": e + 1, "growth": [w] * 10, "growth_rate": [1.0] * 10, "gate": gate}
                        for e, w in enumerate(curve))  # fmt: skip
    return dataclasses.replace(made, run=run, final=final, history=history, plane=None, **changes)


def all_done(*names):
    done: dict[str, Record] = {}
    for name in names:
        while missing := [r for r in STUDIES[name].runs("desk", done) if r.run_id not in done]:
            done |= {run.run_id: record_of(run) for run in missing}
    return done


def test_every_part_of_every_study_has_a_section_once_it_is_run():
    done = all_done(*STUDIES)
    document = paper_document(done, dict.fromkeys(STUDIES, "desk"))
    titles = [section.title for section in document.sections]
    for study in STUDIES.values():
        for part in study.parts("desk", done):
            assert f"{study.title}: {part.title}" in titles
    assert [t for t in titles if t.startswith("Figure")] == [
        "Figure 1: weights around a center", "Figure 2: the loss surface", "Figure 3: Fuzzy-RGB",
    ]  # fmt: skip
    verdicts = [row[HEADINGS.index("verdict")] for row in next(document.grids()).rows]
    assert set(verdicts) <= set(VERDICTS)
    assert "not run yet" not in verdicts
    for study in STUDIES:
        assert any(f"sigma2r reproduce {study} --scale desk" == section.code for section in document.sections)


def test_the_settings_that_are_less_than_the_papers_stand_beside_every_verdict():
    done = all_done("table-3")
    rows = claims_grid(claims(), Findings(done, {"table-3": "desk"}, STUDIES), 300).rows
    (row,) = (r for r in rows if r[0].endswith("more accurate than cross-entropy on CIFAR10."))
    assert "LeNet" in row[HEADINGS.index("settings")]
    assert "50,000 images, 300 epochs" in row[HEADINGS.index("settings")]


def first_part(study):
    """The runs at equal weight."""
    return next(iter(STUDIES[study].parts("desk", {}))).runs


def claim(says: str) -> Claim:
    (found,) = (each for each in claims() if each.says.startswith(says))
    return found


@pytest.mark.parametrize(
    ("gain", "wobble", "seeds", "verdict"),
    [
        (-0.01, 0.001, 5, "holds"),
        (0.001, 0.0005, 5, "holds"),
        (0.02, 0.001, 5, "not seen"),
        (0.001, 0.02, 5, "undecided"),
        (0.02, 0.001, 4, "undecided"),
    ],
)
def test_settings_will_do_if_no_other_gains_half_a_point(gain, wobble, seeds, verdict):
    def records(loss, gain):
        wobbles = [wobble * (s % 3 - 1) if gain else 0.0 for s in range(seeds)]
        return [make_record(loss, s, accuracy=0.85 + gain + wobbles[s]) for s in range(seeds)]

    rows = {}
    for part, values in (
        ("neighbors", ("neighbors=3", "neighbors=15")),
        ("ceiling", ("ceiling=10.0", "ceiling=100.0")),
    ):
        rows[part] = {"sigma2r@0.01": records("sigma2r@0.01", 0.0)}
        rows[part] |= {f"sigma2r@0.01[{v}]": records("sigma2r@0.01", gain if v == "ceiling=10.0" else -0.01)
                       for v in values}  # fmt: skip
    chosen = claim("n = 7 and Z = 40")
    judged = chosen.judged(of_study("sensitivity", rows), 40)
    assert judged.verdict == verdict
    assert judged.ours.count(f" of {seeds}") == len(chosen.looks) == 4
    rows["ceiling"].popitem()
    assert chosen.judged(of_study("sensitivity", rows), 40).verdict == "not run yet"


@pytest.mark.parametrize(("seeds", "verdict"), [(5, "holds"), (4, "undecided")])
def test_growth_is_judged_over_five_seeds_and_told_with_intervals(seeds, verdict):
    records = [make_record("sigma2r@0.01", seed) for seed in range(seeds)]
    judged = claim("Growth falls during").judged(of_study("figure-5", {"cifar10": {"sigma2r@0.01": records}}), 40)
    assert judged.verdict == verdict
    told = f"from 0 at the start to -3.00 ± 0.00 at the end, n = {seeds}"
    assert judged.ours == f"cifar10, distance-std: {told}"


def test_no_mean_stands_without_its_interval_but_that_of_one_seed():
    done = all_done(*STUDIES)
    rows = claims_grid(claims(), Findings(done, dict.fromkeys(STUDIES, "desk"), STUDIES), 300).rows
    told = [line for row in rows for line in row[HEADINGS.index("ours")].splitlines() if "n = " in line]
    told += [line for row in rows for line in row[HEADINGS.index("ours")].splitlines() if "higher in" in line]
    assert len(told) > 100
    assert [line for line in told if "±" not in line and " to " not in line and "n = 1" not in line] == []


def test_our_cells_stand_beside_the_printed_ones_with_the_tables_own_gain():
    runs = first_part("table-1")
    table = make_table([record_of(run) for run in runs])
    grid = gains_grid(1, table, "g")
    assert len(grid.rows) == 20
    printed = [c for c in comparisons() if c.new.table == 1]
    for row, comparison in zip(grid.rows, printed, strict=True):
        assert row[0] == comparison.new.row
        assert row[-3:] == (comparison.new.printed, comparison.old.printed, comparison.gain.printed)
    cells = dict(zip(grid.headings, grid.rows[0], strict=True))
    spread = {loss: fmean(scale + s / 99 for s in range(10)) for loss, scale in SPREADS.items()}
    spread["other"] = spread["center@0.4"]  # which record_of takes for losses that it does not know
    old = spread["center@0.01"]
    for reading, new in (("distance-std", spread["sigma2r@0.01"]), ("std", spread["other"]), ("rms", spread["other"])):
        assert float(cells[reading].split()[0]) == pytest.approx(new, abs=1e-4)
        assert float(cells[f"gain, {reading}"]) == pytest.approx(100 * (old - new) / new, abs=0.01)
    summed, new = spread["other"], spread["sigma2r@0.01"]
    assert float(cells["center, sum"].split()[0]) == pytest.approx(summed, abs=1e-4)
    assert float(cells["gain on the sum"]) == pytest.approx(100 * (summed - new) / new, abs=0.01)


def test_what_a_record_lacks_is_a_dash_beside_the_printed_cells():
    runs = first_part("table-1")
    table = make_table([without_spread(record_of(run)) for run in runs if run.loss_weight == 0.01])
    assert {row[1:-3] for row in gains_grid(1, table, "g").rows} == {("–",) * 9}
    assert {row[1] for row in reading_grid(table, "g").rows if not row[0].startswith("paper")} == {"–"}


def test_accuracies_are_compared_as_tables_3_and_4_do_on_average_and_at_best():
    grid = gains_grid(3, make_table([record_of(run) for run in first_part("table-3")]), "g")
    rows = {row[0]: row for row in grid.rows}
    mean = {loss: 100 * fmean(values) for loss, values in ACCURACIES.items()}
    average = rows["avg, sigma2r@0.01 on cross-entropy"]
    assert float(average[3]) == pytest.approx(
        100 * (mean["sigma2r@0.01"] - mean["cross-entropy"]) / mean["sigma2r@0.01"], abs=0.006
    )
    best = rows["max, sigma2r@0.01 on center@0.01" if "max, sigma2r@0.01 on center@0.01" in rows else
                "max, sigma2r@0.01 on center"]  # fmt: skip
    assert (best[1], best[2]) == ("73.00", "62.00")
    hidden = [row for title, row in rows.items() if "layers=" in title]
    assert len(hidden) == 2


def test_compactness_is_told_for_every_reading_beside_the_papers():
    runs = first_part("table-1")
    grid = reading_grid(make_table([record_of(run) for run in runs if run.loss_weight == 0.01]), "g")
    names = [row[0] for row in grid.rows]
    assert "sigma2r@0.01[spread=std], train" in names
    assert "sigma2r@0.01[spread=rms], test" in names
    shown = {row[0]: row[1] for row in grid.rows}
    assert shown["paper, test"] == "3.87 to 5.17"
    center, sigma2r = (fmean(SPREADS[loss] + s / 99 for s in range(10)) for loss in ("center@0.01", "sigma2r@0.01"))
    assert shown["sigma2r@0.01, test"] == f"{center / sigma2r:.2f} to {center / sigma2r:.2f}"


def test_a_study_that_is_not_finished_says_what_is_missing():
    study = STUDIES["fashion-mnist-accuracy"]
    runs = study.runs("desk", {})
    done = {run.run_id: record_of(run) for run in runs[:7]}
    (section,) = study_sections(study, "desk", done, 9)
    assert "63 of 70 runs are not done yet." in section.paragraphs
    gone = {runs[0].run_id: dataclasses.replace(record_of(runs[0]), diverged="in epoch 2", final={}, history=())}
    (section,) = study_sections(study, "desk", gone, 9)
    assert any("diverged: in epoch 2" in text for text in section.paragraphs)
    assert list(study_sections(study, "desk", {}, 9)) == []


def test_nothing_is_claimed_where_nothing_was_run():
    rows = claims_grid(claims(), Findings({}, {}, STUDIES), 1).rows
    computed = [row for row in rows if row[HEADINGS.index("verdict")] != "not run yet"]
    assert len(computed) == 3  # figures that need no training
    assert len(rows) >= 20


def write(folder: Path, study: str, records) -> None:
    for record in records:
        record.write(folder / study / f"{record.run_id}.json")
    (folder / study / "study.json").write_text(json.dumps({"study": study, "scale": "desk"}))


def test_a_folder_of_studies_of_a_study_and_of_records_each_has_its_report(tmp_path):
    records = [for_run(record_of(run), run) for run in STUDIES["fashion-mnist-accuracy"].runs("desk", {})]
    write(tmp_path, "fashion-mnist-accuracy", records)
    done, scales, _ = read_studies(tmp_path, STUDIES)
    assert set(done) == {record.run_id for record in records}
    assert scales == {"fashion-mnist-accuracy": "desk"}
    assert folder_document(tmp_path, STUDIES, paper_document).title == "sigma2r: the paper, run again"
    assert (
        folder_document(tmp_path / "fashion-mnist-accuracy", STUDIES, paper_document).title
        == "sigma2r: Accuracy on FashionMNIST"
    )
    (tmp_path / "fashion-mnist-accuracy/study.json").unlink()
    assert (
        folder_document(tmp_path / "fashion-mnist-accuracy", STUDIES, paper_document).title
        == "sigma2r: a comparison of losses"
    )


def test_figures_without_training_are_the_same_each_time_and_say_what_they_show():
    first, second = geometry_sections(), geometry_sections()
    assert first == second
    for picture in Document(title="t", sections=first).pictures():
        assert len(picture.alt) > 60
        assert "nan" not in picture.alt.lower()
        assert picture.png.startswith(b"\x89PNG")
