"""Distances between all samples of a batch.

Axes: N samples, D feature dimensions.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from sigma2r.losses._func import scattered
from sigma2r.losses._precision import inner_products
from sigma2r.losses._spread import safe_sqrt


class Pairs(NamedTuple):
    """Every ordered pair of a batch: what lies between them, and what they are to each other."""

    squared: Tensor
    """(N, N), squared distances in units of ``scale``², at least 0."""
    scale: Tensor
    """A scalar outside the graph."""
    same: Tensor
    """(N, N) bool: two different samples of one class, neither ignored."""
    other: Tensor
    """(N, N) bool: samples of two classes, neither ignored."""

    def distance(self) -> Tensor:
        """Euclidean distances (N, N), with gradient 0 where points coincide."""
        return self.scale * safe_sqrt(self.squared)


def pairs_of(features: Tensor, labels: Tensor, kept: Tensor | None, least_scale: float = 0.0) -> Pairs:
    """All pairs of ``features`` (N, D), in a unit of at least ``least_scale``.

    Distances come from inner products: within a class of features less the mean of the class, across classes less
    the mean of the batch. So a common offset costs no digits. A squared distance is off by a few roundings of the
    squared radius, of the class or of the batch, about which its points lie: a distance by at most the root of
    that. Features are divided by their largest component first, so that squares neither overflow nor vanish.
    """
    num_samples = features.shape[0]
    labels = labels.to(features.device)
    alike = labels.unsqueeze(1) == labels
    itself = torch.eye(num_samples, dtype=torch.bool, device=features.device)
    if kept is not None:
        alike = alike & kept.unsqueeze(1) & kept
    of_batch = _less_mean(features, torch.zeros_like(labels), kept)
    of_class = _less_mean(features, labels, kept)
    scale = of_batch.detach().abs().amax() if of_batch.numel() else of_batch.new_ones(())
    scale = torch.where((scale > 0) & scale.isfinite(), scale, 1.0).clamp_min(least_scale)
    squared = torch.where(alike, _from_products(of_class / scale), _from_products(of_batch / scale)).clamp_min(0)
    other = ~alike if kept is None else ~alike & kept.unsqueeze(1) & kept
    return Pairs(squared, scale, alike & ~itself, other)


def _less_mean(features: Tensor, labels: Tensor, kept: Tensor | None) -> Tensor:
    """Features less the mean of those with their label; 0 where ignored. Any point near the mean would do."""
    ordered, order = labels.sort(stable=True)
    group = torch.cat([ordered[:1] * 0, (ordered[1:] != ordered[:-1]).cumsum(0)])
    rank = scattered(torch.empty_like(order), 0, order, group)
    ones = features.new_ones(features.shape[0]) if kept is None else kept.to(features.dtype)
    sums = torch.zeros_like(features).index_add(0, rank, features.detach())
    counts = torch.zeros_like(ones).index_add(0, rank, ones)
    less = features - (sums / counts.clamp_min(1).unsqueeze(1)).index_select(0, rank)
    return less if kept is None else less.masked_fill(~kept.unsqueeze(1), 0.0)


def _from_products(points: Tensor) -> Tensor:
    """Squared distances (N, N) of points (N, D) that lie about the origin."""
    products = inner_products(points, points)
    norms = products.flatten()[:: products.shape[0] + 1]
    return norms.unsqueeze(1) + norms.unsqueeze(0) - 2 * products
