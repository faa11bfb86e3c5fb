r"""A covariance that can be inverted, from however few samples: the oracle approximating shrinkage estimator.

Axes: D dimensions.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def oas_shrinkage(covariance: Float[Tensor, "D D"], num_samples: int) -> float:
    r"""How much of a sample covariance is to be replaced by a multiple of the identity.

    .. math:: \rho = \min\left(1, \frac{(1 - 2/D)\,\mathrm{tr}(S^2) + \mathrm{tr}^2(S)}
              {(n + 1 - 2/D)\,(\mathrm{tr}(S^2) - \mathrm{tr}^2(S) / D)}\right)

    Args:
        covariance: S, the mean outer product of ``num_samples`` centered samples (divisor n), shape ``(D, D)``.
        num_samples: n.

    Returns:
        The share, in [0, 1]; 1 where S is already a multiple of the identity.

    Example:
        >>> round(oas_shrinkage(torch.diag(torch.tensor([3.0, 1.0])), num_samples=9), 6)
        0.888889

    Source: "Shrinkage Algorithms for MMSE Covariance Estimation", IEEE Transactions on Signal Processing 58(10), 2010,
    eq. 23: OAS, for Gaussian samples. scikit-learn leaves the two 2 / D out, which matters where D is small.
    """
    dim = covariance.shape[0]
    of_square, square = float(covariance.square().sum()), float(covariance.trace()) ** 2
    unequal = of_square - square / dim
    if unequal <= 0:
        return 1.0
    return min(1.0, ((1 - 2 / dim) * of_square + square) / ((num_samples + 1 - 2 / dim) * unequal))


def shrunk(covariance: Float[Tensor, "D D"], share: float) -> Float[Tensor, "D D"]:
    r"""The covariance with a ``share`` of it replaced: :math:`(1 - \rho) S + \rho \, \mathrm{tr}(S) / D \, I`."""
    level = share * covariance.trace() / covariance.shape[0]
    return (1 - share) * covariance + level * torch.eye(
        covariance.shape[0], dtype=covariance.dtype, device=covariance.device
    )
