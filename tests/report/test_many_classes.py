"""Reports of many classes: named where a reader can tell them apart, bounded where nobody could."""

import csv
import dataclasses
import random

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from sigma2r.report import write_report
from sigma2r.report.by_class import draw_classes, draw_growth
from sigma2r.report.figures import make_figures
from sigma2r.report.page import classes_grid
from sigma2r.report.picture import looks_of, named
from sigma2r.report.plane import _looks, draw_features
from sigma2r.report.tables import by_spread, make_tables
from tests.report.conftest import make_record

mpl.use("Agg")


def names(count):
    return tuple(f"class {k}" for k in range(count))


def shuffled(count):
    order = list(range(count))
    random.Random(0).shuffle(order)
    return order


def records_of(count, losses=("cross-entropy", "center@0.4", "sigma2r@0.01"), *, named_as=None, single=()):
    """Records whose class k has the spread order[k] + 1, times a factor of the loss; ``single`` have none."""
    order, made = shuffled(count), []
    for i, loss in enumerate(losses):
        record = make_record(loss, names=named_as or names(count))
        spread = [None if k in single else (order[k] + 1.0) * 10.0**-i for k in range(count)]
        final = {split: {**figures, "intra": spread} for split, figures in record.final.items()}
        made.append(dataclasses.replace(record, final=final))
    return made


def table_of(*args, **kwargs):
    (table,) = make_tables(records_of(*args, **kwargs))
    return table


def drawn(draw, table):
    """A figure, laid out, and its caption."""
    figure = Figure(layout="constrained")
    caption, alt = draw(figure, table)
    figure.draw_without_rendering()
    return figure, caption, alt


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_up_to_twenty_classes_all_have_their_names_in_their_order():
    for count in (2, 10, 20):
        figure, caption, _ = drawn(draw_classes, table_of(count))
        assert labels(figure.axes[0]) == list(names(count))
        assert caption.startswith("Spread of each class after the last epoch, every seed a mark;")


@pytest.mark.parametrize("count", [21, 81, 1000])
def test_of_more_classes_the_most_and_the_least_compact_are_named_and_sorted(count):
    figure, caption, _ = drawn(draw_classes, table_of(count))
    ranked = [f"class {k}" for k in np.argsort(shuffled(count))]
    assert labels(figure.axes[0]) == [*ranked[:10], f"{count - 20:,} between", *ranked[-10:]]
    assert figure.axes[0].yaxis_inverted()
    assert f"the 10 most and the 10 least compact of {count:,} classes" in caption
    assert f"Of the {count - 20:,} classes between, on test images: range and median." in caption


def test_marks_stand_in_the_row_of_their_class_and_the_rest_between():
    order = shuffled(81)
    ax = drawn(draw_classes, table_of(81, losses=("center@0.4",)))[0].axes[0]
    rows = dict(zip(labels(ax), ax.get_yticks(), strict=True))
    points = {(round(x, 6), y) for dots in ax.collections for x, y in dots.get_offsets()}
    ends = [k for k in range(81) if order[k] < 10 or order[k] >= 71]
    assert points == {(order[k] + 1.0, rows[f"class {k}"]) for k in ends}
    ranges, middle = ax.lines
    assert list(ranges.get_xdata()) == [11, 71]
    assert list(middle.get_xdata()) == [41]
    assert {*ranges.get_ydata(), *middle.get_ydata()} == {rows["61 between"]}


def test_classes_are_ranked_by_every_loss_alike_however_large_its_features_are():
    big, small = records_of(3, ("cross-entropy", "center@0.4"))
    figures = {"intra": [100.0, 110.0, 120.0]}, {"intra": [3.0, 2.0, 1.0]}
    for record, figure in zip((big, small), figures, strict=True):
        for split in record.final:
            record.final[split] |= figure
    (table,) = make_tables([big, small])
    assert by_spread(table, ("test",)) == [2, 1, 0]  # arithmetic means would be those of the larger


def test_classes_without_a_spread_are_left_out_and_counted():
    _, caption, _ = drawn(draw_classes, table_of(81, single=range(5)))
    assert "Of the 56 classes between" in caption
    assert "5 classes without a spread are left out: that takes two images." in caption
    figure, caption, _ = drawn(draw_classes, table_of(81, single=range(70)))
    assert len(labels(figure.axes[0])) == 11
    assert "70 classes without a spread are left out" in caption
    assert "between" not in caption


def test_growth_of_many_classes_is_a_median_with_bands_and_names_its_ends():
    figure, caption, alt = drawn(draw_growth, table_of(81))
    for ax in figure.axes:
        assert len(ax.lines) == 1
        assert len(ax.collections) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "median of 81 classes", "middle half", "all",
    ]  # fmt: skip
    last = [-(2.0 + k) for k in range(81)]  # of conftest: -(epoch + k)
    assert figure.axes[0].lines[0].get_ydata()[-1] == np.median(last)
    assert "Growth of 81 classes by epoch: their median, the middle half of them and all of them" in caption
    assert "ends between -82.00 and -2.00, lowest class 80, highest class 0" in caption
    assert "lowest class 80" in alt


def test_growth_of_up_to_twenty_classes_is_a_named_line_each():
    for count in (2, 10, 20):
        figure = drawn(draw_growth, table_of(count))[0]
        box = figure.axes[1].get_legend() if count <= 10 else figure.legends[0]
        assert [text.get_text() for text in box.get_texts()] == list(names(count))
        assert len(figure.axes[0].lines) == count


