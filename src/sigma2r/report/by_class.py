"""Growth and spread of each class; of many classes what a reader can still tell apart."""

from collections.abc import Sequence
from statistics import fmean, median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigma2r.report.picture import PALETTE, height_of_legend, legend, logarithmic, looks_of, named, room_of_a_legend
from sigma2r.report.tables import Table, by_spread, rows_that_share_classes, spreads
from sigma2r.studies.record import Record

MANY = 20
"""Classes, beyond which not each is drawn."""

_ROWS = 6  # losses, beyond which their growth is not drawn
_INSIDE = 10  # classes whose names have room within a panel
_SMALL = 1.2  # inches of a name there
_NAME = 2.2  # inches of a class's name beside the axis
_ENDS = MANY // 2  # classes at either end that are drawn where there are many
_SPLITS = ("train", "test")


def grown(table: Table) -> list[Record]:
    """The first run of each loss that has growth."""
    firsts = (group[0] for group in rows_that_share_classes(table).values())
    return [record for record in firsts if record.history and _curve(record, "growth")]


def _curve(record: Record, key: str) -> list[tuple[int, list[float]]]:
    """Epochs with the value of each class, where all classes have one."""
    found = ((entry["epoch"], entry.get(key) or ()) for entry in record.history)
    return [(epoch, list(values)) for epoch, values in found if len(values) == len(record.class_names) > 0]


def draw_growth(figure: Figure, table: Table) -> tuple[str, str]:
    """Growth and its rate by epoch for each loss: a line a class, or of many classes median and bands.

    Returns:
        Caption and alternative text.
    """
    records, names = grown(table), table.class_names
    firsts, many = records[:_ROWS], len(names) > MANY
    figure.set_size_inches(8, 0.5 + 2.6 * len(firsts) + (0.0 if many else height_of_legend(names, _SMALL, 8)))
    axes = figure.subplots(len(firsts), 2, squeeze=False, sharex="col", sharey="col")
    told = []
    for row, record in enumerate(firsts):
        for column, (key, label) in enumerate((("growth", "growth"), ("growth_rate", "growth rate"))):
            ax: Axes = axes[row][column]
            (_draw_bands if many else _draw_lines)(ax, _curve(record, key), names)
            ax.set_ylabel(label)
            ax.set_title(named(record.run.loss_name, 3.6, 10))
        _, last = _curve(record, "growth")[-1]
        told.append(f"{record.run.loss_name} ends between {min(last):.2f} and {max(last):.2f}")
        if many:
            lowest, highest = (names[last.index(edge(last))] for edge in (min, max))
            told[-1] += f", lowest {lowest}, highest {highest}"
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    if len(names) <= _INSIDE:
        axes[0][1].legend(loc="upper right", fontsize=7, ncols=2)
    else:
        legend(figure, axes[0][1])
    more = f" {len(records) - _ROWS} more losses have growth; it is in their records." if len(records) > _ROWS else ""
    each = (
        f"Growth of {len(names):,} classes by epoch: their median, the middle half of them and all of them"
        if many
        else "Growth of each class by epoch"
    )
    caption = f"{each}, first seed: left what the loss learns for a class, right the rate that it makes of this.{more}"
    if many:
        caption += f" {'; '.join(told)}."
    return caption, f"Line plots of the growth of each class by epoch; {'; '.join(told)}."


def _draw_lines(ax: Axes, curve: Sequence[tuple[int, Sequence[float]]], names: Sequence[str]) -> None:
    epochs = [epoch for epoch, _ in curve]
    for k, (name, look) in enumerate(zip(names, looks_of(names), strict=True)):
        values, label = [values[k] for _, values in curve], named(name, _SMALL, 7)
        ax.plot(epochs, values, color=look.colour, lw=1.3, marker=".", ls=look.line, label=label)


