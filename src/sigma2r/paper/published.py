"""The published numbers of arXiv 2009.08796, each with its table, row and column; and the two gains it computes."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal


@dataclass(frozen=True)
class Cell:
    """A printed number.

    Args:
        table: 1 to 4.
        row: As printed: ``train, class 0``, ``avg``.
        column: As printed, or what a column stands for: ``center``, ``sigma2r``, ``gain``, ``cross-entropy``.
        printed: The number with the digits that were printed; accuracies and gains in per cent.
    """

    table: int
    row: str
    column: str
    printed: str

    @property
    def value(self) -> Decimal:
        """The number, exactly as printed."""
        return Decimal(self.printed)


# Tables 1 and 2: intra-class measure (Eq. 12) with the center loss and with sigma2R, and the gain in per cent.
_TABLE_1 = {
    "train": (
        "0.8378 0.1904 339.87", "1.0190 0.2155 372.65", "1.0543 0.2628 301.05", "1.0234 0.2289 347.01",
        "1.0023 0.2406 316.53", "0.8798 0.2026 334.11", "1.1142 0.2785 300.03", "0.9149 0.1911 378.74",
        "1.0085 0.2462 309.48", "0.7721 0.1579 388.83",
    ),
    "test": (
        "0.7372 0.1559 372.87", "0.9101 0.1759 417.45", "1.0292 0.2661 286.70", "1.0061 0.2159 365.89",
        "0.9773 0.2354 315.14", "0.7601 0.1638 363.80", "1.1069 0.2743 303.46", "0.7824 0.1556 402.56",
        "0.9867 0.2361 317.90", "0.6187 0.1335 363.42",
    ),
}  # fmt: skip
_TABLE_2 = (
    "0.4127 0.1016 306.12", "0.2450 0.0698 250.86", "0.4062 0.1093 271.74", "0.2800 0.1452 92.88",
    "0.3656 0.0991 268.79", "0.3575 0.0967 269.76", "0.3067 0.0819 274.54", "0.2826 0.0879 221.56",
    "0.3197 0.0712 349.25", "0.3074 0.0798 285.15",
)  # fmt: skip
# Tables 3 and 4: accuracy with a loss and with what it is compared with, and the gain, all in per cent.
_ACCURACIES = {
    3: {
        ("sigma2r", "cross-entropy"): {"avg": "91.503 89.71 1.959", "max": "92.01 90.78 1.336"},
        ("soft-nearest-neighbor", "cross-entropy"): {"avg": "89.9 89.71 0.211", "max": "91.22 90.78 0.482"},
        ("sigma2r", "center"): {"avg": "91.503 91.34 0.178", "max": "92.01 91.72 0.315"},
    },
    4: {
        ("sigma2r", "cross-entropy"): {"avg": "60.281 56.44 6.371", "max": "62.65 58.18 7.134"},
        ("sigma2r", "center"): {"avg": "60.281 58.90 2.284", "max": "62.65 61.57 1.723"},
    },
}


@dataclass(frozen=True)
class Comparison:
    """A row of a table: a loss, what it is compared with, and the printed gain."""

    new: Cell
    old: Cell
    gain: Cell

    @property
    def computed_gain(self) -> Decimal:
        """The gain that follows from the printed cells by the table's own formula, with as many digits.

        Tables 1 and 2: (old - new) / new, rounded. Tables 3 and 4: (new - old) / new, truncated.
        """
        difference = self.old.value - self.new.value if self.new.table < 3 else self.new.value - self.old.value
        places = Decimal(1).scaleb(self.gain.value.as_tuple().exponent)  # type: ignore[arg-type]
        rounding = ROUND_HALF_UP if self.new.table < 3 else ROUND_DOWN
        return (100 * difference / self.new.value).quantize(places, rounding)


def comparisons() -> Iterator[Comparison]:
    """All rows of Tables 1 to 4 in which two losses are compared."""
    for split, rows in _TABLE_1.items():
        for k, row in enumerate(rows):
            yield _spreads(1, f"{split}, class {k}", row)
    for k, row in enumerate(_TABLE_2):
        yield _spreads(2, f"class {k}", row)
    for table, blocks in _ACCURACIES.items():
        for (loss, baseline), lines in blocks.items():
            for row, line in lines.items():
                new, old, gain = line.split()
                yield Comparison(
                    Cell(table, row, loss, new),
                    Cell(table, row, baseline, old),
                    Cell(table, row, f"gain of {loss} on {baseline}", gain),
                )


def _spreads(table: int, row: str, line: str) -> Comparison:
    old, new, gain = line.split()
    return Comparison(Cell(table, row, "sigma2r", new), Cell(table, row, "center", old), Cell(table, row, "gain", gain))


def cells(table: int, column: str) -> dict[str, Decimal]:
    """The numbers of a column by their row.

    Example:
        >>> cells(3, "soft-nearest-neighbor")
        {'avg': Decimal('89.9'), 'max': Decimal('91.22')}
    """
    found = (cell for each in comparisons() for cell in (each.new, each.old, each.gain))
    return {cell.row: cell.value for cell in found if (cell.table, cell.column) == (table, column)}
