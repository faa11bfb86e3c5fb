"""Batch samplers."""

from sigma2r.samplers.balanced import BalancedBatchSampler

__all__ = ["BalancedBatchSampler"]
