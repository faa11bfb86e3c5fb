"""Features in two dimensions, by class."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sigma2r.report.picture import Look, height_of_legend, legend, looks_of, named
from sigma2r.report.tables import Table, figure_at, rows_that_share_classes
from sigma2r.studies.record import Record

_NAMED = 20  # classes, beyond which they are not named
_DRAWN = 100  # classes, beyond which only some of them are drawn
_POINTS = 3000  # of one loss, beyond 20 classes
_RECORDED = 300  # points of a class in a record
_PANEL = 3.1  # inches of width
_NAME = 1.6  # inches of a class's name in the legend
_MARKED = ("learned center", "class mean")


def in_the_plane(table: Table) -> list[Record]:
    """The first run of each loss that has features of two dimensions."""
    return [group[0] for group in rows_that_share_classes(table).values() if group[0].plane]


def draw_features(figure: Figure, table: Table) -> tuple[str, str]:
    """Points by class for each loss, in feature units and over the distance between classes.

    Returns:
        Caption and alternative text.
    """
    firsts, names = in_the_plane(table), table.class_names
    looks = _looks(names)
    limit = _RECORDED if len(names) <= _NAMED else _POINTS // len(looks)
    units = [figure_at(record.final, "train", "inter") for record in firsts]
    rows = 2 if any(units) else 1
    width = _PANEL * len(firsts)
    more = height_of_legend([*names, *_MARKED], _NAME, width) if len(names) <= _NAMED else 0.0
    figure.set_size_inches(width, 3.2 * rows + (more if len(names) > 10 else 0.0))
    axes = figure.subplots(rows, len(firsts), squeeze=False)
    for column, (record, unit) in enumerate(zip(firsts, units, strict=True)):
        _scatter(axes[0][column], record, None, looks, limit)
        if unit:
            _scatter(axes[1][column], record, unit, looks, limit)
        elif rows == 2:
            axes[1][column].set_axis_off()
        axes[0][column].set_title(
            f"{named(record.run.loss_name, _PANEL - 0.1, 10)}\n"
            f"I {_told(record, 'intra_mean', '.3g')}, intra/inter {_told(record, 'intra_inter', '.3f')}"
        )
    if rows == 2:
        drawn = [ax for ax, unit in zip(axes[1], units, strict=True) if unit]
        reach = max(abs(edge) for ax in drawn for edge in (*ax.get_xlim(), *ax.get_ylim()))
        for ax in drawn:
            ax.set(xlim=(-reach, reach), ylim=(-reach, reach))
        drawn[0].set_ylabel("over the distance between classes")
    axes[0][0].set_ylabel("in feature units")
    legend(figure, axes[0][-1])
    told = "; ".join(
        f"{r.run.loss_name}: spread {_told(r, 'intra_mean', '.3g')}, spread over distance between classes "
        f"{_told(r, 'intra_inter', '.3f')}"
        for r in firsts
    )
    caption = _caption(rows, limit, len(names), len(looks))
    return caption, f"Scatter plots of two-dimensional features by class for each loss. {told}."


def _caption(rows: int, limit: int, classes: int, drawn: int) -> str:
    some = f" of {drawn} of the {classes:,} classes, evenly spread over their order," if drawn < classes else ""
    colours = " Colours follow the order of the classes." if classes > _NAMED else ""
    below = (
        "Above in feature units, each panel at its own scale; below about their middle and divided by the mean "
        "distance between class means, all panels at one scale, so that a network gains nothing by shrinking "
        "everything."
    )
    alone = "In feature units, each panel at its own scale."
    return (
        f"Features of training images{some} in two dimensions, first seed, at most {limit} a "
        f"class. {below if rows == 2 else alone}{colours}"
    )


def _looks(names: Sequence[str]) -> dict[int, Look]:
    """How each class that is drawn is drawn, by its index."""
    drawn = range(len(names))
    chosen = [k * len(names) // _DRAWN for k in range(_DRAWN)] if len(names) > _DRAWN else list(drawn)
    return dict(zip(chosen, looks_of([names[k] for k in chosen]), strict=True))


def _told(record: Record, key: str, form: str) -> str:
    value = figure_at(record.final, "train", key)
    return "–" if value is None else format(value, form)


def _scatter(ax: Axes, record: Record, unit: float | None, looks: Mapping[int, Look], limit: int) -> None:
    """Points by class, class means and learned centers; about their middle where they are divided by a ``unit``."""
    plane = record.plane
    assert plane is not None
    means, centers = ([points[k] for k in looks] for points in (plane["means"], plane["centers"] or plane["means"]))
    known = _known(plane["means"])
    middle = [0.0, 0.0] if unit is None or not known else [fmean(mean[axis] for mean in known) for axis in (0, 1)]

    def moved(points: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
        x, y = ([(point[axis] - middle[axis]) / (unit or 1.0) for point in points] for axis in (0, 1))
        return x, y

    few = len(record.class_names) <= _NAMED
    size: dict[str, Any] = {"s": 45} if few else {"s": 12, "linewidths": 0.7}
    points: dict[int, list[Sequence[float]]] = {k: [] for k in looks}
    for point, label in zip(plane["features"], plane["labels"], strict=True):
        if label in points:
            points[label].append(point)
    for k, look in looks.items():
        shown = _evenly(points[k], limit)
        name = named(record.class_names[k], _NAME) if few else None
        ax.scatter(*moved(shown), s=5, alpha=0.5, linewidths=0, color=look.colour, marker=look.mark, label=name)
    if plane["centers"]:
        ax.scatter(*moved(_known(centers)), marker="x", color="black", label=_MARKED[0], **size)
    ax.scatter(*moved(_known(means)), facecolors="none", edgecolors="black", label=_MARKED[1], **size)
    ax.set_aspect("equal", adjustable="datalim" if unit is None else "box")


def _known(points: Sequence[Sequence[float | None]]) -> list[Any]:
    """Points that are there: a class without training images has no mean."""
    return [point for point in points if None not in point]


def _evenly(points: list[Any], limit: int) -> list[Any]:
    return points if len(points) <= limit else [points[i * len(points) // limit] for i in range(limit)]
