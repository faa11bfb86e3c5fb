"""Differences between losses: intervals, verdicts and the seeds that they need, against scipy and simulation."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from sigma2r.report.paired import COMPARED, Difference, compared_in, differences, family_size, note, seeds_needed
from sigma2r.report.tables import make_tables


def with_accuracies(records, values):
    """Records of two losses and as many seeds as there are values of each."""
    first = records[0]
    made = []
    for loss, accuracies in values.items():
        for seed, accuracy in enumerate(accuracies):
            run = dataclasses.replace(first.run, loss=loss, loss_options={}, init_seed=seed)
            test = {**first.final["test"], "accuracy": accuracy}
            made.append(dataclasses.replace(first, run=run, final={**first.final, "test": test}))
    (table,) = make_tables(made)
    return table


A, B = [0.90, 0.92, 0.91, 0.95, 0.93, 0.94], [0.88, 0.91, 0.88, 0.93, 0.92, 0.91]


def test_the_interval_is_scipys_paired_t_interval_at_the_corrected_level(records):
    table = with_accuracies(records, {"cross-entropy": B, "center@0.1": A})
    found = next(d for d in differences(table) if d.figure == "accuracy")
    test = stats.ttest_rel(A, B)
    interval = test.confidence_interval(1 - 0.05 / len(COMPARED))
    assert found.mean == pytest.approx(np.mean(np.subtract(A, B)))
    assert found.mean - found.half_width == pytest.approx(interval.low)
    assert found.mean + found.half_width == pytest.approx(interval.high)
    assert (found.loss, found.baseline, found.n) == ("center@0.1", "cross-entropy", 6)
    assert found.verdict == "higher"
    assert found.higher == 6
    assert found.cells()[4].startswith("+0.0")


def test_more_comparisons_make_wider_intervals(records):
    two = with_accuracies(records, {"cross-entropy": B, "center@0.1": A})
    three = with_accuracies(records, {"cross-entropy": B, "center@0.1": A, "center@0.2": B})
    widths = [next(d for d in differences(t) if d.figure == "accuracy").half_width for t in (two, three)]
    assert widths[1] > widths[0]
    assert len(differences(three)) == 2 * len(COMPARED)
    assert family_size(compared_in(three)) == 2 * len(COMPARED)
    assert "all 8 comparisons of this page at once" in note(8)


def test_an_interval_holds_at_once_with_all_of_its_family_and_a_comparison_counts_once_in_it(records):
    table = with_accuracies(records, {"cross-entropy": B, "center@0.1": A})
    alone, of_many = (next(d for d in differences(table, family=n) if d.figure == "accuracy") for n in (None, 400))
    assert of_many.half_width > alone.half_width
    critical = stats.t.ppf(1 - 0.05 / 800, 5)
    assert of_many.half_width == pytest.approx(critical * np.std(np.subtract(A, B), ddof=1) / math.sqrt(6))
    turned = compared_in(table, "center@0.1")
    assert family_size([*compared_in(table), *turned, *turned]) == len(COMPARED)
    fewer = with_accuracies(records, {"cross-entropy": B[:5], "center@0.1": A[:5]})
    assert family_size([*compared_in(table), *compared_in(fewer)]) == 2 * len(COMPARED)


def test_signs_are_counted_beside_the_interval(records):
    table = with_accuracies(records, {"cross-entropy": B, "center@0.1": [B[0], B[1] + 0.1, B[2] - 0.1, 1.0, 1.0, 0.0]})
    found = next(d for d in differences(table) if d.figure == "accuracy")
    assert (found.higher, found.cells()[6]) == (3, "3 of 6")


def test_seeds_are_paired_and_those_that_only_one_has_are_left_out(records):
    table = with_accuracies(records, {"cross-entropy": B, "center@0.1": A[:4]})
    found = next(d for d in differences(table) if d.figure == "accuracy")
    assert found.n == 4
    assert found.mean == pytest.approx(np.mean(np.subtract(A[:4], B[:4])))
    assert found.verdict == "undecided (n < 5)"
    assert differences(with_accuracies(records, {"cross-entropy": B, "center@0.1": A[:1]})) == []
    assert differences(with_accuracies(records, {"cross-entropy": B})) == []


def test_equal_losses_stay_undecided_and_a_constant_gain_is_decided(records):
    table = with_accuracies(records, {"cross-entropy": B, "center@0.1": B, "center@0.2": [b - 0.01 for b in B]})
    found = {d.loss: d for d in differences(table) if d.figure == "accuracy"}
    assert found["center@0.1"].verdict == "undecided"
    assert found["center@0.1"].seeds_needed is None
    assert found["center@0.1"].cells()[-1] == "> 10,000"
    assert found["center@0.2"].verdict == "lower"


@pytest.mark.parametrize(("effect", "alpha"), [(1.0, 0.05), (0.5, 0.05), (0.8, 0.01), (2.0, 0.005)])
def test_with_the_seeds_needed_four_of_five_experiments_find_the_difference(effect, alpha):
    n = seeds_needed(effect, 1.0, alpha)
    draws = np.random.default_rng(0).normal(effect, 1.0, (20_000, n))
    found = stats.ttest_1samp(draws, 0.0, axis=1).pvalue < alpha
    assert found.mean() > 0.79
    if n > 5:
        fewer = stats.ttest_1samp(draws[:, :-1], 0.0, axis=1).pvalue < alpha
        assert fewer.mean() < 0.81


def test_seeds_that_no_study_has_are_not_told():
    assert seeds_needed(1e-6, 1.0, 0.05) is None
    assert seeds_needed(0.0, 1.0, 0.05) is None
    assert seeds_needed(0.5, 0.0, 0.05) == 5


def test_a_difference_of_nothing_but_rounding_is_shown_with_its_sign():
    shown = Difference("a", "b", "accuracy", 6, -0.0123, 0.02, 2, 31, 4).cells()
    assert shown[4:6] == ["-0.0123", "-0.0323 to +0.0077"]
    assert shown[6:] == ["2 of 6", "undecided", "31"]
    assert math.isclose(float(shown[4]), -0.0123)


def test_the_page_and_the_terminal_show_them(records, tmp_path, capsys):
    from sigma2r.report import print_table, write_report

    many = list(with_accuracies(records, {"cross-entropy": B, "center@0.1": A}).records)
    shown = next(d for d in differences(make_tables(many)[0]) if d.figure == "accuracy").cells()
    page = write_report(many, tmp_path).read_text()
    assert "Differences from cross-entropy" in page
    assert all(f">{cell}<" in page for cell in shown)
    print_table(many)
    told = capsys.readouterr().out
    assert shown[4] in told
    assert "Bonferroni" in told
    assert "Differences from" not in write_report(records[:1], tmp_path / "one").read_text()
