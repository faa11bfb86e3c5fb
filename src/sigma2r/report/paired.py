"""Do two losses differ? Differences of runs that share their seeds, with intervals that hold all at once."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from sigma2r.report.groups import comparable
from sigma2r.report.tables import ACCURACY, RATIO, SPREAD, TAIL, Column, Table, t_quantile
from sigma2r.studies.record import Record

FEWEST = 5  # seeds, below which nothing is decided
LEVEL = 0.95
POWER = 0.8
_MOST = 10_000  # seeds, beyond which their number is not told

COMPARED = (ACCURACY, SPREAD, RATIO, TAIL)
DIFFERENCE_HEADINGS = (
    "loss", "less", "figure", "n", "difference", "interval", "higher in", "verdict", "seeds to decide",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """A loss less the baseline, in one figure, over the seeds that both were trained with.

    Args:
        loss: The loss.
        baseline: What it is compared with.
        figure: Which figure.
        n: Seeds that both have.
        mean: Mean of the paired differences.
        half_width: Half the t interval of that mean, at a level such that all intervals of a family hold at once with
            95 % (Bonferroni).
        higher: Seeds in which the loss is above the baseline.
        seeds_needed: Seeds with which a difference as large and as scattered as this would be told from 0 with a
            chance of 80 %; None where no number up to 10,000 would do.
        digits: How many are shown.
    """

    loss: str
    baseline: str
    figure: str
    n: int
    mean: float
    half_width: float
    higher: int
    seeds_needed: int | None
    digits: int

    @property
    def verdict(self) -> str:
        """``higher`` or ``lower`` where the interval leaves out 0, otherwise ``undecided``, and why."""
        if self.n < FEWEST:
            return f"undecided (n < {FEWEST})"
        if abs(self.mean) <= self.half_width:
            return "undecided"
        return "higher" if self.mean > 0 else "lower"

    def cells(self) -> list[str]:
        """The row as text, in the order of ``DIFFERENCE_HEADINGS``."""
        low, high = self.mean - self.half_width, self.mean + self.half_width
        needed = f"> {_MOST:,}" if self.seeds_needed is None else f"{self.seeds_needed:,}"
        return [
            self.loss,
            self.baseline,
            self.figure,
            str(self.n),
            f"{self.mean:+.{self.digits}f}",
            f"{low:+.{self.digits}f} to {high:+.{self.digits}f}",
            f"{self.higher} of {self.n}",
            self.verdict,
            needed,
        ]


@dataclass(frozen=True)
class Compared:
    """Two losses in one figure, over the seeds that both were trained with, at least two.

    Args:
        loss: What is compared,
        baseline: with what,
        column: and in which figure.
        pairs: Records of both for each seed.
    """

    loss: str
    baseline: str
    column: Column
    pairs: tuple[tuple[Record, Record], ...]

    @property
    def identity(self) -> object:
        """The same for the same runs and figure, wherever a page compares them and whichever comes first."""
        sides = (frozenset(pair[side].run_id for pair in self.pairs) for side in (0, 1))
        return frozenset(sides), self.column

    @property
    def values(self) -> list[tuple[float, float]]:
        """The figure of both losses for each seed that both have it for."""
        found = [(self.column.value(new), self.column.value(old)) for new, old in self.pairs]
        return [(a, b) for a, b in found if a is not None and b is not None]

    def difference(self, family: int) -> Difference:
        """What the pairs say, with an interval that holds at once with as many as the family has."""
        return difference_of(self.loss, self.baseline, self.column, [a - b for a, b in self.values], family)


def compared(loss: str, baseline: str, column: Column, new: Sequence[Record], old: Sequence[Record]) -> Compared | None:
    """The pairs of two losses, by seed; None where fewer than two seeds have the figure of both."""
    by_seed = [{(r.run.init_seed, r.run.data_seed): r for r in group} for group in (new, old)]
    shared = sorted(by_seed[0].keys() & by_seed[1].keys())
    pairs = tuple((by_seed[0][seed], by_seed[1][seed]) for seed in shared)
    found = Compared(loss, baseline, column, pairs)
    return found if len(found.values) > 1 else None


def compared_in(table: Table, baseline: str | None = None) -> list[Compared]:
    """Every loss of a table with the baseline, in every figure of test images; none where seeds are too few.

    Args:
        table: With a row for the baseline.
        baseline: A loss as its row names it; default: the first.
    """
    groups = table.groups
    baseline = next(iter(groups)) if baseline is None else baseline
    others = [name for name in groups if name != baseline and comparable(groups[name][0], groups[baseline][0])]
    pairs = (compared(name, baseline, column, groups[name], groups[baseline]) for name in others for column in COMPARED)
    return [found for found in pairs if found is not None and len(found.values) == len(found.pairs)]


def family_size(several: Iterable[Compared]) -> int:
    """How many different comparisons these are: one that stands in two tables is one."""
    return len({each.identity for each in several})


def differences(table: Table, baseline: str | None = None, family: int | None = None) -> list[Difference]:
    """What :func:`compared_in` finds, each as a difference.

    Args:
        table: With a row for the baseline.
        baseline: A loss as its row names it; default: the first.
        family: How many intervals are to hold at once; default: those of the table.
    """
    found = compared_in(table, baseline)
    return [each.difference(family or family_size(found)) for each in found]


def difference_of(loss: str, baseline: str, column: Column, values: Sequence[float], family: int) -> Difference:
    """What differences of pairs say.

    Args:
        loss: What was compared,
        baseline: with what,
        column: and in which figure.
        values: At least two differences, one a seed.
        family: How many intervals are to hold at once.
    """
    alpha = (1 - LEVEL) / family
    mean, spread = fmean(values), stdev(values)
    half_width = t_quantile(1 - alpha / 2, len(values) - 1) * spread / math.sqrt(len(values))
    needed = seeds_needed(mean, spread, alpha)
    higher = sum(value > 0 for value in values)
    return Difference(loss, baseline, column.title, len(values), mean, half_width, higher, needed, column.digits)


def seeds_needed(mean: float, spread: float, alpha: float, power: float = POWER) -> int | None:
    """The fewest pairs with which a two-sided t test at ``alpha`` finds such a difference with that ``power``.

    Args:
        mean: The true mean of the differences.
        spread: Their true standard deviation.
        alpha: Chance of finding a difference where there is none.
        power: Chance of finding this one.

    Returns:
        At least 5; None if 10,000 are not enough.
    """
    if mean == 0:
        return None
    if spread == 0:
        return FEWEST

    def enough(n: int) -> bool:
        from scipy.stats import nct

        critical, shift = t_quantile(1 - alpha / 2, n - 1), abs(mean) / spread * math.sqrt(n)
        return float(nct.sf(critical, n - 1, shift)) >= power

    low, high = FEWEST, _MOST
    if not enough(high):
        return None
    while low < high:  # power grows with n
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def note(family: int) -> str:
    """What intervals of differences are, for a caption.

    Args:
        family: How many hold at once.
    """
    return (
        f"Paired by seed. Intervals hold all {family} comparisons of this page at once with 95 % (Student's t, "
        "Bonferroni). They tell what other first weights would do, not another order of the data or other images, and "
        "rest on differences that are normal; in how many seeds a loss is higher does not. Fewer than "
        f"{FEWEST} seeds decide nothing. Seeds to decide: with that many a difference as large and as scattered would "
        "be found with a chance of 80 %."
    )
