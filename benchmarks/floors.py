"""The least that a loss must compute and move, forward and backward, and how far each stands from it.

The floor of a loss is the longer of two times: its least operations at the rate of this machine's matrix product, its
least bytes at the rate of its copy. Numbers are float32; what could stay in registers is not counted.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import torch

from benchmarks.losses import SHAPES, forward_and_backward
from benchmarks.timing import Ratio, amounts
from sigma2r import functional as F

Count = Callable[[int, int, int, int], float]


@dataclass(frozen=True)
class Floor:
    """Least work of a loss in N samples, D dimensions, C classes and P samples in the largest class.

    Args:
        name: The loss.
        call: It, called with features, labels, centers and growth.
        operations: Their number, as a function of N, D, C, P.
        numbers: Numbers read and written, the same.
        formula: Both in words.
    """

    name: str
    call: Callable[..., torch.Tensor]
    operations: Count
    numbers: Count
    formula: str


FLOORS = (
    Floor(
        "center", lambda x, y, c, g: F.center_loss(x, y, c),
        lambda n, d, c, p: 6 * n * d, lambda n, d, c, p: 2 * n * d + 2 * c * d,
        "6 N D; 2 N D + 2 C D",
    ),
    Floor(
        "sigma2r", F.sigma_squared_r_loss,
        lambda n, d, c, p: n * p * d + 6 * n * d, lambda n, d, c, p: 2 * n * d + 2 * c * d,
        "N P D + 6 N D; 2 N D + 2 C D",
    ),
    Floor(
        "contrastive-center", lambda x, y, c, g: F.contrastive_center_loss(x, y, c),
        lambda n, d, c, p: 12 * n * d + 6 * c * d, lambda n, d, c, p: 2 * n * d + 2 * c * d,
        "12 N D + 6 C D; 2 N D + 2 C D",
    ),
    Floor(
        "triplet-center", lambda x, y, c, g: F.triplet_center_loss(x, y, c, margin=1000.0),
        lambda n, d, c, p: 2 * n * c * d + 10 * n * d, lambda n, d, c, p: 2 * n * d + 2 * c * d,
        "2 N C D + 10 N D; 2 N D + 2 C D",
    ),
    Floor(
        "git", lambda x, y, c, g: F.git_loss(x, y, c, center_weight=1.0, push_weight=1.0),
        lambda n, d, c, p: 6 * n * min(n, c) * d, lambda n, d, c, p: 2 * n * d + 2 * c * d,
        "6 N min(N, C) D; 2 N D + 2 C D",
    ),
    Floor(
        "soft-nearest-neighbor", lambda x, y, c, g: F.soft_nearest_neighbor_loss(x, y, temperature=100.0),
        lambda n, d, c, p: 3 * n * n * d, lambda n, d, c, p: 2 * n * d,
        "3 N² D; 2 N D",
    ),
    Floor(
        "nearest-negative-triplet", lambda x, y, c, g: F.nearest_negative_triplet_loss(x, y, margin=100.0),
        lambda n, d, c, p: 3 * n * n * d, lambda n, d, c, p: 2 * n * d,
        "3 N² D; 2 N D",
    ),
    Floor(
        "contrastive", lambda x, y, c, g: F.contrastive_loss(x, y, margin=100.0),
        lambda n, d, c, p: 3 * n * n * d, lambda n, d, c, p: 2 * n * d,
        "3 N² D; 2 N D",
    ),
)  # fmt: skip


def milliseconds(work: Callable[[], object], n: int = 20) -> float:
    """Median of ``n`` calls after three."""
    times = []
    for i in range(n + 3):
        start = time.perf_counter()
        work()
        times += [time.perf_counter() - start] if i >= 3 else []
    return 1e3 * median(times)


def run() -> Iterator[Ratio]:
    """At (1000, 512, 100), where P is 10; rates of matrix product and copy measured just before."""
    a = torch.randn(1024, 1024)
    source, sink = torch.empty(2**25), torch.empty(2**25)
    operations_per_ms = 2 * 1024**3 / milliseconds(lambda: a @ a)
    numbers_per_ms = 2 * 2**25 / milliseconds(lambda: sink.copy_(source))
    num_samples, feature_dim, num_classes = SHAPES[1]
    sizes = (num_samples, feature_dim, num_classes, num_samples // num_classes)
    for floor in FLOORS:
        operations, numbers = floor.operations(*sizes), floor.numbers(*sizes)
        least = max(operations / operations_per_ms, numbers / numbers_per_ms)
        yield amounts(
            f"{floor.formula}: {operations / 1e6:.1f} M operations, {4 * numbers / 1e6:.1f} MB",
            (floor.name, milliseconds(forward_and_backward(floor.call, *SHAPES[1]))),
            ("its floor", least),
            unit="ms",
            target=None,
        )
