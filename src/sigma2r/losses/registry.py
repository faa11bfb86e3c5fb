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

_NOT_OF_A_RUN = {"generator", "ignore_index", "sparse_grad"}  # the trainer seeds, ignores none, and is dense


def loss_options(name: str) -> dict[str, Any]:
    """The options of a loss and their defaults: what its constructor takes by keyword.

    Raises:
        ValueError: If there is no such loss; the nearest names are suggested.
    """
    if name == CROSS_ENTROPY:
        return {}
    if name not in AUXILIARY_LOSSES:
        raise unknown("loss", name, LOSSES)
    parameters = inspect.signature(AUXILIARY_LOSSES[name]).parameters.values()
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


def build_loss(name: str, num_classes: int, feature_dim: int, options: Mapping[str, Any]) -> nn.Module | None:
    """The auxiliary loss of that name, drawn from torch's global generator; None for cross-entropy alone."""
    if name == CROSS_ENTROPY:
        return None
    build = AUXILIARY_LOSSES[name]
    learns = "num_classes" in inspect.signature(build).parameters
    return build(num_classes, feature_dim, **options) if learns else build(**options)
