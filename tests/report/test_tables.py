"""Where each figure of a table is read: from records whose figures all differ."""

import dataclasses

import pytest

from sigma2r.report import tables
from sigma2r.report.paired import COMPARED, differences
from sigma2r.report.study import statistics_grid
from sigma2r.report.tables import COLUMNS, HEADINGS, Summary, class_rows, make_table, make_tables
from sigma2r.report.verdicts import by_seed
from tests.report.conftest import make_record

NAMES = ("accuracy", "intra_mean", "inter", "intra_inter", "tail_99", "tail_max")


def told_apart(loss="center@0.1", seed=0, shift=0.0, **run):
    """A record in which no figure of a split equals another, nor that of another split."""
    record = make_record(loss, seed, **run)
    final = {
        split: {**figures, **{name: offset + k / 16 + shift for k, name in enumerate(NAMES)}}
        for offset, (split, figures) in enumerate(record.final.items(), start=1)
    }
    final["validation"] = {**record.final["test"], **{name: 9 + k / 16 for k, name in enumerate(NAMES)}}
    seconds = {"total": 31.0, "train": 37.0, "measure": 41.0}
    return dataclasses.replace(record, final=final, seconds=seconds)


def figure(split, name):
    return told_apart().final[split][name]


def test_the_caption_says_how_runs_were_trained_where_that_is_not_as_usual():
    plain = make_record("center@0.1", model="timm:test_resnet", feature_dim=None)
    changed = {
        "from the weights of w.pth": {"weights": "w.pth"}, "from the weights of its hub": {"pretrained": True},
        "backbone frozen;": {"freeze": "all"}, "backbone frozen for 1 epoch;": {"freeze": 1},
        "backbone at 0.001": {"backbone_lr": 1e-3}, "a step for 3 batches": {"accumulate": 3},
        "weights averaged with decay 0.9": {"ema": 0.9},
        "ended early where validation does not rise for 2 epochs": {"patience": 2},
    }  # fmt: skip
    (before,) = make_tables([plain])
    for told, settings in changed.items():
        (table,) = make_tables([dataclasses.replace(plain, run=dataclasses.replace(plain.run, **settings))])
        assert f", {told}" in table.caption
        assert f", {told}" not in before.caption


def test_every_column_of_the_table_is_read_where_its_name_says():
    wanted = {
        "accuracy": figure("test", "accuracy"),
        "I, train": figure("train", "intra_mean"),
        "I, test": figure("test", "intra_mean"),
        "intra/inter": figure("test", "intra_inter"),
        "tail 99 %": figure("test", "tail_99"),
        "tail max": figure("test", "tail_max"),
        "seconds": 31.0,
    }
    assert {column.title: column.value(told_apart()) for column in COLUMNS} == wanted
    assert len(set(wanted.values())) == len(wanted)
    (table,) = make_tables([told_apart()])
    assert dict(zip(HEADINGS[2:], (summary.mean for summary in table.rows[0].summaries), strict=True)) == wanted


@pytest.mark.parametrize(
    ("column", "split", "name"),
    [
        (tables.ACCURACY, "test", "accuracy"),
        (tables.SPREAD, "test", "intra_mean"),
        (tables.TRAIN_SPREAD, "train", "intra_mean"),
        (tables.RATIO, "test", "intra_inter"),
        (tables.TRAIN_RATIO, "train", "intra_inter"),
        (tables.TAIL, "test", "tail_99"),
        (tables.TRAIN_TAIL, "train", "tail_99"),
    ],
)
def test_every_figure_of_a_verdict_is_read_where_its_name_says(column, split, name):
    assert column.value(told_apart()) == figure(split, name)


def test_differences_are_those_of_test_images():
    records = [told_apart("cross-entropy", s) for s in range(5)]
    records += [told_apart("center@0.1", s, shift=0.5 + s / 100) for s in range(5)]
    found = {each.figure: each.mean for each in differences(make_table(records))}
    assert found == {column.title: pytest.approx(0.52) for column in COMPARED}
    assert list(found) == ["accuracy", "I, test", "intra/inter", "tail 99 %"]


def test_statistics_are_those_of_test_images():
    rows = statistics_grid(make_table([told_apart(seed=s, shift=s / 4) for s in range(3)]), "g").rows
    means = {row[1]: row[3] for row in rows}
    assert means == {
        column.title: f"{figure('test', column.path[1]) + 0.25:.{column.digits}f}"
        for column in COLUMNS
        if column.path[0] == "test"
    }
    (accuracy, *_) = rows
    assert accuracy[4:] == ("0.25000", "2.0000", "2.5000")


def test_a_summary_has_students_interval_and_none_of_one_seed():
    assert Summary.of([0.5]) == Summary(0.5, None, 1)
    several = Summary.of([1.0, 2.0, 3.0])
    assert several.half_width == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    assert Summary.of([1.0, None]) is Summary.of([]) is None


def seeded(loss, values):
    """Records by first weights and data, with these accuracies."""
    return [make_record(loss, init, data_seed=data, accuracy=accuracy) for (init, data), accuracy in values.items()]


def test_a_pair_shares_first_weights_and_data():
    new = seeded("sigma2r@0.01", {(0, 0): 0.9, (0, 1): 0.8, (1, 0): 0.7, (2, 0): 0.1})
    old = seeded("center@0.01", {(0, 1): 0.5, (1, 0): 0.4, (0, 0): 0.6, (1, 1): 0.2})
    assert by_seed(new, old, tables.ACCURACY) == [(0.9, 0.6), (0.8, 0.5), (0.7, 0.4)]


def test_runs_on_other_data_are_no_pairs_in_the_table_of_differences():
    first = seeded("cross-entropy", {(init, 0): 0.5 + init / 100 for init in range(6)})
    other = seeded("center@0.1", {(init, 1): 0.7 - init / 100 for init in range(6)})
    assert differences(make_table([*first, *other])) == []
    shared = seeded("center@0.1", {(init, 0): 0.6 + init / 100 for init in range(6)})
    assert {each.n for each in differences(make_table([*first, *shared]))} == {6}


def test_each_class_is_told_by_its_own_spread_on_the_split_that_is_named():
    record = make_record("center@0.1")
    final = {"train": {**record.final["train"], "intra": [4.0, 5.0, 6.0]}, "test": record.final["test"]}
    table = make_table([dataclasses.replace(record, final=final)])
    assert class_rows(table, "train") == [["red", "4.000"], ["green", "5.000"], ["blue", "6.000"]]
    assert class_rows(table, "test") == [["red", "1.000"], ["green", "2.000"], ["blue", "3.000"]]


def test_a_run_that_diverged_is_in_no_table():
    gone = dataclasses.replace(make_record("git@0.1"), final={}, history=(), diverged="in epoch 2")
    (table,) = make_tables([gone, make_record("center@0.1")])
    assert [row.loss for row in table.rows] == ["center@0.1"]
