"""Two contenders by turns, so that a noisy machine disturbs both alike."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

Work = Callable[[], Any]


@dataclass(frozen=True)
class Ratio:
    """What ``ours`` takes over what ``rival`` takes, pair by pair.

    Args:
        what: What was measured, with its sizes.
        ours: Our contender.
        rival: The other, with its version where it has one.
        ratio: Median over pairs.
        low: First quartile of the pairs' ratios.
        high: Third quartile.
        n: Pairs.
        ours_takes: Median of ours, in ``unit``; of this machine at that hour, not a claim.
        rival_takes: The same of the rival.
        unit: ms or MB.
        target: What the ratio must stay below; None: it is told, and nothing is claimed.
    """

    what: str
    ours: str
    rival: str
    ratio: float
    low: float
    high: float
    n: int
    ours_takes: float
    rival_takes: float
    unit: str
    target: float | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        return None if self.target is None else self.ratio <= self.target

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "met": self.met}


def seconds(work: Work) -> float:
    """How long one call takes; what it returns, if a number, replaces the clock."""
    start = time.perf_counter()
    told = work()
    return told if isinstance(told, float) else time.perf_counter() - start


def compare(
    what: str, ours: tuple[str, Work], rival: tuple[str, Work], *, target: float | None, n: int, warm_up: int = 3
) -> Ratio:
    """Call both ``warm_up`` times, then ``n`` times by turns."""
    for _ in range(warm_up):
        ours[1](), rival[1]()
    pairs = [(seconds(ours[1]), seconds(rival[1])) for _ in range(n)]
    ratios = [a / b for a, b in pairs]
    low, _, high = quantiles(ratios, n=4) if n > 1 else (ratios[0],) * 3
    ours_ms, rival_ms = (1e3 * median(pair[i] for pair in pairs) for i in (0, 1))
    return Ratio(what, ours[0], rival[0], median(ratios), low, high, n, ours_ms, rival_ms, "ms", target)


def amounts(what: str, ours: tuple[str, float], rival: tuple[str, float], *, unit: str, target: float | None) -> Ratio:
    """Two amounts that do not vary from call to call."""
    ratio = ours[1] / rival[1]
    return Ratio(what, ours[0], rival[0], ratio, ratio, ratio, 1, ours[1], rival[1], unit, target)
