r"""Distances from samples to points, such as class centers, and which points are nearest: in memory that is bounded.

Axes: N samples, M points, D feature dimensions.
"""

import torch
from torch import Tensor

from sigma2r.losses._batch import prepare_features
from sigma2r.losses._checks import values_are_readable
from sigma2r.losses._precision import widest, without_autocast, working_dtype

_CHUNK = 2**22  # numbers that are held at once, beside what was given and what is returned
_DIRECT = "donot_use_mm_for_euclid_dist"  # torch's word for: by differences


def center_distances(who: str, features: Tensor, centers: Tensor, normalize: bool) -> Tensor:
    """Euclidean distances (N, C) from features, prepared as for a loss, to centers (C, D); in the graph.

    Raises:
        ValueError: If features do not fit.
    """
    with without_autocast(features):
        x = prepare_features(who, features, centers, normalize=normalize)
        return distances_between(x, centers, working_dtype(x))


@torch.no_grad()
def nearest_center(who: str, features: Tensor, centers: Tensor, normalize: bool) -> Tensor:
    """The class of the nearest of centers (C, D), (N,) int64; -1 where something is not finite and nobody may look.

    Raises:
        ValueError: If features do not fit, or where looking is free (:func:`values_are_readable`), if features or
            centers are not finite.
    """
    with without_autocast(features):
        x = prepare_features(who, features, centers, normalize=normalize)
        found = nearest(x, centers).squeeze(1)
    if values_are_readable(found) and (found < 0).any():
        for name, rows, remedy in (("centers", centers, " Did the training diverge?"), ("features", x, "")):
            if num_bad := int((~rows.isfinite().all(1)).sum()):
                raise ValueError(
                    f"{who}: {name} must be finite; {num_bad} of {rows.shape[0]} rows hold NaN or infinite "
                    f"values.{remedy}"
                )
    return found


def distances_between(samples: Tensor, points: Tensor, dtype: torch.dtype) -> Tensor:
    """Euclidean distances (N, M), with gradient 0 where two points coincide.

    Each comes from the difference of its two points, in float64 where the device has it: so a common offset costs no
    digits, and no square of a float32 number overflows or vanishes.
    """
    wide = widest(samples.device)
    rows, columns = _chunks(points.shape[0], points.shape[1])
    return _joined(
        [
            _joined(
                [
                    torch.cdist(part.to(wide), block.to(wide), compute_mode=_DIRECT).to(dtype)
                    for block in torch.split(points, columns)
                ],
                1,
            )
            for part in torch.split(samples, rows)
        ],
        0,
    )


@torch.no_grad()
def nearest(samples: Tensor, points: Tensor, k: int = 1) -> Tensor:
    r"""The ``k`` nearest of M >= k points to each sample, (N, k) int64, nearest first; -1 where one is not finite.

    They are ordered by float64 inner products about the mean of the points, :math:`\tfrac{1}{2}\|a\|^2 - a \cdot b`
    for points a and samples b: a tenth of the time of differences, and more. With rho the largest
    :math:`\|a\| + \|b\|`, that is off by at most :math:`(D + 3) 2^{-54} \rho^2`. So of two points either may be taken
    where their squared distances differ by at most :math:`(D + 3) 2^{-52} \rho^2`; otherwise the nearer is. A device
    without float64 takes differences.
    """
    wide = widest(samples.device)
    rows, columns = _chunks(points.shape[0], points.shape[1])
    starts = range(0, points.shape[0], columns)
    middle = torch.zeros_like(points[0], dtype=wide)
    for start in starts:
        middle += points[start : start + columns].to(wide).sum(0) / points.shape[0]
    found = []
    for part in torch.split(samples, rows):
        b = part.to(wide) - middle
        best, chosen = b.new_zeros(b.shape[0], 0), torch.zeros(b.shape[0], 0, dtype=torch.int64, device=b.device)
        for start in starts:
            order = _order(b, points[start : start + columns].to(wide) - middle)
            value, index = order.topk(min(k, order.shape[1]), largest=False)
            best, chosen = torch.cat([best, value], 1), torch.cat([chosen, index + start], 1)
            best, place = best.topk(min(k, best.shape[1]), largest=False)
            chosen = chosen.gather(1, place)
        found.append(chosen.masked_fill(~best.isfinite(), -1))
    return _joined(found, 0)


def own_distances(samples: Tensor, points: Tensor) -> Tensor:
    """The Euclidean distance of each sample (N, D) to the point of the same row, (N,), in the wider of dtypes."""
    wide = widest(samples.device)
    apart: Tensor = torch.linalg.vector_norm(samples.to(wide) - points.to(wide), dim=1)
    return apart


def _order(samples: Tensor, points: Tensor) -> Tensor:
    """Numbers (N, M) that are ordered as the distances are."""
    if samples.dtype != torch.float64:
        return torch.cdist(samples, points, compute_mode=_DIRECT)
    return torch.addmm(0.5 * torch.linalg.vecdot(points, points), samples, points.T, alpha=-1)


def _chunks(num_points: int, feature_dim: int) -> tuple[int, int]:
    """How many samples and how many points are taken at once."""
    columns = max(1, min(num_points, _CHUNK // max(1024, feature_dim)))
    return max(1, _CHUNK // max(columns, feature_dim)), columns


def _joined(parts: list[Tensor], dim: int) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim)