def _draw_bands(ax: Axes, curve: Sequence[tuple[int, Sequence[float]]], names: Sequence[str]) -> None:
    epochs = [epoch for epoch, _ in curve]
    least, low, middle, high, most = np.percentile([values for _, values in curve], (0, 25, 50, 75, 100), axis=1)
    colour = PALETTE[0]
    ax.plot(epochs, middle, color=colour, lw=1.6, marker=".", label=f"median of {len(names):,} classes")
    ax.fill_between(epochs, low, high, color=colour, alpha=0.35, linewidth=0, label="middle half")
    ax.fill_between(epochs, least, most, color=colour, alpha=0.12, linewidth=0, label="all")


def has_spread(table: Table) -> bool:
    """Whether a class has a spread above 0, which a logarithmic axis has a place for."""
    return any(map(any, _marks(table)))


def _marks(table: Table) -> list[list[float | None]]:
    runs = (record for group in rows_that_share_classes(table).values() for record in group)
    return [spreads(record, split) for record in runs for split in _SPLITS]


def draw_classes(figure: Figure, table: Table) -> tuple[str, str]:
    """The spread of each class, every run a mark; of many classes the most and the least compact.

    Returns:
        Caption and alternative text.
    """
    names, groups = table.class_names, rows_that_share_classes(table)
    ranked = by_spread(table, _SPLITS) if len(names) > MANY else list(range(len(names)))
    between = ranked[_ENDS:-_ENDS] if len(ranked) > MANY else []
    shown = [*ranked[:_ENDS], *ranked[-_ENDS:]] if between else ranked
    places = {k: place + (bool(between) and place >= _ENDS) for place, k in enumerate(shown)}
    figure.set_size_inches(8.4, 1.3 + 0.28 * (len(shown) + bool(between)))
    ax: Axes = figure.subplots()
    for i, (loss, group) in enumerate(groups.items()):
        colour, label = PALETTE[i % len(PALETTE)], named(loss, room_of_a_legend(figure))
        for split, face in (("train", colour), ("test", "none")):
            points = [(value, places[k]) for r in group for k, value in enumerate(spreads(r, split))
                      if value is not None and k in places]  # fmt: skip
            ax.scatter(
                [value for value, _ in points],
                [place for _, place in points],
                s=28,
                facecolors=face,
                edgecolors=colour,
                linewidths=1,
                label=label if split == "train" else None,
            )
        if between:
            _draw_between(ax, group, between, _ENDS + 0.6 * ((i + 0.5) / len(groups) - 0.5), colour)
    ax.set(xlabel="intra-class spread I", xscale="log")
    logarithmic(ax.xaxis)
    told = {place: named(names[k], _NAME) for k, place in places.items()}
    if between:
        told[_ENDS] = f"{len(between):,} between"
    ax.set_yticks(sorted(told), [told[place] for place in sorted(told)])
    ax.invert_yaxis()
    legend(figure, ax)
    caption = _caption(len(names), len(ranked), len(between), any(0.0 in values for values in _marks(table)))
    return caption, "Dot plot of the intra-class spread of each class for each loss; figures in the table by class."


def _draw_between(ax: Axes, group: Sequence[Record], between: Sequence[int], place: float, colour: str) -> None:
    """Median and range of the classes that have no row, on test images, each the mean of its seeds."""
    runs = [spreads(record, "test") for record in group]
    found = [[value for run in runs if (value := run[k])] for k in between]
    means = [fmean(values) for values in found if values]
    if means:
        ax.plot([min(means), max(means)], [place, place], color=colour, lw=1.2)
        ax.plot([median(means)], [place], color=colour, marker="|", ms=9, mew=1.6)


def _caption(classes: int, ranked: int, between: int, zero: bool) -> str:
    marks = "every seed a mark; filled: training images, open: test images."
    if not between and ranked == classes:
        caption = f"Spread of each class after the last epoch, {marks}"
    else:
        which = f"the {_ENDS} most and the {_ENDS} least compact of {classes:,} classes" if between else "each class"
        order = "the most compact first (by the geometric mean of its marks)"
        caption = f"Spread of {which} after the last epoch, {order}, {marks}"
    if between:
        caption += f" Of the {between:,} classes between, on test images: range and median."
    if ranked < classes:
        caption += f" {classes - ranked:,} classes without a spread are left out: that takes two images."
    if zero:
        caption += " A spread of 0 has no place on the logarithmic scale."
    return caption
