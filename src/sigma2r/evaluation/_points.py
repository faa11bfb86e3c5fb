r"""Points in the form in which blocks of them are compared: sorted by class, about their mean, lifted.

Axes: M points, D feature dimensions. A point :math:`x` is lifted to :math:`(x, \lVert x \rVert^2, 1)`, so that one
matrix product with :math:`(-2 x, 1, \lVert x \rVert^2)` gives squared distances.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from sigma2r.evaluation._distances import pair_distances

_AT_ONCE = 2**18  # numbers held at once, so that they stay in the cache
_SUMS = 16  # of squares, before these are summed: so roundings do not add up


@dataclass(frozen=True)
class Frame:
    """Where the origin lies and how long the unit is: both hold for all points that are compared."""

    origin: Tensor
    """(D,) float64."""
    unit: float
    """A power of two, so that no division rounds."""


@dataclass(frozen=True)
class Points:
    """Points, sorted."""

    features: Tensor
    """(M, D), as they were given, in their own order."""
    order: Tensor
    """(M,) int64: which of ``features`` stands where."""
    lifted: Tensor
    """(M, D + 2) float32, in units of the frame."""
    radius: Tensor
    """(M,) float64: distance to the origin, in units of the frame."""
    frame: Frame

    def given(self, places: slice) -> Tensor:
        """Points as they were given."""
        return self.features.index_select(0, self.order[places])

    def left(self, places: slice) -> Tensor:
        """What is multiplied with lifted points to give squared distances."""
        lifted = self.lifted[places]
        return torch.cat([-2 * lifted[:, :-2], lifted[:, -1:], lifted[:, -2:-1]], dim=1)


def frame_of(features: Tensor) -> Frame:
    """The mean of the points for an origin, and a unit of about the largest distance from it."""
    parts = torch.split(features, _rows(features))
    origin = torch.stack([part.sum(0, dtype=torch.float64) for part in parts]).sum(0) / features.shape[0]
    farthest = max(float((part.double() - origin).norm(dim=1).amax()) for part in parts)
    return Frame(origin, 2.0 ** math.ceil(math.log2(farthest)) if farthest > 0 else 1.0)


def points_of(features: Tensor, order: Tensor, frame: Frame) -> Points:
    """Points in a given order, lifted."""
    lifted = features.new_empty(features.shape[0], features.shape[1] + 2, dtype=torch.float32)
    radius = features.new_empty(features.shape[0], dtype=torch.float64)
    points = Points(features, order, lifted, radius, frame)
    step = _rows(features)
    for start in range(0, features.shape[0], step):
        places = slice(start, start + step)
        lifted[places, :-2] = (points.given(places).double() - frame.origin) / frame.unit
        held = lifted[places, :-2].double()
        squared = torch.linalg.vecdot(held, held)
        lifted[places, -2] = squared.float()
        radius[places] = squared.sqrt()
    lifted[:, -1] = 1
    return points


def error_bound(feature_dim: int) -> float:
    r"""What a squared distance of a tile may be off by, in units of :math:`(\lVert x \rVert + \lVert y \rVert)^2`.

    With :math:`u = 2^{-24}`: a product of D + 2 terms, in whatever order it is summed, is off by
    :math:`\gamma_{D+2}` of the sum of their sizes, which is that square; rounding points and their squares to float32
    adds :math:`4 u`.
    """
    return 1.01 * (feature_dim + 8) * 2.0**-24


def near_pairs(a: Points, rows: Tensor, b: Points, columns: Tensor) -> Tensor:
    """Squared distances of pairs of places, float32, in units of the frame, by differences of lifted points."""
    parts = []
    step = _rows(a.features)
    for i, j in zip(torch.split(rows, step), torch.split(columns, step), strict=True):
        apart = a.lifted.index_select(0, i).sub_(b.lifted.index_select(0, j))[:, :-2].square_()
        even = apart.shape[1] // _SUMS * _SUMS
        parts.append(torch.unflatten(apart[:, :even], 1, (_SUMS, -1)).sum(1).sum(1) + apart[:, even:].sum(1))
    return torch.cat(parts)


def near_error_bound(feature_dim: int) -> float:
    r"""What :func:`near_pairs` may be off by, in units of :math:`(\lVert x \rVert + \lVert y \rVert)^2`.

    Rounding points adds :math:`4 u`, a difference and its square :math:`3 u`, and sums of sums as many as the longest
    of both.
    """
    return 1.01 * (2 * _SUMS + feature_dim / _SUMS + 8) * 2.0**-24


def exact_pairs(a: Points, rows: Tensor, b: Points, columns: Tensor) -> Tensor:
    """Squared distances of pairs of places, float64, in units of the frame, by differences of points as given."""
    squared = pair_distances(a.features, a.order[rows], b.features, b.order[columns])
    return squared / a.frame.unit / a.frame.unit


@contextmanager
def full_precision() -> Iterator[None]:
    """Matrix products of float32 in float32, whatever was asked for elsewhere: the error bound wants it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _rows(features: Tensor) -> int:
    return max(1, _AT_ONCE // max(1, features.shape[1]))
