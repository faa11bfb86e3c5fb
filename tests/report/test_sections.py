"""The report of a study and of a folder: what stands where, from records made by hand; no figure is drawn."""

import dataclasses
import json
import re

import pytest

from sigma2r.report import page
from sigma2r.report.folder import folder_document, print_folder, read_studies
from sigma2r.report.grid import Grid
from sigma2r.report.study import study_document, study_sections
from sigma2r.report.terminal import print_study, print_table
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part, Study
from tests.report.conftest import for_run, make_record

LOSSES = ("cross-entropy", "center@0.1", "sigma2r@0.1")
RUNS = tuple(Run(loss=loss, init_seed=seed, epochs=2) for loss in LOSSES for seed in range(5))
TRIALS = tuple(
    Run(loss=f"center@{weight}", epochs=1, validation_fraction=0.1, init_seed=seed)
    for weight in (0.1, 0.2)
    for seed in range(2)
)


def parts(scale, done):
    yield Part(name="main", title="Main", text="All of them.", runs=RUNS, baseline="center@0.1")
    yield Part(
        name="tuning", title="Trials", text="Which weight.", runs=TRIALS, trials=True, remarks={"center@0.2": "chosen"}
    )


STUDY = Study(name="mine", title="Mine", source="A source", parts=parts, settings={"short": "Little."}, figures=())


def record_of(run, **changes):
    made = make_record("cross-entropy", accuracy=0.5 + run.loss_weight + run.init_seed / 100)
    spread = {"intra": [7.0] * 3, "intra_mean": 7.0, "intra_inter": 0.7}
    validation = {**made.final["test"], **spread, "accuracy": 0.125 + run.loss_weight + run.init_seed / 100}
    return dataclasses.replace(for_run(made, run, validation), **changes)


DONE = {run.run_id: record_of(run) for run in (*RUNS, *TRIALS)}


def test_a_part_shows_results_statistics_and_differences_from_its_baseline():
    main, tuning = study_sections(STUDY, "short", DONE, 8)
    assert (main.title, tuning.title) == ("Mine: Main", "Mine: Trials")
    results, statistics, differences = main.grids
    assert [row[:2] for row in results.rows] == [(loss, "5") for loss in LOSSES]
    assert {row[1] for row in statistics.rows} == {"accuracy", "I, test", "intra/inter", "tail 99 %", "tail max"}
    assert differences.title == "Differences from center@0.1"
    assert {row[1] for row in differences.rows} == {"center@0.1"}
    assert main.paragraphs == ("All of them.",)
    assert (main.code, tuning.code) == (None, "sigma2r reproduce mine --scale short")


def test_trials_are_told_by_the_images_that_were_set_aside():
    _, tuning = study_sections(STUDY, "short", DONE, 8)
    (trials,) = tuning.grids
    assert trials.headings == ("loss", "n", "accuracy", "I", "intra/inter", "")
    # Two seeds: the quantile of Student's t for 97.5 % and one degree of freedom is 12.7062.
    assert trials.rows == (
        ("center@0.1", "2", "0.2300 ± 0.0635", "7.000 ± 0.000", "0.700 ± 0.000", ""),
        ("center@0.2", "2", "0.3300 ± 0.0635", "7.000 ± 0.000", "0.700 ± 0.000", "chosen"),
    )


def test_runs_that_are_missing_or_diverged_are_told_and_stand_in_no_table():
    done = dict(DONE)
    del done[RUNS[3].run_id]
    done[RUNS[4].run_id] = record_of(RUNS[4], diverged="in epoch 2", final={}, history=())
    main, _ = study_sections(STUDY, "short", done, 8)
    assert "1 of 15 runs are not done yet." in main.paragraphs
    assert "cross-entropy, seed 4, diverged: in epoch 2" in main.paragraphs
    assert main.grids[0].rows[0][:2] == ("cross-entropy", "3")


def test_extras_stand_behind_the_tables_and_are_tables_or_figures():
    grid = Grid(name="own", title="Own", caption="", headings=("a",), rows=(("1",),))
    main, tuning = study_sections(dataclasses.replace(STUDY, extras=lambda part, records: [grid]), "short", DONE, 8)
    assert main.grids[-1] is grid
    assert grid not in tuning.grids
    with pytest.raises(ValueError, match=r"extras of mine must be .*; got str"):
        list(study_sections(dataclasses.replace(STUDY, extras=lambda part, records: ["text"]), "short", DONE, 8))


def write(folder, study, records):
    for record in records:
        record.write(folder / f"{record.run_id}.json")
    (folder / "study.json").write_text(json.dumps({"study": study, "scale": "short"}))


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr(page, "make_figures", lambda table, prefix="": ())