def test_up_to_twenty_four_classes_no_two_look_alike():
    for count in range(1, 25):
        looks = looks_of(names(count))
        assert len({(str(look.colour), look.mark) for look in looks}) == count
        assert len({(str(look.colour), look.line) for look in looks}) == count


def points_of(ax):
    return sum(len(dots.get_offsets()) for dots in ax.collections)


def test_of_very_many_classes_some_are_drawn_evenly_and_the_caption_says_so():
    figure, caption, _ = drawn(draw_features, table_of(1000))
    assert "of 100 of the 1,000 classes, evenly spread over their order, in two dimensions" in caption
    assert "at most 30 a class" in caption
    assert all(points_of(ax) <= 100 * (30 + 2) for ax in figure.axes)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["learned center", "class mean"]
    _, caption, _ = drawn(draw_features, table_of(81))
    assert "at most 37 a class" in caption
    assert "evenly" not in caption


def test_of_very_many_classes_those_that_are_drawn_come_from_all_over_their_order():
    assert list(_looks(names(1000))) == list(range(0, 1000, 10))
    assert list(_looks(names(100))) == list(range(100))


def test_points_are_left_out_evenly_where_classes_are_many():
    record = make_record("center@0.4", names=names(30))
    record.plane["features"] = [[k + i / 300, 0.0] for k in range(30) for i in range(300)]
    record.plane["labels"] = [k for k in range(30) for _ in range(300)]
    (table,) = make_tables([record])
    ax = drawn(draw_features, table)[0].axes[0]
    first = ax.collections[0].get_offsets()[:, 0]
    assert len(first) == 100
    np.testing.assert_allclose(first, np.arange(0, 1, 0.01), atol=1e-9)


@pytest.mark.parametrize("count", [100, 101, 1000])
def test_a_table_by_class_shows_the_ends_beyond_a_hundred_and_its_file_holds_all(count):
    grid = classes_grid(table_of(count), "test", "classes-test")
    if count == 100:
        assert [row[0] for row in grid.rows] == list(names(100))
        assert grid.all_rows is None
        return
    ranked = [f"class {k}" for k in np.argsort(shuffled(count))]
    assert [row[0] for row in grid.rows] == [*ranked[:20], *ranked[-20:]]
    assert f"The 20 most and the 20 least compact of {count:,} classes" in grid.caption
    assert "all are in tables/classes-test.csv" in grid.caption
    rows = list(csv.reader(grid.comma_separated().splitlines()))
    assert [row[0] for row in rows[1:]] == list(names(count))
    assert grid.markdown().count("\n") == 2 + 40 + 1
    assert grid.latex().count(r" \\") == 1 + 40


def test_ten_times_the_classes_make_no_larger_page(tmp_path):
    sizes = [write_report(records_of(count), tmp_path / str(count)).stat().st_size for count in (1000, 10_000)]
    assert sizes[1] < 1.1 * sizes[0] < 5e6
    assert len((tmp_path / "10000/tables/classes-train.csv").read_text().splitlines()) == 10_001
    assert all(path.stat().st_size < 2e6 for path in (tmp_path / "10000/figures").iterdir())


LONG = tuple("x" * k + "a name of a class that is longer than any figure " * 5 + str(k) for k in range(12))


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
@pytest.mark.parametrize("long", [LONG, ("W" * 300, "M" * 300), ("i" * 300, "猫" * 300, "a\nb" * 99)], ids=len)
def test_long_names_stay_within_the_figure_and_leave_it_room(long):
    table = table_of(len(long), losses=("sigma2r@0.01",), named_as=long)
    for draw in (draw_features, draw_growth, draw_classes):
        with mpl.rc_context({"font.size": 9}):
            figure = Figure(layout="constrained")
            draw(figure, table)
            figure.draw_without_rendering()
        ax = figure.axes[0]
        assert ax.get_window_extent().width > 0.4 * figure.bbox.width / (2 if draw is draw_growth else 1)
        assert ax.get_window_extent().height > 0.2 * figure.bbox.height
        for box in figure.legends:
            extent = box.get_window_extent()
            assert 0 <= extent.x0 < extent.x1 <= figure.bbox.width
        for label in ax.get_yticklabels():
            assert label.get_window_extent().x0 >= 0


@pytest.mark.filterwarnings("ignore:Glyph:UserWarning")
def test_a_name_is_shortened_in_its_middle_and_only_if_it_must_be():
    assert named("cross-entropy", 2.0) == "cross-entropy"
    short = named("the beginning " + "x" * 200 + " the end", 2.0)
    assert short.startswith("the beginning x")
    assert short.endswith(" the end")
    assert short.count("…") == 1
    assert named("x" * 200, 0.0) == "x…"


def test_names_that_a_legend_would_leave_out_are_in_it():
    figure = drawn(draw_features, table_of(3, named_as=("_hidden", "", "$x_1$")))[0]
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == [" _hidden", " ", r"\$x_1\$", "learned center", "class mean"]


def test_letters_that_the_font_lacks_are_told_in_the_caption_and_nowhere_else(recwarn):
    captions = [picture.caption for picture in make_figures(table_of(2, named_as=("猫", "犬")))]
    told = [caption.endswith("Letters that the font of the figure lacks are boxes.") for caption in captions]
    assert told == [True, True, False, True]
    assert [str(warning.message) for warning in recwarn] == []
