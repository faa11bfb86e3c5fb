"""What the paper prints in its four tables, and our figures beside it.

The columns stand as they are printed: of Tables 1 and 2 center loss, sigma2R and the gain; of Tables 3 and 4 the loss,
what it is compared with, and the gain.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tools.recompute.cells import DASH, Cell, Expected, Number
from tools.recompute.rows import ACCURACY, Rows
from tools.recompute.studies import CENTER, SIGMA, SUM
from tools.recompute.sums import mean, over_seeds
from tools.recompute.tables import Table, caption

_SPREADS = {
    "train": """
        0.8378 0.1904 339.87
        1.0190 0.2155 372.65
        1.0543 0.2628 301.05
        1.0234 0.2289 347.01
        1.0023 0.2406 316.53
        0.8798 0.2026 334.11
        1.1142 0.2785 300.03
        0.9149 0.1911 378.74
        1.0085 0.2462 309.48
        0.7721 0.1579 388.83
    """,
    "test": """
        0.7372 0.1559 372.87
        0.9101 0.1759 417.45
        1.0292 0.2661 286.70
        1.0061 0.2159 365.89
        0.9773 0.2354 315.14
        0.7601 0.1638 363.80
        1.1069 0.2743 303.46
        0.7824 0.1556 402.56
        0.9867 0.2361 317.90
        0.6187 0.1335 363.42
    """,
    "CIFAR10": """
        0.4127 0.1016 306.12
        0.2450 0.0698 250.86
        0.4062 0.1093 271.74
        0.2800 0.1452 92.88
        0.3656 0.0991 268.79
        0.3575 0.0967 269.76
        0.3067 0.0819 274.54
        0.2826 0.0879 221.56
        0.3197 0.0712 349.25
        0.3074 0.0798 285.15
    """,
}
_ACCURACIES = {
    3: """
        sigma2r cross-entropy
        91.503 89.71 1.959
        92.01 90.78 1.336
        soft-nearest-neighbor cross-entropy
        89.9 89.71 0.211
        91.22 90.78 0.482
        sigma2r center
        91.503 91.34 0.178
        92.01 91.72 0.315
    """,
    4: """
        sigma2r cross-entropy
        60.281 56.44 6.371
        62.65 58.18 7.134
        sigma2r center
        60.281 58.90 2.284
        62.65 61.57 1.723
    """,
}


def printed_spreads(what: str) -> list[list[str]]:
    """Center loss, sigma2R and gain of each class: of ``train`` and ``test`` of Table 1, or of CIFAR10."""
    return [line.split() for line in _SPREADS[what].strip().splitlines()]


class Printed(NamedTuple):
    """A row of Table 3 or 4: a loss, what it is compared with, whether it is an average, and three numbers."""

    loss: str
    other: str
    row: str
    new: str
    old: str
    gain: str


def printed_accuracies(table: int) -> Iterator[Printed]:
    """The rows of Table 3 or 4."""
    lines = [line.split() for line in _ACCURACIES[table].strip().splitlines()]
    for (loss, other), *rows in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        for row, numbers in zip(("avg", "max"), rows, strict=True):
            yield Printed(loss, other, row, *numbers)


def beside_the_paper(table: int, rows: Rows) -> Table:
    """Our figures beside those of a table, in every reading."""
    headings, cells, told = _beside_spreads(table, rows) if table < 3 else _beside_accuracies(table, rows)
    which = " The paper does not say of which images Table 2 is; ours are test images." if table == 2 else ""
    return Table(
        "gains",
        f"Table {table} of the paper, ours beside the printed",
        (*headings, "new, paper", "old, paper", "gain, printed"),
        tuple(cells),
        caption(rows, f"Gain in per cent, of means over seeds: {told}.{which} "),
    )


_Beside = tuple[tuple[str, ...], list[tuple[Expected, ...]], str]


def _beside_spreads(table: int, rows: Rows) -> _Beside:
    blocks = (("train", "train"), ("test", "test")) if table == 1 else (("CIFAR10", "test"),)
    cells: list[tuple[Expected, ...]] = []
    for what, split in blocks:
        for k, (old, new, gain) in enumerate(printed_spreads(what)):
            title = f"{what}, class {k}" if table == 1 else f"class {k}"
            cells.append(((title,), *_of_class(rows, split, k), (new,), (old,), (gain,)))
    readings = tuple(heading for reading in SIGMA for heading in (reading, f"gain, {reading}"))
    headings = ("row", "center", *readings, "center, sum", "gain on the sum")
    return headings, cells, "(center - sigma2R) / sigma2R; on the sum, of the reading distance-std"


def _of_class(rows: Rows, split: str, k: int) -> Iterator[Cell]:
    """A class under the center loss; under sigma2R with its gain, by reading; under the sum, and the gain on it."""
    center, summed, *readings = (_spreads(rows, loss, split, k) for loss in (CENTER, SUM, *SIGMA.values()))
    yield over_seeds(center, 4)
    for values in readings:
        yield over_seeds(values, 4)
        yield _gain(center, values)
    yield over_seeds(summed, 4)
    yield _gain(summed, readings[0])


def _spreads(rows: Rows, loss: str, split: str, k: int) -> list[float | None]:
    found = (record.of_classes(split) for record in rows.get(loss, ()))
    return [values[k] if k < len(values) else None for values in found]


def _gain(old: Sequence[float | None], new: Sequence[float | None]) -> Cell:
    """By how many per cent the old mean lies above the new."""
    middles = _mean(old), _mean(new)
    if middles[0] is None or not middles[1]:
        return (DASH,)
    return (Number(100 * (middles[0] - middles[1]) / middles[1], ".2f"),)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None


def _ours(printed: str, rows: Rows) -> list[str]:
    """Our rows that a column of the paper may stand for."""
    if printed == "sigma2r":
        return [loss for loss in SIGMA.values() if loss in rows]
    if printed == "soft-nearest-neighbor":
        hidden = [loss for loss in rows if loss.startswith("soft-nearest-neighbor@-0.01[")]
        return [loss for loss in ("soft-nearest-neighbor@0.01", *hidden) if loss in rows]
    return [loss for loss in ({"center": CENTER}.get(printed, printed),) if loss in rows]


def _beside_accuracies(table: int, rows: Rows) -> _Beside:
    cells: list[tuple[Expected, ...]] = []
    for printed in printed_accuracies(table):
        other = _ours(printed.other, rows)
        old = _accuracies(rows, other[0], printed.row) if other else []
        for loss in _ours(printed.loss, rows):
            new = _accuracies(rows, loss, printed.row)
            gain: Cell = (Number(100 * (mean(new) - mean(old)) / mean(new), ".2f"),) if old and new else (DASH,)
            cells.append(
                (
                    (f"{printed.row}, {loss} on {printed.other}",),
                    over_seeds(new, 2),
                    over_seeds(old, 2),
                    gain,
                    *((text,) for text in (printed.new, printed.old, printed.gain)),
                )
            )
    return ("row", "new, ours", "old, ours", "gain, ours"), cells, "(new - old) / new"


def _accuracies(rows: Rows, loss: str, row: str) -> list[float]:
    """Accuracies of the seeds in per cent, or the best of them."""
    found = [100 * value for record in rows[loss] if (value := ACCURACY.of(record)) is not None]
    return [max(found)] if found and row == "max" else found


def ratios(rows: Rows) -> Table:
    """How many times compacter sigma2R is than the center loss, the least and the most of the classes, by reading."""
    centers = [loss for loss in rows if loss.startswith(CENTER)]
    cells: list[tuple[Expected, ...]] = []
    for loss in (loss for loss in rows if loss.startswith("sigma2r@0.01")):
        for split in ("train", "test"):
            new = _means(rows, loss, split)
            cells.append(((f"{loss}, {split}",), *(_range(_means(rows, old, split), new) for old in centers)))
    for split in ("train", "test"):
        both = ([float(row[column]) for row in printed_spreads(split)] for column in (0, 1))
        cells.append(((f"paper, {split}",), _range(*both), *[(DASH,)] * (len(centers) - 1)))
    title = "How many times compacter than the center loss, by reading"
    return Table("ratios", title, ("reading and images", *centers), tuple(cells))


def _means(rows: Rows, loss: str, split: str) -> list[float | None]:
    names = rows[loss][0].raw["class_names"]
    return [_mean(_spreads(rows, loss, split, k)) for k in range(len(names))]


def _range(old: Sequence[float | None], new: Sequence[float | None]) -> Cell:
    found = [a / b for a, b in zip(old, new, strict=True) if a is not None and b]
    return (Number(min(found), ".2f"), " to ", Number(max(found), ".2f")) if found else (DASH,)


def gains_told(columns: Mapping[str, str]) -> str:
    """The least and the greatest printed gain of some blocks, as a verdict quotes them."""
    told = []
    for what, ending in columns.items():
        gains = [row[2] for row in printed_spreads(what)]
        told.append(f"{min(gains, key=float)} to {max(gains, key=float)} %{ending}")
    return f"gain {', '.join(told)}"


def accuracies_told(table: int, loss: str, other: str) -> str:
    """Two printed averages, as a verdict quotes them."""
    averages: dict[str, str] = {}
    for printed in (each for each in printed_accuracies(table) if each.row == "avg"):
        averages |= {printed.loss: printed.new, printed.other: printed.old}
    return f"{averages[loss]} against {averages[other]} %"
