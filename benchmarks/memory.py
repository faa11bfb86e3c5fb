"""The most that lives at once while σ²R runs forward and backward, beside the features that it is given."""

from collections.abc import Iterator
from unittest import mock

import torch

from benchmarks.timing import Ratio, amounts
from sigma2r.functional import sigma_squared_r_loss
from sigma2r.losses import _groups
from tests.losses.memory import Memory


def peak_mb(labels: list[int], feature_dim: int, masked: bool = False) -> float:
    """Megabytes beyond the inputs; ``masked`` takes the search that does not look at labels."""
    num_classes = max(labels) + 1
    features = torch.randn(len(labels), feature_dim).requires_grad_()
    centers, growth = torch.randn(num_classes, feature_dim).requires_grad_(), torch.randn(num_classes).requires_grad_()
    look = (lambda tensor: False) if masked else _groups.values_are_readable
    with mock.patch.object(_groups, "values_are_readable", look), Memory() as memory:
        sigma_squared_r_loss(features, torch.tensor(labels), centers, growth).backward()
    return memory.peak / 1e6


def long_tail(num_samples: int, num_classes: int) -> list[int]:
    """Class sizes that fall as 1 / rank."""
    shares = [1 / (rank + 1) for rank in range(num_classes)]
    return [k for k in range(num_classes) for _ in range(max(1, round(num_samples * shares[k] / sum(shares))))]


def run() -> Iterator[Ratio]:
    """Balanced batches in units of their features; unequal classes in units of the masked search."""
    balanced = [i % 1000 for i in range(8192)]
    yield amounts(
        "(N, D, C) = (8192, 512, 1000), balanced",
        ("sigma2R, peak beyond its inputs", peak_mb(balanced, 512)),
        ("its features", 8192 * 512 * 4 / 1e6),
        unit="MB",
        target=6,
    )
    unequal = {
        "2,048 samples in 100 classes whose sizes fall as 1 / rank, D = 128": (long_tail(2048, 100), 128),
        "one class of 512 among 512 singles, D = 512": ([0] * 512 + list(range(1, 513)), 512),
    }
    for what, (labels, feature_dim) in unequal.items():
        yield amounts(
            what,
            ("sigma2R, peak beyond its inputs", peak_mb(labels, feature_dim)),
            ("the masked search", peak_mb(labels, feature_dim, masked=True)),
            unit="MB",
            target=1,
        )
