"""Two contenders by turns, so that a noisy machine disturbs both alike."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

Work = Callable[[], Any]


@dataclass(frozen=True)
class Ratio:
    """Seconds of ``ours`` over seconds of ``rival``, pair by pair.

    Args:
        what: What was measured, with its sizes.
        ours: Our contender.
        rival: The other, with its version where it has one.
        ratio: Median over pairs.
        low: First quartile of the pairs' ratios.
        high: Third quartile.
        n: Pairs.
        ours_ms: Median milliseconds of ours; of this machine at that hour, not a claim.
        rival_ms: The same of the rival.
        target: What the ratio must stay below.
    """

    what: str
    ours: str
    rival: str
    ratio: float
    low: float
    high: float
    n: int
    ours_ms: float
    rival_ms: float
    target: float

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.ratio <= self.target

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "met": self.met}


def seconds(work: Work) -> float:
    """How long one call takes; what it returns, if a number, replaces the clock."""
    start = time.perf_counter()
    told = work()
    return told if isinstance(told, float) else time.perf_counter() - start


def compare(
    what: str, ours: tuple[str, Work], rival: tuple[str, Work], *, target: float, n: int, warm_up: int = 3
) -> Ratio:
    """Call both ``warm_up`` times, then ``n`` times by turns."""
    for _ in range(warm_up):
        ours[1](), rival[1]()
    pairs = [(seconds(ours[1]), seconds(rival[1])) for _ in range(n)]
    ratios = [a / b for a, b in pairs]
    low, _, high = quantiles(ratios, n=4) if n > 1 else (ratios[0],) * 3
    return Ratio(
        what,
        ours[0],
        rival[0],
        median(ratios),
        low,
        high,
        n,
        1e3 * median(a for a, _ in pairs),
        1e3 * median(b for _, b in pairs),
        target,
    )
