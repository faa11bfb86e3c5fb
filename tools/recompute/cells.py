"""What a cell says: words, and numbers with the digits that they are shown with; and whether a page says the same."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

SAME, LAST_DIGIT, DIFFERS = "same", "last digit", "differs"
DASH = "–"
_CLOSE = 1e-6  # of a tie, within which either neighbour may stand


class Number(NamedTuple):
    """A number, and how Python's format shows it, such as ``+.3f``."""

    value: float
    form: str


Cell = tuple[str | Number, ...]


@dataclass(frozen=True)
class Words:
    """Words that no record decides, held to what they must not contradict.

    Args:
        wanted: What they must say, for whoever reads of a difference.
        fits: Whether they do.
    """

    wanted: str
    fits: Callable[[str], bool]


Expected = Cell | Words


def shown(cell: Expected) -> str:
    """The cell as a page has it."""
    if isinstance(cell, Words):
        return f"({cell.wanted})"
    return "".join(piece if isinstance(piece, str) else format(piece.value, piece.form) for piece in cell)


def joined(cells: Iterable[Cell], between: str) -> Cell:
    """Several cells in one."""
    pieces: list[str | Number] = []
    for cell in cells:
        pieces += [between, *cell] if pieces else cell
    return tuple(pieces)


def agreement(cell: Expected, found: str) -> str:
    """``same``, ``last digit`` where all that differs is a tie in rounding, otherwise ``differs``."""
    if isinstance(cell, Words):
        return SAME if cell.fits(found) else DIFFERS
    if shown(cell) == found:
        return SAME
    pattern = "".join(re.escape(piece) if isinstance(piece, str) else r"([+-]?\d[\d,]*(?:\.\d+)?)" for piece in cell)
    match = re.fullmatch(pattern, found)
    numbers = [piece for piece in cell if isinstance(piece, Number)]
    if match and all(map(_is_neighbour, numbers, match.groups())):
        return LAST_DIGIT
    return DIFFERS


def _is_neighbour(number: Number, found: str) -> bool:
    """Whether the text is the number, or what lies on the other side of a tie that it all but sits on."""
    if format(number.value, number.form) == found:
        return True
    digits = re.search(r"\.(\d+)f", number.form)
    unit = 10.0 ** -int(digits[1] if digits else 0)
    tie = (math.floor(number.value / unit) + 0.5) * unit
    beside = abs(abs(float(found.replace(",", "")) - tie) - unit / 2) < unit / 100
    return beside and abs(number.value - tie) <= _CLOSE * abs(tie)
