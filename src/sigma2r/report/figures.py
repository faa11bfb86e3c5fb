"""From records to figures: features in the plane, growth by epoch, learning curves, spread by class.

Nothing here depends on a display, a date or a random number: the same records give the same bytes.
"""

import io
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from sigma2r.report.tables import Table, loss_groups
from sigma2r.studies.record import Record

# Okabe and Ito's colours, told apart with any kind of colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#9A8C00")
_NAMED = {"red": "#D55E00", "green": "#009E73", "blue": "#0072B2"}  # classes that are colours keep theirs
_STYLE: Any = {  # every value that matplotlib's own files could change
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "figure.facecolor": "white",
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "sigma2r",
}
_UNDATED: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
_MANY = 10  # classes, beyond which they are not named
_HANDLE, _LETTER = 0.6, 0.075  # inches of a legend's mark and of a letter
_ROWS = 6  # losses, beyond which their growth is not drawn


@dataclass(frozen=True)
class Picture:
    """A figure with what a reader needs beside it.

    Args:
        name: File name without ending.
        caption: What it shows.
        alt: What it shows to whom cannot see it.
        svg: The figure as SVG.
        png: The figure as PNG.
        pdf: The figure as PDF.
    """

    name: str
    caption: str
    alt: str
    svg: bytes
    png: bytes
    pdf: bytes


FIGURES = ("features", "growth", "learning", "classes")


def make_figures(table: Table, prefix: str = "", wanted: Container[str] = FIGURES) -> Iterator[Picture]:
    """The figures that the records of a table have something for.

    Args:
        table: Of the records.
        prefix: What their names begin with.
        wanted: Those of ``FIGURES`` that are drawn.
    """
    if "features" in wanted and any(record.plane for record in table.records):
        yield picture(f"{prefix}features", lambda figure: _features(figure, table))
    if "growth" in wanted and any("growth" in entry for record in table.records for entry in record.history):
        yield picture(f"{prefix}growth", lambda figure: _growth(figure, table))
    if "learning" in wanted:
        yield picture(f"{prefix}learning", lambda figure: _learning(figure, table))
    if "classes" in wanted:
        yield picture(f"{prefix}classes", lambda figure: _classes(figure, table))


def picture(name: str, draw: Callable[[Figure], tuple[str, str]]) -> Picture:
    """Draw a figure in the style of all.

    Args:
        name: File name without ending.
        draw: Draws on the figure; returns caption and alternative text.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(layout="constrained")
        caption, alt = draw(figure)
        engine = figure.get_layout_engine()
        assert engine is not None
        engine.execute(figure)  # once, not for each format
        figure.set_layout_engine(None)
        svg, png, pdf = (_render(figure, form) for form in ("svg", "png", "pdf"))
        return Picture(name, caption, alt, svg, png, pdf)


def _render(figure: Figure, form: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=150, metadata=_UNDATED[form])
    return buffer.getvalue()


def _plain(text: str) -> str:
    """Text that matplotlib shows as it is, without looking for formulas."""
    return text.replace("$", r"\$")


def _logarithmic(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis, at 1, 2 and 5 where there are few decades."""
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend(figure: Figure, ax: Axes) -> None:
    """The legend of ``ax`` below the figure, in as many columns as its longest name leaves room for."""
    handles, labels = ax.get_legend_handles_labels()
    room = figure.get_figwidth() / (_HANDLE + _LETTER * max(map(len, labels)))
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, min(len(labels), int(room))))


def _class_colours(names: Sequence[str]) -> list[Any]:
    if set(names) <= set(_NAMED):
        return [_NAMED[name] for name in names]
    if len(names) <= len(PALETTE):
        return list(PALETTE[: len(names)])
    return [mpl.colormaps["turbo"]((k + 0.5) / len(names)) for k in range(len(names))]


def _features(figure: Figure, table: Table) -> tuple[str, str]:
    firsts = [group[0] for group in loss_groups(table.records).values() if group[0].plane]
    names, colours = firsts[0].class_names, _class_colours(firsts[0].class_names)
    figure.set_size_inches(3.1 * len(firsts), 6.4)
    axes = figure.subplots(2, len(firsts), squeeze=False)
    for column, record in enumerate(firsts):
        final = record.final["train"]
        _scatter(axes[0][column], record, 1.0, colours)
        _scatter(axes[1][column], record, final["inter"], colours)
        axes[0][column].set_title(
            f"{_plain(record.run.loss_name)}\nI {final['intra_mean']:.3g}, intra/inter {final['intra_inter']:.3f}"
        )
    reach = max(abs(edge) for ax in axes[1] for edge in (*ax.get_xlim(), *ax.get_ylim()))
    for ax in axes[1]:
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
    axes[0][0].set_ylabel("in feature units")
    axes[1][0].set_ylabel("over the distance between classes")
    if len(names) <= _MANY:
        _legend(figure, axes[0][-1])
    caption = (
        "Features of training images in two dimensions (the paper's Figure 4), first seed, at most 300 a class. Above "
        "in feature units, each panel at its own scale; below about their middle and divided by the mean distance "
        "between class means, all panels at one scale, so that a network gains nothing by shrinking everything."
    )
    told = "; ".join(
        f"{r.run.loss_name}: spread {r.final['train']['intra_mean']:.3g}, spread over distance between classes "
        f"{r.final['train']['intra_inter']:.3f}"
        for r in firsts
    )
    return caption, f"Scatter plots of two-dimensional features by class for each loss. {told}."