def test_a_folder_of_a_study_of_studies_and_of_records_is_told_apart(tmp_path, undrawn):
    other = dataclasses.replace(STUDY, name="other", title="Other", reference="other")
    known = {"mine": STUDY, "other": other}
    write(tmp_path / "b", "mine", [DONE[run.run_id] for run in RUNS])
    write(tmp_path / "a", "other", [DONE[run.run_id] for run in TRIALS])
    done, scales, studies = read_studies(tmp_path, known)
    assert set(done) == set(DONE)
    assert list(scales.items()) == [("mine", "short"), ("other", "short")]
    assert studies == known
    assert folder_document(tmp_path, known).title == "sigma2r: studies"
    assert folder_document(tmp_path, known).paragraphs[0].startswith("19 runs of 2 studies.")
    one = folder_document(tmp_path / "b", known)
    assert one.title == "sigma2r: Mine"
    assert one == study_document(STUDY, "short", {run.run_id: DONE[run.run_id] for run in RUNS})
    (tmp_path / "b/study.json").unlink()
    assert folder_document(tmp_path / "b", known).title == "sigma2r: a comparison of losses"


def test_a_study_whose_code_was_not_named_is_told_and_left_out(tmp_path, undrawn):
    write(tmp_path / "a", "mine", [DONE[run.run_id] for run in RUNS])
    write(tmp_path / "b", "own.py:STUDY", [DONE[run.run_id] for run in TRIALS])
    with pytest.warns(UserWarning, match=r"b holds a study of somebody's own"):
        _, scales, _ = read_studies(tmp_path, {"mine": STUDY})
    assert list(scales) == ["mine"]
    with pytest.warns(UserWarning, match=r"b holds a study of somebody's own"):
        assert folder_document(tmp_path / "b", {}).title == "sigma2r: a comparison of losses"


def test_records_as_they_come_are_told_with_those_that_diverged_and_their_command(undrawn):
    gone = record_of(Run(loss="git@0.1", epochs=2), diverged="in epoch 1", final={}, history=())
    document = page.records_document([*(DONE[run.run_id] for run in RUNS[:7]), gone])
    assert document.paragraphs == (
        "8 finished runs. Everything here is built from their records.", "git@0.1, seed 0, diverged: in epoch 1",
    )  # fmt: skip
    section = document.sections[0]
    assert [grid.name for grid in section.grids] == ["results", "differences", "classes-train", "classes-test"]
    shared = "sigma2r compare --dataset fuzzy-rgb --model lenet --losses {} --epochs 2 --out runs/again"
    assert section.code == "\n".join(
        shared.format(each) for each in ("cross-entropy --seeds 5", "center@0.1 --seeds 2", "git@0.1 --seeds 1")
    )


def test_the_terminal_shows_results_and_below_them_differences(capsys):
    print_table([DONE[run.run_id] for run in RUNS])
    told = capsys.readouterr().out
    for text in (
        "cross-entropy",
        "center@0.1",
        "intra/inter",
        "tail 99 %",
        "I, train",
        "seconds",
        "verdict",
        "Differences",
        "Bonferroni",
    ):
        assert text in told
    print_table([DONE[RUNS[0].run_id]])
    told = capsys.readouterr().out
    assert "0.5000" in told
    assert "Differences" not in told


def test_the_table_of_a_folder_is_that_of_its_study(tmp_path, capsys):
    own = dataclasses.replace(STUDY, reference="own.py:STUDY")
    write(tmp_path / "mine", "own.py:STUDY", DONE.values())
    print_study(own, "short", DONE)
    wanted = capsys.readouterr().out
    assert re.search(r"cross-entropy │ +center@0.1 │", wanted)  # less the baseline of the part
    print_folder(tmp_path / "mine", {"own.py:STUDY": own})
    assert capsys.readouterr().out == wanted
    print_folder(tmp_path / "mine", {"./own.py:STUDY": dataclasses.replace(own, reference="./own.py:STUDY")})
    assert capsys.readouterr().out == wanted
    print_folder(tmp_path, {"own.py:STUDY": own})
    assert capsys.readouterr().out == ""
    print_folder(tmp_path / "mine", {})
    assert not re.search(r"cross-entropy │ +center@0.1 │", capsys.readouterr().out)


def test_a_study_without_a_record_is_no_empty_page(tmp_path, undrawn):
    known = {"mine": STUDY, "other": dataclasses.replace(STUDY, name="other", title="Other", reference="other")}
    write(tmp_path / "a", "mine", [record_of(Run(loss="git@0.1", epochs=2))])
    write(tmp_path / "b", "other", [DONE[run.run_id] for run in RUNS])
    with pytest.raises(ValueError, match=r"a must hold records of the study mine; it holds none, and 1 of other runs"):
        folder_document(tmp_path / "a", known)
    with pytest.warns(UserWarning, match=r"a holds no record of the study mine, which is left out"):
        assert folder_document(tmp_path, known).paragraphs[0].startswith("15 runs of 1 studies")


def test_the_report_of_anybodys_records_speaks_of_no_paper(records):
    def told(document):
        for section in document.sections:
            yield from (*section.paragraphs, *section.notes, *(text for term in section.terms for text in term))
            yield from (each.caption for each in (*section.grids, *section.pictures))

    texts = [*told(page.records_document(records)), *told(study_document(STUDY, "short", DONE))]
    assert any("Growth of each class by epoch" in text for text in texts)
    assert any("in two dimensions" in text for text in texts)
    assert [text for text in texts if re.search(r"\bEq\.|paper|arXiv|w_K|sigmoid", text)] == []
