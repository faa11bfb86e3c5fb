"""What every loss does to a batch before its formula: check it, leave out what is ignored, take unit lengths."""

from typing import NamedTuple

import torch
from torch import Tensor

from sigma2r.losses._checks import (
    ABSENT,
    check_centers,
    check_features,
    check_flag,
    check_labels_and_ignored,
    check_order,
    check_weights,
    check_whole,
)
from sigma2r.losses._precision import working_dtype

IGNORE_INDEX = -100


class Batch(NamedTuple):
    """A batch that was checked."""

    features: Tensor
    """(N, D), float32 or wider; zeros where ignored, of unit length if that was asked for."""
    labels: Tensor
    """(N,) int64 in [0, C) on the device that they came on; 0 where ignored."""
    kept: Tensor | None
    """(N,) bool: which rows are not ignored; None: all."""


def prepare(
    who: str,
    features: Tensor,
    labels: Tensor,
    centers: Tensor = ABSENT,
    *,
    growth: Tensor = ABSENT,
    weights: Tensor | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
) -> Batch:
    """Check a batch, and bring its features into the form that the formulas want.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit.
    """
    check_flag(who, normalize=normalize)
    check_whole(who, ignore_index=ignore_index)
    learned = {} if centers is ABSENT else {"centers": centers}
    if growth is not ABSENT:
        learned["growth"] = growth
    num_classes = feature_dim = None
    try:
        if learned:
            check_centers(who, **learned)
            num_classes, feature_dim = centers.shape
        check_features(who, features, feature_dim, num_classes)
        if weights is not None:
            check_weights(who, features, weights, num_classes)
        labels, kept = check_labels_and_ignored(who, features, labels, num_classes, ignore_index)
    except ValueError:
        check_order(who, features=features, labels=labels, **learned)
        raise
    features = features.to(working_dtype(features, *learned.values()))
    if kept is not None:
        kept = kept.to(features.device)
        features = features.masked_fill(~kept.unsqueeze(1), 0.0)
    return Batch(unit_length(features) if normalize else features, labels, kept)


def prepare_features(who: str, features: Tensor, centers: Tensor, *, normalize: bool) -> Tensor:
    """Features (N, D) in the form that formulas want, where no labels come with them.

    Raises:
        ValueError: If they do not fit centers (C, D).
    """
    check_features(who, features, centers.shape[1], centers.shape[0])
    features = features.to(working_dtype(features, centers))
    return unit_length(features) if normalize else features


def unit_length(features: Tensor) -> Tensor:
    """Rows divided by their Euclidean length; a row of zeros stays, and lets its gradient through as it is."""
    largest = features.detach().abs().amax(1, keepdim=True) if features.shape[1] else features.detach()
    features = features / torch.where(largest > 0, largest, 1.0)  # so that no square overflows or vanishes
    squared = features.square().sum(1, keepdim=True)
    return features / torch.where(squared > 0, squared, 1.0).sqrt()
