"""Every loss as a pure function: tensors first (features, labels, centers, growth), all else by keyword."""

from sigma2r.losses import center_loss, growth_rate, sigma_squared_r_gate, sigma_squared_r_loss

__all__ = ["center_loss", "growth_rate", "sigma_squared_r_gate", "sigma_squared_r_loss"]
