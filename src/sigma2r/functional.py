"""Every loss as a pure function: tensors first (features, labels, centers, growth), all else by keyword."""

from sigma2r.losses import (
    average_step,
    center_loss,
    contrastive_center_loss,
    contrastive_loss,
    git_loss,
    growth_rate,
    nearest_negative_triplet_loss,
    sigma_squared_r_gate,
    sigma_squared_r_loss,
    soft_nearest_neighbor_loss,
    triplet_center_loss,
)

__all__ = [
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
