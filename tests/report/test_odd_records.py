"""Records that lack something, or that do not belong together: a dash, a word, and never a traceback."""

import dataclasses
import itertools

import pytest

from sigma2r.report import differences, make_tables, markdown_table, print_table, write_report
from sigma2r.report.figures import make_figures
from sigma2r.report.groups import comparable, loss_groups
from sigma2r.report.page import records_document
from sigma2r.report.study import study_sections
from sigma2r.report.tables import ACCURACY, class_rows, figure_at, make_table
from sigma2r.report.verdicts import Case, Claim, Findings, Look
from sigma2r.studies.study import Part, Study
from tests.report.conftest import CLASSES, make_record


def changed(record, change, **others):
    """A record with every set of figures changed: the final ones, and those of each epoch."""
    final = {split: change(figures) for split, figures in record.final.items()}
    history = tuple({**e, "train": change(e["train"]), "test": change(e["test"])} for e in record.history)
    return dataclasses.replace(record, final=final, history=history, **others)


def without_spread(record):
    blank = dict.fromkeys(("intra_mean", "intra_inter", "tail_99", "tail_max"))
    return changed(record, lambda f: {**f, **blank, "intra": [None] * len(f["intra"])})


def without_distance(record):
    return changed(record, lambda f: {**f, "inter": None, "intra_inter": None, "tail_99": None, "tail_max": None})


def all_alike(record):
    return changed(record, lambda f: {**f, "intra": [0.0] * len(f["intra"]), "intra_mean": 0.0, "intra_inter": 0.0})


def not_a_number(record):
    odd = itertools.cycle((float("nan"), "0.5", float("inf"), True, [], {}))
    return changed(record, lambda f: {**f, "intra": [next(odd) for _ in f["intra"]], "intra_mean": next(odd)})


def shorter(record):
    return changed(record, lambda f: {**f, "intra": f["intra"][:1]})


def nothing_measured(record):
    history = tuple({**e, "train": None, "test": None} for e in record.history)
    return dataclasses.replace(record, final={"train": None, "test": None}, history=history, plane=None)


def nothing_at_all(record):
    return dataclasses.replace(record, final={}, history=(), counts={}, versions={}, device={}, seconds={}, plane=None)


def without_a_class_in_training(record):
    plane = {**record.plane, "means": [[None, None], *record.plane["means"][1:]]}
    return dataclasses.replace(record, plane=plane)


ODD = (without_spread, without_distance, all_alike, not_a_number, shorter, nothing_measured, nothing_at_all,
       without_a_class_in_training)  # fmt: skip


@pytest.mark.parametrize("names", [("only",), tuple(f"class {k}" for k in range(30))], ids=len)
@pytest.mark.parametrize("odd", ODD)
def test_every_kind_of_odd_record_has_a_report(odd, names, tmp_path, capsys):
    losses = [("cross-entropy", 0), ("sigma2r@0.01", 0), ("sigma2r@0.01", 1)]
    records = [odd(make_record(loss, seed, names=names)) for loss, seed in losses]
    page = write_report(records, tmp_path).read_text()
    assert "nan" not in page.partition("<main")[2].partition("data:image")[0].lower()
    print_table(records)
    assert "fuzzy-rgb, lenet with 2 features" in capsys.readouterr().out
    assert markdown_table(records).startswith("| loss | n |")


@pytest.mark.parametrize("odd", [without_spread, without_distance, nothing_at_all])
def test_what_a_record_lacks_is_a_dash_in_a_study_too(odd):
    record = odd(make_record("center@0.1", validation_fraction=0.1))
    run = record.run
    parts = [Part(name=n, title=n, text="", runs=(run,), trials=n == "tuning") for n in ("tuning", "results")]
    study = Study(name="s", title="S", source="-", settings={"desk": "."}, parts=lambda scale, done: iter(parts),
                  figures=("features", "growth", "learning", "classes"))  # fmt: skip
    trials, results = study_sections(study, "desk", {run.run_id: record}, 1)
    assert trials.grids[0].rows == (("center@0.1", "1", "–", "–", "–", ""),)
    assert "–" in results.grids[0].rows[0]


def test_what_a_record_lacks_is_a_dash_and_the_rest_is_shown():
    (table,) = make_tables([without_spread(make_record("center@0.4"))])
    assert table.rows[0].cells() == ["center@0.4", "1", "0.9000", "–", "–", "–", "–", "–", "12"]
    assert class_rows(table, "test") == [[name, "–"] for name in CLASSES]
    (table,) = make_tables([nothing_at_all(make_record("center@0.4"))])
    assert table.rows[0].cells() == ["center@0.4", "1", *"–––––––"]
    assert table.caption.startswith("fuzzy-rgb (– training, – test images)")


def test_no_figure_is_drawn_of_nothing_and_the_caption_says_what_is_missing():
    (table,) = make_tables([without_spread(make_record("sigma2r@0.01"))])
    figures = {picture.name: picture.caption for picture in make_figures(table)}
    assert set(figures) == {"features", "growth", "learning"}
    assert "No class has a spread above 0, which takes two images." in figures["learning"]
    (table,) = make_tables([without_distance(make_record("sigma2r@0.01", names=("only",)))])
    figures = {picture.name: picture.caption for picture in make_figures(table)}
    assert "In feature units" in figures["features"]
    assert "distance between class means" not in figures["features"]


def of_other_images(record, **counts):
    return dataclasses.replace(record, counts={**record.counts, **counts})


