"""Figures 1 to 3 as pictures and tables, from what the loss itself computes."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sigma2r.paper.geometry import (
    COMPUTED,
    JITTER,
    LAYOUTS,
    Layout,
    Samples,
    Surface,
    figure_1,
    figure_2,
    figure_3,
)
from sigma2r.report.document import Document, Section
from sigma2r.report.figures import PALETTE, picture
from sigma2r.report.grid import Grid

# Points from each sample of Figure 1 to its label.
_LABELS = ((5, 6), (6, 5), (6, 5), (42, 0), (-86, -40), (24, -26))

_LINE = {"arrowstyle": "-", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3}


def geometry_sections() -> tuple[Section, ...]:
    """Figures 1, 2 and 3, a section each."""
    return tuple(_SECTIONS[name]() for name in COMPUTED)


def figure_document(name: str) -> Document:
    """The report of one of :data:`sigma2r.paper.geometry.COMPUTED`."""
    section = dataclasses.replace(_SECTIONS[name](), code=f"sigma2r reproduce {name}")
    return Document(title=f"sigma2r: {COMPUTED[name]}", sections=(section,))


def _figure_1(layout: Layout) -> Section:
    def draw(figure: Figure) -> tuple[str, str]:
        figure.set_size_inches(10.5, 3.9)
        axes = figure.subplots(1, len(layout.gates), sharex=True, sharey=True)
        x, y = zip(*layout.points, strict=True)
        for ax, gates in zip(axes, layout.gates, strict=True):
            dots = ax.scatter(x, y, c=gates.beta, vmin=0, vmax=40, cmap="viridis", s=36, edgecolors="black", lw=0.6)
            ax.plot(0, 0, marker="x", color="black", ms=9, mew=2)
            for i, (name, point) in enumerate(zip(layout.names, layout.points, strict=False)):
                told_beta = f"{name} {gates.beta[i]:.1f}"
                ax.annotate(
                    told_beta, point, xytext=_LABELS[i], textcoords="offset points", fontsize=7, arrowprops=_LINE
                )
            ax.set(title=gates.reading, xlim=(-5.2, 6.4), ylim=(-4.4, 3.6), aspect="equal", xlabel="first feature")
        axes[0].set_ylabel("second feature")
        figure.colorbar(dots, ax=axes, label="gate", shrink=0.8)
        caption = (
            "Gates of samples of one class about their center (the cross), n = 3, Z = 40, in three readings of sigma. "
            "x1 is alone, x2 has company, x4 to x6 are the nearest."
        )
        told = "; ".join(
            f"{g.reading}: " + ", ".join(f"{n} {b:.1f}" for n, b in zip(layout.names, g.beta, strict=False))
            for g in layout.gates
        )
        return caption, f"Three scatter plots of the same samples, coloured by their gate. {told}."

    rows = tuple(
        (
            gates.reading,
            *(f"{beta:.2f}" for beta in gates.beta[:6]),
            "yes" if gates.far_above_near else "no",
            "yes" if gates.isolated_above_accompanied else "no",
            f"{gates.share:.0%}",
            *(f"{excess:.3f}" for excess in gates.excess_of_outlier),
        )
        for gates in layout.gates
    )
    grid = Grid(
        name="figure-1-gates",
        title="Gates, and the two statements of the caption",
        caption="Gates of x1 to x6; whether those of x1, x2, x3 are all above those of x4, x5, x6; whether that of x1 "
        f"is above that of x2; in how many of {LAYOUTS:,} layouts, each sample moved by N(0, {JITTER:g}²) on each "
        "axis, both are so; and sigma(n, x) - sigma(n, C) of a lone sample at three distances from a tight class.",
        headings=(
            "reading",
            *layout.names,
            "far above near",
            "x1 above x2",
            "both, of moved layouts",
            *(f"outlier at {distance:g}" for distance in layout.distances),
        ),
        rows=rows,
    )
    text = (
        "The paper's caption says that the far samples x1, x2, x3 are weighed more than the near x4, x5, x6, and the "
        "isolated x1 more than x2, which has company. The standard deviation of distances, the one reading under which "
        "training shows what the paper's tables show, does not see isolation: all distances of an outlier to a tight "
        "class are alike, however far it is. The other two readings do what the figure says."
    )
    return Section(
        title="Figure 1: weights around a center",
        paragraphs=(text,),
        grids=(grid,),
        pictures=(picture("figure-1", draw),),
    )


def _figure_2(surface: Surface) -> Section:
    def draw(figure: Figure) -> tuple[str, str]:
        figure.set_size_inches(11, 4.2)
        distance, spread = np.meshgrid(surface.distance.numpy(), surface.spread.numpy())
        plane = np.broadcast_to(surface.center_loss.numpy(), distance.shape)
        top = float(surface.value.max())
        for i, inflection in enumerate(surface.inflections):
            ax: Any = figure.add_subplot(1, len(surface.inflections), i + 1, projection="3d")
            ax.plot_surface(distance, spread, plane, color=PALETTE[0], alpha=0.5, linewidth=0)
            ax.plot_surface(
                distance, spread, surface.value[i].numpy(), cmap="inferno", vmin=0, vmax=top, alpha=0.8, linewidth=0
            )
            ax.set(
                title=f"inflection at {inflection:g}",
                xlabel="distance to center",
                ylabel="spread of neighbours",
                zlim=(0, top),
                xticks=[0, 1, 2],
                yticks=[0, 1, 2],
            )
            ax.view_init(elev=24, azim=-128)
        caption = (
            "The loss of a sample over its distance to the center and the spread of its n neighbours, for three "
            "inflection points sigma(n, C); growth -2, Z = 40. The blue sheet is the center loss, half the squared "
            "distance: where neighbours lie closer than the center's by more than a little, sigma2R is below it."
        )
        return caption, (
            f"Three surfaces that rise with distance and, along a sigmoid, with spread, up to {top:.0f}; the center "
            "loss is a sheet near the floor that does not depend on spread."
        )

    rows = []
    for i, inflection in enumerate(surface.inflections):
        ratio = surface.value[i, :, -1] / surface.center_loss[-1]
        below = surface.spread[ratio < 1]
        rows.append(
            (
                f"{inflection:g}",
                *(f"{float(ratio[j]):.3f}" for j in (0, 15, 30)),
                f"{float(below.max()):.2f}" if len(below) else "–",
            )
        )
    grid = Grid(
        name="figure-2-ratios",
        title="sigma2R over the center loss",
        caption="The ratio does not depend on the distance: 2 beta. Last: the largest spread on the grid at which "
        "sigma2R is below the center loss.",
        headings=("inflection", "at spread 0", "at spread 1", "at spread 2", "below up to"),
        rows=tuple(rows),
    )
    return Section(title="Figure 2: the loss surface", grids=(grid,), pictures=(picture("figure-2", draw),))


def _figure_3(samples: Samples) -> Section:
    def draw(figure: Figure) -> tuple[str, str]:
        count = samples.colours.shape[1]
        figure.set_size_inches(0.85 * count + 0.8, 3.4)
        axes = figure.subplots(len(samples.class_names), count)
        for row, name in enumerate(samples.class_names):
            for column in range(count):
                ax = axes[row][column]
                ax.imshow(samples.colours[row, column].numpy().reshape(1, 1, 3), vmin=0, vmax=1)
                ax.set(xticks=[], yticks=[])
                ax.grid(visible=False)
                ax.set_xlabel(f"{float(samples.margins[row, column]):.2f}", fontsize=8)
            axes[row][0].set_ylabel(name)
        caption = (
            "Images of Fuzzy-RGB by class, at even steps from the largest to the smallest margin between the main "
            "channel and the next (below each image)."
        )
        return caption, (
            "Three rows of ten uniform images, red, green and blue, from bright on the left to nearly black on the "
            "right."
        )

    rows = tuple((f"{margin:g}", f"{100 * share:.2f} %") for margin, share in samples.within.items())
    grid = Grid(
        name="figure-3-margins",
        title="How many images are hard to tell apart",
        caption="Share of the 9,000 training images whose largest channel exceeds the next by no more than the margin, "
        "of full intensity.",
        headings=("margin at most", "share"),
        rows=rows,
    )
    text = (
        f"The paper calls the class of some images uncertain. The largest channel is that of the class in "
        f"{100 * samples.largest_is_label:g} % of them: the main channel has at least 20 %, the others at most. The "
        "images on the right are dark, not ambiguous."
    )
    return Section(
        title="Figure 3: Fuzzy-RGB", paragraphs=(text,), grids=(grid,), pictures=(picture("figure-3", draw),)
    )


_SECTIONS: dict[str, Callable[[], Section]] = {
    "figure-1": lambda: _figure_1(figure_1()),
    "figure-2": lambda: _figure_2(figure_2()),
    "figure-3": lambda: _figure_3(figure_3()),
}
