r"""The rejector of a run within what is exported: how known each image looks, and whether it is accepted.

Every score is higher for what is more known, as in :mod:`sigma2r.evaluation`, and in the arithmetic of the file.

Axes: N images, C classes, D feature dimensions, M known images.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sigma2r._shown import listed, shown
from sigma2r.evaluation import (
    CenterDistance,
    Energy,
    MahalanobisDistance,
    MaxSoftmax,
    NeighborDistance,
    Rejector,
    Score,
)

_AT_ONCE = 2**18  # numbers for each image that the differences from some centers hold: 1 MiB


class Said(NamedTuple):
    """What a score says of images."""

    score: Tensor
    """(N,)"""
    label: Tensor
    """(N,) int64: the class that each is taken for."""
    reach: Tensor
    """(N,), in the order of scores: what is held against a threshold."""


class Rejecting(nn.Module):
    """``scores`` and ``accepted`` of images, as the run's rejector gives them.

    Args:
        rejector: Whose score and thresholds are copied.
        dtype: Of the arithmetic.

    Raises:
        ValueError: If the score is one of one's own.
    """

    bounds: Tensor

    def __init__(self, rejector: Rejector, dtype: torch.dtype) -> None:
        super().__init__()
        score = rejector.score
        if type(score) not in _SCORES:
            known = listed([kind.name for kind in _SCORES], "or")
            raise ValueError(
                f"export: the score of the rejector must be {known}; got {shown(score)}. Export the run without it: "
                "load it with rejector=False."
            )
        self.says = _SCORES[type(score)]
        self.settings: dict[str, Any] = score.keywords()
        wide = torch.float64 if isinstance(score, NeighborDistance) else dtype
        for name, held in score.named_buffers():
            kind = wide if held.is_floating_point() else held.dtype
            self.register_buffer(name, held.detach().cpu().to(kind).contiguous())
        own, common = rejector.class_thresholds.double(), rejector.threshold.double()
        thresholds = torch.where(own.isnan(), common, own)
        if isinstance(score, MaxSoftmax):
            thresholds = 1 - 1 / thresholds
        self.register_buffer("bounds", thresholds.cpu().to(dtype))

    def forward(self, features: Tensor, logits: Tensor) -> dict[str, Tensor]:
        """``scores`` (N,), and ``accepted`` (N,), which nothing is that is not finite.

        Args:
            features: Shape ``(N, D)``.
            logits: Shape ``(N, C)``.
        """
        said = self.says(self, features, logits)
        accepted = (said.reach >= self.bounds[said.label]) & (said.reach < torch.inf)
        return {"scores": said.score.to(features.dtype), "accepted": accepted}


def distances(x: Tensor, centers: Tensor) -> Tensor:
    """Euclidean distances (N, C) by difference, some centers at a time so that memory is bounded."""
    count, some = centers.shape[0], max(1, _AT_ONCE // centers.shape[1])
    parts = [centers[start : start + some] for start in range(0, count, some)]
    return torch.cat([torch.linalg.vector_norm(x.unsqueeze(1) - part, dim=2) for part in parts], dim=1)


def _by_centers(held: Any, features: Tensor, _: Tensor) -> Said:
    return _nearest(distances(_prepared(held, features), held.centers))


def _by_mahalanobis(held: Any, features: Tensor, _: Tensor) -> Said:
    x, centers, whitening = _prepared(held, features), held.centers, held.whitening
    if whitening.ndim == 2:  # common to all classes
        return _nearest(distances(x @ whitening.T, centers @ whitening.T))
    white = [(x - center) @ factor.T for center, factor in zip(centers, whitening, strict=True)]
    return _nearest(torch.stack([torch.linalg.vector_norm(each, dim=1) for each in white], dim=1))


def _by_neighbors(held: Any, features: Tensor, _: Tensor) -> Said:
    r"""Ordered by :math:`\tfrac{1}{2}\|a\|^2 - a \cdot b` in 64 bits: 32 see no order of images that lie close."""
    x, points = _prepared(held, features.double()), held.points
    order = 0.5 * points.square().sum(1) - x @ points.T
    found = order.topk(held.settings["k"], largest=False).indices
    score = -torch.linalg.vector_norm(x - points[found[:, -1]], dim=1).to(features.dtype)
    return Said(score, held.labels[found[:, 0]], score)


def _by_softmax(held: Any, _: Tensor, logits: Tensor) -> Said:
    """Held against thresholds is what is left for all other classes: 32 bits know 1e-9, and not 1 - 1e-9."""
    scaled = logits / held.settings["temperature"]
    largest, label = scaled.max(1)
    raised = (scaled - largest.unsqueeze(1)).exp()
    others = torch.arange(logits.shape[1]) != label.unsqueeze(1)
    left = (raised * others.to(raised.dtype)).sum(1)
    return Said(1 / (1 + left), label, -left)


def _by_energy(held: Any, _: Tensor, logits: Tensor) -> Said:
    temperature = held.settings["temperature"]
    score = temperature * torch.logsumexp(logits / temperature, 1)
    return Said(score, logits.argmax(1), score)


def _prepared(held: Any, features: Tensor) -> Tensor:
    return F.normalize(features, dim=1) if held.settings["normalize"] else features


def _nearest(apart: Tensor) -> Said:
    least, label = apart.min(1)
    return Said(-least, label, -least)


_SCORES: dict[type[Score], Callable[[Any, Tensor, Tensor], Said]] = {
    CenterDistance: _by_centers,
    MahalanobisDistance: _by_mahalanobis,
    NeighborDistance: _by_neighbors,
    MaxSoftmax: _by_softmax,
    Energy: _by_energy,
}
