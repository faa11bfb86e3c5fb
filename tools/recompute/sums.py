"""Means, intervals and paired differences, from their definitions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from scipy import stats

from tools.recompute.cells import DASH, Cell, Number

FEWEST = 5
"""Seeds, below which nothing is decided."""

MOST = 10_000
"""Seeds, beyond which their number is not told."""

_TOGETHER, _CHANCE = 0.05, 0.8  # of a false alarm on the whole page; of finding what is there


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a sample: over its number less one."""
    middle = mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


@cache
def two_sided(alpha: float, degrees: int) -> float:
    """What Student's t exceeds on either side with chance ``alpha`` in all."""
    return float(stats.t.isf(alpha / 2, degrees))


def half_interval(values: Sequence[float], alpha: float = 0.05) -> float:
    """Half the interval of the mean."""
    return two_sided(alpha, len(values) - 1) * deviation(values) / math.sqrt(len(values))


def over_seeds(values: Sequence[float | None], digits: int) -> Cell:
    """Mean ± half the 95 % interval; of one seed the value; a dash where a seed lacks it."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return (DASH,)
    form = f".{digits}f"
    middle = Number(mean(known), form)
    return (middle,) if len(known) == 1 else (middle, " ± ", Number(half_interval(known), form))


@dataclass(frozen=True)
class Paired:
    """Differences of seed and seed, summed up.

    Args:
        n: How many.
        mean: Their mean.
        half: Half the interval of it, at the level of the page.
        higher: How many lie above 0.
        needed: Seeds that would tell so large a difference from 0; None for more than are told.
    """

    n: int
    mean: float
    half: float
    higher: int
    needed: int | None

    @property
    def side(self) -> str:
        """``higher`` or ``lower`` where the interval leaves out 0, else ``undecided``."""
        if abs(self.mean) <= self.half:
            return "undecided"
        return "higher" if self.mean > 0 else "lower"

    def interval(self, digits: int) -> Cell:
        """From where to where."""
        form = f"+.{digits}f"
        return (Number(self.mean - self.half, form), " to ", Number(self.mean + self.half, form))


def paired(differences: Sequence[float], family: int) -> Paired:
    """At least two differences, with an interval that holds at once with all others of a family (Bonferroni)."""
    alpha = _TOGETHER / family
    return Paired(
        n=len(differences),
        mean=mean(differences),
        half=half_interval(differences, alpha),
        higher=len([value for value in differences if value > 0]),
        needed=seeds_to_decide(mean(differences), deviation(differences), alpha),
    )


@cache
def seeds_to_decide(middle: float, scatter: float, alpha: float) -> int | None:
    """The first number of seeds, from five on, that finds such a difference with a chance of 80 %.

    A guess by the normal distribution, then steps down or up to where the noncentral t says that it is enough.
    """
    if middle == 0:
        return None
    if scatter == 0:
        return FEWEST
    effect = abs(middle) / scatter
    if not _enough(MOST, effect, alpha):
        return None
    beyond, within = float(stats.norm.isf(alpha / 2)), float(stats.norm.ppf(_CHANCE))
    n = min(max(FEWEST, round(((beyond + within) / effect) ** 2 + beyond**2 / 2)), MOST)
    while n > FEWEST and _enough(n - 1, effect, alpha):
        n -= 1
    while not _enough(n, effect, alpha):
        n += 1
    return n


def _enough(n: int, effect: float, alpha: float) -> bool:
    return bool(stats.nct.sf(two_sided(alpha, n - 1), n - 1, effect * math.sqrt(n)) >= _CHANCE)
