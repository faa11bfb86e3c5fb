"""From records to figures: features in the plane, growth by epoch, learning curves, spread by class."""

from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial
from statistics import fmean

from matplotlib.figure import Figure

from sigma2r.report.by_class import draw_classes, draw_growth, grown, has_spread
from sigma2r.report.picture import PALETTE as PALETTE
from sigma2r.report.picture import Picture as Picture
from sigma2r.report.picture import legend, logarithmic, named, room_of_a_legend
from sigma2r.report.picture import picture as picture
from sigma2r.report.plane import draw_features, in_the_plane
from sigma2r.report.tables import Table, figure_at, rows_that_share_classes
from sigma2r.studies.record import Record
from sigma2r.studies.study import FIGURES


def make_figures(table: Table, prefix: str = "", wanted: Container[str] = FIGURES) -> Iterator[Picture]:
    """The figures that the records of a table have something for.

    Args:
        table: Of the records.
        prefix: What their names begin with.
        wanted: Those of ``FIGURES`` that are drawn.
    """
    left_out = len(table.groups) - len(rows_that_share_classes(table))
    told = f" {left_out} rows of the table have other classes and are left out." if left_out else ""

    def by_class(draw: Callable[[Figure, Table], tuple[str, str]], figure: Figure) -> tuple[str, str]:
        caption, alt = draw(figure, table)
        return caption + told, alt

    if "features" in wanted and in_the_plane(table):
        yield picture(f"{prefix}features", partial(by_class, draw_features))
    if "growth" in wanted and grown(table):
        yield picture(f"{prefix}growth", partial(by_class, draw_growth))
    if "learning" in wanted and any(record.history for record in table.records):
        yield picture(f"{prefix}learning", lambda figure: _learning(figure, table))
    if "classes" in wanted and has_spread(table):
        yield picture(f"{prefix}classes", partial(by_class, draw_classes))


def _learning(figure: Figure, table: Table) -> tuple[str, str]:
    figure.set_size_inches(8.4, 3.6)
    groups = table.groups
    most = (_band(group, split, "intra_mean")[3] for group in groups.values() for split in ("train", "test"))
    spread = any(value > 0 for values in most for value in values)
    axes = figure.subplots(1, 2 if spread else 1, squeeze=False)[0]
    left = axes[0]
    for i, (loss, group) in enumerate(groups.items()):
        colour, label = PALETTE[i % len(PALETTE)], named(loss, room_of_a_legend(figure))
        for ax, key in zip(axes, ("accuracy", "intra_mean"), strict=False):
            for split, line in (("train", "-"), ("test", "--")):
                epochs, low, middle, high = _band(group, split, key)
                ax.plot(epochs, middle, line, color=colour, lw=1.4, label=label if split == "train" else None)
                if len(group) > 1:
                    ax.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    left.set(xlabel="epoch", ylabel="accuracy")
    for right in axes[1:]:
        right.set(xlabel="epoch", ylabel="mean intra-class spread I", yscale="log")
        logarithmic(right.yaxis)
    legend(figure, left)
    shown, scale = ("Accuracy and mean intra-class spread", " Spread on a logarithmic scale.")
    if not spread:
        shown, scale = "Accuracy", " No class has a spread above 0, which takes two images."
    caption = (
        f"{shown} by epoch; solid: training images (without augmentation), dashed: test "
        f"images. Lines are means over seeds, bands their least and greatest.{scale}"
    )
    return (
        caption,
        "Line plots of accuracy and of mean intra-class spread by epoch for each loss; figures in the table.",
    )


def _band(group: Sequence[Record], split: str, key: str) -> tuple[list[int], list[float], list[float], list[float]]:
    """Epochs that every seed measured, with least, mean and greatest value over seeds."""
    curves = [{e["epoch"]: figure_at(e, split, key) for e in record.history if e.get(split)} for record in group]
    epochs = sorted(set.intersection(*(set(curve) for curve in curves)))
    columns = [[value for curve in curves if (value := curve[epoch]) is not None] for epoch in epochs]
    kept = [(epoch, values) for epoch, values in zip(epochs, columns, strict=True) if values]
    return (
        [epoch for epoch, _ in kept],
        [min(values) for _, values in kept],
        [fmean(values) for _, values in kept],
        [max(values) for _, values in kept],
    )