OTHER = {
    "another class": make_record("center@0.4", names=("red", "green", "purple")),
    "one class more": make_record("center@0.4", names=(*CLASSES, "grey")),
    "classes in another order": make_record("center@0.4", names=CLASSES[::-1]),
    "more training images": of_other_images(make_record("center@0.4"), train=9001),
    "fewer test images": of_other_images(make_record("center@0.4"), test=1499),
    "a validation split": of_other_images(make_record("center@0.4"), validation=10),
}


@pytest.mark.parametrize("other", OTHER)
def test_runs_on_other_images_are_never_pooled_without_a_word(other):
    records = [make_record("cross-entropy"), make_record("center@0.4"), OTHER[other]]
    tables = make_tables(records)
    assert sorted(len(table.records) for table in tables) == [1, 2]
    assert all("saw other images and have a table of their own; here: " in table.caption for table in tables)
    assert len({table.caption for table in tables}) == 2 or other in ("classes in another order", "a validation split")
    assert len(records_document(records).sections) == 3
    table = make_table(records)  # as a part of a study is shown
    names = [row.loss for row in table.rows]
    assert len(names) == 3
    assert sum(", images 1: 3 classes (red, green, blue), 9,000 training" in name for name in names) == 2
    assert names[2].startswith("center@0.4, images 2: ")
    assert differences(table) == differences(make_table(records[:2]))
    for split in ("train", "test"):
        shown = class_rows(table, split)
        assert [row[0] for row in shown] == list(CLASSES)
        assert all(len(row) == 4 for row in shown)
        assert (shown[0][3] == "–") == (OTHER[other].class_names != CLASSES)
    for figure in make_figures(table):
        left_out = "1 rows of the table have other classes and are left out." in figure.caption
        assert left_out == (figure.name != "learning" and OTHER[other].class_names != CLASSES)


def test_no_difference_is_taken_between_runs_on_other_images():
    seeds = [make_record(loss, seed, accuracy=0.9 + seed / 100) for loss in ("cross-entropy", "center@0.4")
             for seed in range(3)]  # fmt: skip
    mixed = [of_other_images(record, test=10) if record.run.loss == "center" else record for record in seeds]
    assert len(differences(make_table(seeds))) == 4
    assert differences(make_table(mixed)) == []
    (other,) = differences(make_table([*seeds, *mixed[3:]]))[:1]
    assert other.loss.startswith("center@0.4, images 1: ")
    assert other.baseline.startswith("cross-entropy, images 1: ")


def test_runs_whose_settings_say_that_images_differ_stand_in_one_table_as_before():
    few = of_other_images(make_record("center@0.4", images_per_class=10), train=30)
    table = make_table([make_record("center@0.4"), few])
    assert [row.loss for row in table.rows] == ["center@0.4, images per class None", "center@0.4, images per class 10"]
    assert comparable(make_record("center@0.4"), few)
    assert [t.apart for t in make_tables([make_record("center@0.4"), few])] == ["", ""]


def test_parameters_are_no_images():
    larger = of_other_images(make_record("center@0.4", 1), parameters=2)
    assert len(make_tables([make_record("center@0.4"), larger])) == 1


def test_claims_are_not_judged_on_runs_of_other_images():
    runs = [make_record(loss, seed, accuracy=share + seed / 100) for loss, share in (("sigma2r@0.01", 0.9),
            ("center@0.01", 0.5)) for seed in range(5)]  # fmt: skip
    mixed = [of_other_images(record, test=10) if record.run.loss == "center" else record for record in runs]
    look = Look("s", "p", "sigma2r@0.01", "center@0.01", ACCURACY, higher=True)

    def verdict(records):
        done = {record.run_id: record for record in records}
        part = Part(name="p", title="P", text="", runs=tuple(record.run for record in records))
        study = Study(name="s", title="S", source="-", settings={"desk": "."}, parts=lambda scale, _: iter([part]))
        return Claim("", "", "", {"": Case((look,))}).judged(Findings(done, {"s": "desk"}, {"s": study}), 1).verdict

    assert verdict(runs) == "holds"
    assert verdict(mixed) == "not run yet"


def test_a_run_counts_once_however_many_records_there_are_of_it():
    record = make_record("center@0.4")
    again = dataclasses.replace(record, finished="2026-01-02T00:00:00+00:00")
    with pytest.warns(UserWarning, match="a run counts once; 1 records are of runs that another record is of"):
        (table,) = make_tables([record, again, make_record("center@0.4", 1)])
    assert [row.n for row in table.rows] == [2]
    assert table.records[0] is record


@pytest.mark.parametrize(
    "value", [True, False, "0.5", None, [], {}, float("nan"), float("inf"), -float("inf")], ids=repr
)
def test_only_finite_numbers_are_figures(value):
    assert figure_at({"a": {"b": value}}, "a", "b") is None
    assert figure_at({"a": {"b": 2}}, "a", "b") == 2.0
    assert figure_at({"a": value}, "a", "b") is figure_at(value, "a", "b") is None


def test_groups_of_nothing_are_nothing():
    assert loss_groups([]) == {}


def test_the_same_numbers_of_other_images_are_not_pooled_where_records_tell_them_apart():
    def seen(seed, mark):
        made = make_record("center@0.4", seed)
        return dataclasses.replace(made, data={"train": {"fingerprint": mark}, "test": {"fingerprint": "t"}})

    assert len(make_tables([seen(0, "a"), seen(1, "a")])) == 1
    tables = make_tables([seen(0, "a"), seen(1, "b")])
    assert [table.rows[0].n for table in tables] == [1, 1]
    assert all("other images" in table.caption for table in tables)
    assert not comparable(seen(0, "a"), seen(1, "b"))
    assert len(make_tables([seen(0, "a"), make_record("center@0.4", 1)])) == 1  # older records do not tell
