"""Losses on deep features: pure functions and, beside them, modules that hold the learned state."""

from sigma2r.losses._reduction import Reduction
from sigma2r.losses._spread import Spread
from sigma2r.losses.center import CenterLoss, center_loss
from sigma2r.losses.joint import JointLoss
from sigma2r.losses.sigma2r import (
    SigmaSquaredRLoss,
    growth_rate,
    sigma_squared_r_gate,
    sigma_squared_r_loss,
)

__all__ = [
    "CenterLoss",
    "JointLoss",
    "Reduction",
    "SigmaSquaredRLoss",
    "Spread",
    "center_loss",
    "growth_rate",
    "sigma_squared_r_gate",
    "sigma_squared_r_loss",
]