def _scatter(ax: Axes, record: Record, unit: float, colours: Sequence[Any]) -> None:
    """Points by class, class means and learned centers; about their middle where they are divided by a ``unit``."""
    plane = record.plane
    assert plane is not None
    middle = [0.0, 0.0] if unit == 1.0 else [fmean(mean[axis] for mean in plane["means"]) for axis in (0, 1)]

    def moved(points: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
        x, y = ([(point[axis] - middle[axis]) / unit for point in points] for axis in (0, 1))
        return x, y

    for k, name in enumerate(record.class_names):
        points = [p for p, label in zip(plane["features"], plane["labels"], strict=True) if label == k]
        ax.scatter(*moved(points), s=5, alpha=0.5, linewidths=0, color=colours[k], label=_plain(name))
    if plane["centers"]:
        ax.scatter(*moved(plane["centers"]), marker="x", s=45, color="black", label="learned center")
    ax.scatter(*moved(plane["means"]), s=45, facecolors="none", edgecolors="black", label="class mean")
    ax.set_aspect("equal", adjustable="datalim" if unit == 1.0 else "box")


def _growth(figure: Figure, table: Table) -> tuple[str, str]:
    grown = [
        group[0]
        for group in loss_groups(table.records).values()
        if group[0].history and "growth" in group[0].history[0]
    ]
    firsts, names = grown[:_ROWS], grown[0].class_names
    colours = _class_colours(names)
    figure.set_size_inches(8, 0.5 + 2.6 * len(firsts))
    axes = figure.subplots(len(firsts), 2, squeeze=False, sharex="col", sharey="col")
    told = []
    for row, record in enumerate(firsts):
        epochs = [entry["epoch"] for entry in record.history]
        for column, (key, label) in enumerate((("growth", "growth w_K"), ("growth_rate", "growth rate K"))):
            ax: Axes = axes[row][column]
            for k, name in enumerate(names):
                curve = [entry[key][k] for entry in record.history]
                ax.plot(epochs, curve, color=colours[k], lw=1.3, marker=".", label=_plain(name))
            ax.set_ylabel(label)
            ax.set_title(_plain(record.run.loss_name))
        last = record.history[-1]["growth"]
        told.append(f"{record.run.loss_name} ends between {min(last):.2f} and {max(last):.2f}")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
    if len(names) <= _MANY:
        axes[0][1].legend(loc="upper right", fontsize=7, ncols=2)
    more = f" {len(grown) - _ROWS} more losses have growth; it is in their records." if len(grown) > _ROWS else ""
    caption = (
        "Growth of each class by epoch (the paper's Figure 5), first seed: left the learned w_K, right the slope "
        f"K = eps + Z sigmoid(w_K) that it stands for.{more}"
    )
    return caption, f"Line plots of the growth of each class by epoch; {'; '.join(told)}."


def _learning(figure: Figure, table: Table) -> tuple[str, str]:
    figure.set_size_inches(8.4, 3.6)
    left, right = figure.subplots(1, 2)
    groups = loss_groups(table.records)
    for i, (loss, group) in enumerate(groups.items()):
        colour = PALETTE[i % len(PALETTE)]
        for ax, key in ((left, "accuracy"), (right, "intra_mean")):
            for split, line in (("train", "-"), ("test", "--")):
                epochs, low, middle, high = _band(group, split, key)
                ax.plot(epochs, middle, line, color=colour, lw=1.4, label=_plain(loss) if split == "train" else None)
                if len(group) > 1:
                    ax.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
    left.set(xlabel="epoch", ylabel="accuracy")
    right.set(xlabel="epoch", ylabel="mean intra-class spread I", yscale="log")
    _logarithmic(right.yaxis)
    _legend(figure, left)
    caption = (
        "Accuracy and mean intra-class spread by epoch; solid: training images (without augmentation), dashed: test "
        "images. Lines are means over seeds, bands their least and greatest. Spread on a logarithmic scale."
    )
    return (
        caption,
        "Line plots of accuracy and of mean intra-class spread by epoch for each loss; figures in the table.",
    )


def _band(group: Sequence[Record], split: str, key: str) -> tuple[list[int], list[float], list[float], list[float]]:
    """Epochs that every seed measured, with least, mean and greatest value over seeds."""
    curves = [{e["epoch"]: e[split][key] for e in record.history if e[split] is not None} for record in group]
    epochs = sorted(set.intersection(*(set(curve) for curve in curves)))
    columns = [[curve[epoch] for curve in curves if curve[epoch] is not None] for epoch in epochs]
    kept = [(epoch, values) for epoch, values in zip(epochs, columns, strict=True) if values]
    return (
        [epoch for epoch, _ in kept],
        [min(values) for _, values in kept],
        [fmean(values) for _, values in kept],
        [max(values) for _, values in kept],
    )


def _classes(figure: Figure, table: Table) -> tuple[str, str]:
    names, groups = table.records[0].class_names, loss_groups(table.records)
    figure.set_size_inches(8.4, 1.3 + 0.28 * min(len(names), 40))
    ax: Axes = figure.subplots()
    for i, (loss, group) in enumerate(groups.items()):
        for split, face in (("train", PALETTE[i % len(PALETTE)]), ("test", "none")):
            points = [(value, k) for r in group for k, value in enumerate(r.final[split]["intra"]) if value is not None]
            ax.scatter(
                [value for value, _ in points],
                [k for _, k in points],
                s=28,
                facecolors=face,
                edgecolors=PALETTE[i % len(PALETTE)],
                linewidths=1,
                label=_plain(loss) if split == "train" else None,
            )
    ax.set(xlabel="intra-class spread I", xscale="log")
    _logarithmic(ax.xaxis)
    ax.set_yticks(range(len(names)), [_plain(name) for name in names] if len(names) <= 40 else [""] * len(names))
    ax.invert_yaxis()
    _legend(figure, ax)
    caption = (
        "Spread of each class after the last epoch, every seed a mark; filled: training images, open: test images."
    )
    return caption, "Dot plot of the intra-class spread of each class for each loss; figures in the table by class."
