"""Squared distances in float64 that keep their digits wherever the points lie.

Axes: A and B points, D feature dimensions.
"""

import torch
from torch import Tensor

_CLOSE = 1 / 16  # of the squared sum of both radii; below that a product has lost too many digits
_AT_ONCE = 2**18  # numbers held at once, so in the cache, where differences are taken pair by pair


def vouched_for(feature_dim: int) -> float:
    """What two squared distances in float64 must differ by, in units of themselves, to be told apart."""
    return (feature_dim + 8) * 2.0**-48


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    r"""Squared distances of all pairs of rows, shape ``(A, B)``, float64.

    By products of the points about the mean of ``b``: :math:`\lVert a \rVert^2 + \lVert b \rVert^2 - 2 a \cdot b` is
    then off by at most :math:`(D + 8) u (\lVert a \rVert + \lVert b \rVert)^2`, where :math:`u = 2^{-53}`. Pairs
    that are closer than a quarter of the sum of their radii are taken again by differences of the points as they came.
    So every square has a relative error of at most :math:`16 (D + 8) u`.
    """
    about = b.mean(0, dtype=torch.float64) if b.shape[0] else b.new_zeros(b.shape[1], dtype=torch.float64)
    near_a, near_b = a.double() - about, b.double() - about
    of_a, of_b = torch.linalg.vecdot(near_a, near_a), torch.linalg.vecdot(near_b, near_b)
    squared = torch.addmm(of_b.unsqueeze(0), near_a, near_b.T, alpha=-2).add_(of_a.unsqueeze(1))
    radius_a, radius_b = of_a.sqrt(), of_b.sqrt()
    widest = radius_b.amax() if b.shape[0] else 0.0
    rows, columns = (squared <= _CLOSE * (radius_a + widest).square().unsqueeze(1)).nonzero(as_tuple=True)
    close = squared[rows, columns] <= _CLOSE * (radius_a[rows] + radius_b[columns]).square()
    rows, columns = rows[close], columns[close]
    if 8 * rows.shape[0] > squared.numel():
        return torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    squared[rows, columns] = pair_distances(a, rows, b, columns)
    return squared


def pair_distances(a: Tensor, rows: Tensor, b: Tensor, columns: Tensor) -> Tensor:
    """Squared distances of pairs ``(a[rows], b[columns])``, float64, by direct differences."""
    at_once = max(1, _AT_ONCE // max(1, a.shape[1]))
    parts = []
    for i, j in zip(torch.split(rows, at_once), torch.split(columns, at_once), strict=True):
        apart = a.index_select(0, i).double() - b.index_select(0, j).double()
        parts.append(torch.linalg.vecdot(apart, apart))
    return torch.cat(parts) if parts else a.new_zeros(0, dtype=torch.float64)
