"""Which class is taken for which, drawn and as the pairs that are mixed up most.

Axes: C classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from sigma2r.report.grid import Grid
from sigma2r.report.picture import Picture, named, picture

MOST_DRAWN = 60
"""Classes, beyond which those with most errors alone are drawn."""

_SOME = 30  # classes that are drawn then
_PAIRS = 20  # pairs that the table has
_WITH_COUNTS = 20  # classes, up to which each cell has its count
_ROOM = 1.6  # inches for a name


def confusion_picture(counts: Mapping[str, Any], names: Sequence[str]) -> Picture:
    """A cell for each class and what it was taken for, darker for a larger share of the class.

    Args:
        counts: ``labels``, ``predictions`` and ``count`` of each pair that occurs.
        names: Of the classes.
    """
    chosen = _chosen(counts, len(names))
    return picture("confusion", lambda figure: _draw(figure, counts, names, chosen))


def _triples(counts: Mapping[str, Any]) -> list[tuple[int, int, int]]:
    return list(zip(counts["labels"], counts["predictions"], counts["count"], strict=True))


def _chosen(counts: Mapping[str, Any], num_classes: int) -> list[int]:
    if num_classes <= MOST_DRAWN:
        return list(range(num_classes))
    errors = [0] * num_classes
    for label, prediction, count in _triples(counts):
        if label != prediction:
            errors[label] += count
            errors[prediction] += count
    return sorted(sorted(range(num_classes), key=lambda k: -errors[k])[:_SOME])


def _draw(figure: Figure, counts: Mapping[str, Any], names: Sequence[str], chosen: Sequence[int]) -> tuple[str, str]:
    place = {k: row for row, k in enumerate(chosen)}
    total = [0] * len(names)
    cells = [[0] * len(chosen) for _ in chosen]
    for label, prediction, count in _triples(counts):
        total[label] += count
        if label in place and prediction in place:
            cells[place[label]][place[prediction]] = count
    shares = [[count / max(1, total[k]) for count in row] for k, row in zip(chosen, cells, strict=True)]
    side = max(3.2, min(9.0, 0.34 * len(chosen)))
    figure.set_size_inches(side + _ROOM, side + _ROOM)
    ax = figure.subplots()
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    shown = [named(names[k], _ROOM, 8) for k in chosen]
    ax.set_xticks(range(len(chosen)), shown, rotation=90, fontsize=8)
    ax.set_yticks(range(len(chosen)), shown, fontsize=8)
    ax.set(xlabel="taken for", ylabel="class")
    ax.grid(False)
    if len(chosen) <= _WITH_COUNTS:
        for row, line in enumerate(cells):
            for column, count in enumerate(line):
                if count:
                    colour = "white" if shares[row][column] > 0.5 else "black"
                    ax.text(column, row, f"{count:,}", ha="center", va="center", fontsize=7, color=colour)
    figure.colorbar(image, ax=ax, shrink=0.6, label="share of the class")
    some = f"the {len(chosen)} classes with most errors of {len(names):,}" if len(chosen) < len(names) else "each class"
    caption = f"How many images of {some} (rows) are taken for which (columns); darker: a larger share of the class."
    return caption, "A table of classes and predictions, shaded by share; the pairs that are mixed up most stand below."


def confusion_grid(counts: Mapping[str, Any], names: Sequence[str]) -> Grid:
    """The pairs of a class and another one that it is most often taken for."""
    total = [0] * len(names)
    for label, _, count in _triples(counts):
        total[label] += count
    wrong = [each for each in _triples(counts) if each[0] != each[1]]
    wrong.sort(key=lambda each: (-each[2], each[0], each[1]))
    rows = tuple(
        (names[label], names[prediction], f"{count:,}", f"{100 * count / total[label]:.1f} %")
        for label, prediction, count in wrong
    )
    errors = sum(count for _, _, count in wrong)
    told = f"{errors:,} of {sum(total):,} images are taken for another class."
    if len(rows) > _PAIRS:
        told += f" The {_PAIRS} pairs with most of {len(rows):,}."
    return Grid(
        name="mixed-up",
        title="Classes that are mixed up",
        caption=told,
        headings=("class", "taken for", "images", "of the class"),
        rows=rows[:_PAIRS],
        all_rows=rows,
    )
