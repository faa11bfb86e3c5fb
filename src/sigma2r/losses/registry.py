"""The losses by the names that a user types."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from sigma2r._suggest import unknown
from sigma2r.losses.center import CenterLoss
from sigma2r.losses.contrastive import ContrastiveLoss
from sigma2r.losses.contrastive_center import ContrastiveCenterLoss
from sigma2r.losses.git import GitLoss
from sigma2r.losses.nearest_negative_triplet import NearestNegativeTripletLoss
from sigma2r.losses.sigma2r import SigmaSquaredRLoss
from sigma2r.losses.soft_nearest_neighbor import SoftNearestNeighborLoss
from sigma2r.losses.triplet_center import TripletCenterLoss
from sigma2r.losses.yardsticks import LABEL_SMOOTHING, YARDSTICKS

CROSS_ENTROPY = "cross-entropy"

AUXILIARY_LOSSES: dict[str, Callable[..., nn.Module]] = {
    "center": CenterLoss,
    "sigma2r": SigmaSquaredRLoss,
    "soft-nearest-neighbor": SoftNearestNeighborLoss,
    "git": partial(GitLoss, center_weight=1.0, push_weight=1.0),  # the two weights relative to that of the loss
    "contrastive-center": ContrastiveCenterLoss,
    "triplet-center": TripletCenterLoss,
    "nearest-negative-triplet": NearestNegativeTripletLoss,
    "contrastive": ContrastiveLoss,
}

LOSSES = (CROSS_ENTROPY, *AUXILIARY_LOSSES)
ON_LOGITS = (CROSS_ENTROPY, LABEL_SMOOTHING)  # nothing is added to the cross-entropy on features
_ADDED: dict[str, Callable[..., nn.Module]] = {**AUXILIARY_LOSSES, **YARDSTICKS}

_NOT_OF_A_RUN = {"generator", "ignore_index", "sparse_grad"}  # the trainer seeds, ignores none, and is dense


def loss_options(name: str) -> dict[str, Any]:
    """The options of a loss and their defaults: what its constructor takes by keyword.

    Raises:
        ValueError: If there is no such loss; the nearest names are suggested.
    """
    if name in ON_LOGITS:
        return {}
    if name not in _ADDED:
        raise unknown("loss", name, (*LOSSES, LABEL_SMOOTHING, *YARDSTICKS))
    parameters = inspect.signature(_ADDED[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in _NOT_OF_A_RUN}


def check_loss(name: str, options: Mapping[str, Any]) -> None:
    """Refuse a loss that does not exist or does not take these options.

    Raises:
        ValueError: As above, or from the loss itself if a value is wrong.
    """
    known = loss_options(name)
    for option in options:
        if option not in known:
            raise unknown(f"option of the loss {name}", option, known)
    if options.get("reduction") == "none":
        raise ValueError(f"{name}: a run needs one number for a batch: reduction must be mean or sum; got none.")
    build_loss(name, 1, 1, options)


def has_classes(name: str) -> bool:
    """Whether the loss learns something for each class, and so fits one dimension of features alone."""
    return name not in ON_LOGITS and "num_classes" in inspect.signature(_ADDED[name]).parameters


def may_be_raised(name: str) -> bool:
    """Whether a negative weight of the loss makes sense."""
    return bool(getattr(_ADDED.get(name), "may_be_raised", False))


def build_loss(name: str, num_classes: int, feature_dim: int, options: Mapping[str, Any]) -> nn.Module | None:
    """The loss of that name on features, drawn from torch's global generator; None where there is none."""
    if name in ON_LOGITS:
        return None
    build = _ADDED[name]
    return build(num_classes, feature_dim, **options) if has_classes(name) else build(**options)
