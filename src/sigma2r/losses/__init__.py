"""Losses on deep features: pure functions and, beside them, modules that hold the learned state."""

from sigma2r.losses._reduction import Reduction
from sigma2r.losses._spread import Spread
from sigma2r.losses.center import CenterLoss, average_step, center_loss
from sigma2r.losses.contrastive import ContrastiveLoss, contrastive_loss
from sigma2r.losses.contrastive_center import ContrastiveCenterLoss, contrastive_center_loss
from sigma2r.losses.git import GitLoss, git_loss
from sigma2r.losses.joint import JointLoss, WarmUp
from sigma2r.losses.nearest_negative_triplet import NearestNegativeTripletLoss, nearest_negative_triplet_loss
from sigma2r.losses.sigma2r import (
    SigmaSquaredRLoss,
    growth_rate,
    sigma_squared_r_gate,
    sigma_squared_r_loss,
)
from sigma2r.losses.soft_nearest_neighbor import SoftNearestNeighborLoss, soft_nearest_neighbor_loss
from sigma2r.losses.triplet_center import TripletCenterLoss, triplet_center_loss

__all__ = [
    "CenterLoss",
    "ContrastiveCenterLoss",
    "ContrastiveLoss",
    "GitLoss",
    "JointLoss",
    "NearestNegativeTripletLoss",
    "Reduction",
    "SigmaSquaredRLoss",
    "SoftNearestNeighborLoss",
    "Spread",
    "TripletCenterLoss",
    "WarmUp",
    "average_step",
    "center_loss",
    "contrastive_center_loss",
    "contrastive_loss",
    "git_loss",
    "growth_rate",
    "nearest_negative_triplet_loss",
    "sigma_squared_r_gate",
    "sigma_squared_r_loss",
    "soft_nearest_neighbor_loss",
    "triplet_center_loss",
]
