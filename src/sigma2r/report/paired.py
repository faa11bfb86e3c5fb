"""Do two losses differ? Differences of runs that share their seeds, with intervals that hold all at once."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from sigma2r.report.groups import comparable
from sigma2r.report.tables import ACCURACY, RATIO, SPREAD, TAIL, Column, Table, t_quantile

FEWEST = 5  # seeds, below which nothing is decided
LEVEL = 0.95
POWER = 0.8
_MOST = 10_000  # seeds, beyond which their number is not told

COMPARED = (ACCURACY, SPREAD, RATIO, TAIL)
DIFFERENCE_HEADINGS = ("loss", "less", "figure", "n", "difference", "interval", "verdict", "seeds to decide")


@dataclass(frozen=True)
class Difference:
    """A loss less the baseline, in one figure, over the seeds that both were trained with.

    Args:
        loss: The loss.
        baseline: What it is compared with.
        figure: Which figure.
        n: Seeds that both have.
        mean: Mean of the paired differences.
        half_width: Half the t interval of that mean, at a level such that all intervals of the table hold at once
            with 95 % (Bonferroni).
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
            self.verdict,
            needed,
        ]


def differences(table: Table, baseline: str | None = None) -> list[Difference]:
    """Every loss of a table less the baseline, in every figure of test images; none where seeds are too few.

    Args:
        table: With a row for the baseline.
        baseline: A loss as its row names it; default: the first.
    """
    groups = table.groups
    baseline = next(iter(groups)) if baseline is None else baseline
    others = [name for name in groups if name != baseline and comparable(groups[name][0], groups[baseline][0])]
    by_seed = {name: {(r.run.init_seed, r.run.data_seed): r for r in group} for name, group in groups.items()}
    shared = {name: sorted(by_seed[name].keys() & by_seed[baseline].keys()) for name in others}
    counted = [
        (name, column)
        for name in others
        if len(shared[name]) > 1
        for column in COMPARED
        if all(column.value(by_seed[each][s]) is not None for each in (name, baseline) for s in shared[name])
    ]
    found = []
    for name, column in counted:
        pairs = [(column.value(by_seed[name][s]), column.value(by_seed[baseline][s])) for s in shared[name]]
        values = [a - b for a, b in pairs if a is not None and b is not None]
        found.append(difference_of(name, baseline, column, values, len(counted)))
    return found


def difference_of(
    loss: str, baseline: str, column: Column, values: Sequence[float], num_comparisons: int
) -> Difference:
    """What differences of pairs say.

    Args:
        loss: What was compared,
        baseline: with what,
        column: and in which figure.
        values: At least two differences, one a seed.
        num_comparisons: How many intervals are to hold at once.
    """
    alpha = (1 - LEVEL) / num_comparisons
    mean, spread = fmean(values), stdev(values)
    half_width = t_quantile(1 - alpha / 2, len(values) - 1) * spread / math.sqrt(len(values))
    needed = seeds_needed(mean, spread, alpha)
    return Difference(loss, baseline, column.title, len(values), mean, half_width, needed, column.digits)


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


def note(found: Iterable[Difference]) -> str:
    """What the table of differences is, for its caption."""
    count = len(list(found))
    return (
        f"Paired by seed. Intervals hold all {count} at once with 95 % (Student's t, Bonferroni). Fewer than {FEWEST} "
        "seeds decide nothing. Seeds to decide: with that many a difference as large and as scattered would be found "
        "with a chance of 80 %."
    )
