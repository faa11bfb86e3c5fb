r"""The sigma of Eq. 8 in its three readings: how far the nearest samples of a class lie from an anchor.

``"distance-std"`` (default): standard deviation (divisor count - 1) of the distances from the anchor to its n
nearest samples; needs two of them. ``"std"``: Eq. 12's form over the p points {anchor and its n nearest},
:math:`\sqrt{\sum_q \lVert q - \bar q \rVert^2 / (p - 1)}`; needs one. ``"rms"``: root mean square distance of the
n nearest from the anchor; needs one. Where fewer stand behind it, sigma is undefined.

Axes: B blocks of P points, R centers in each block, A = P + R anchors, N samples, G groups, D dimensions,
k = min(n, P).
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from sigma2r.losses._checks import check_choice
from sigma2r.losses._func import is_functional
from sigma2r.losses._groups import ClassGroups
from sigma2r.losses._rows import pieces

Spread = Literal["distance-std", "std", "rms"]
_SPREADS = get_args(Spread)

# Features are multiplied by this power of two before they are squared, so that pairs twice as far apart as the
# farthest sample that still has a finite loss do not overflow. What vanishes below instead, a sigma of less than
# 1e-10, is less than a gate can tell from none.
_UNIT = 2.0**-30


def check_spread(who: str, spread: str) -> None:
    """Refuse a reading that does not exist.

    Raises:
        ValueError: If ``spread`` is not ``"distance-std"``, ``"std"`` or ``"rms"``.
    """
    check_choice(who, "spread", spread, _SPREADS)


def fewest_neighbours(spread: Spread) -> int:
    """How many neighbours must stand behind a sigma in this reading."""
    return 2 if spread == "distance-std" else 1


def safe_sqrt(squared: Tensor) -> Tensor:
    """The root of what is not negative, with gradient 0 instead of infinity at 0."""
    if not squared.requires_grad:
        return squared.sqrt()
    positive = squared > 0
    return torch.where(positive, torch.where(positive, squared, 1.0).sqrt(), 0.0)


def spread_excess(features: Tensor, squared: Tensor, groups: ClassGroups, neighbors: int, spread: Spread) -> Tensor:
    """sigma(n, x_i) - sigma(n, C_y) for each sample, (N,); 0 where either is undefined.

    Samples look among the *other* samples of their class, centers among all of theirs. Distances between samples
    come from inner products of features less a mean within their class, so that a common offset cannot cancel
    them: what remains is a rounding error of about 1e-7 of the squared *class radius* in a squared distance.

    Args:
        features: (N, D).
        squared: ||x_i - C_y||^2, taken by direct difference, (N,).
        groups: The classes of the batch.
        neighbors: n.
        spread: The reading.
    """
    if not features.shape[0]:
        return squared
    layout = _masked_layout if groups.members is None else _grouped_layout
    products, strangers, to_centers = layout(features, squared, groups)
    norms = _diagonal(products).clone()
    pairwise = products.mul_(-2).add_(norms.unsqueeze(2)).add_(norms.unsqueeze(1))  # down to rounding below 0

    k = min(int(neighbors), pairwise.shape[1])
    if is_functional():
        itself = torch.eye(pairwise.shape[1], dtype=torch.bool, device=pairwise.device)
        others = pairwise.masked_fill(itself if strangers is None else strangers | itself, torch.inf)
    else:
        others = pairwise.clone() if spread == "std" else pairwise  # std looks at the pairs again
        if strangers is not None:
            others.masked_fill_(strangers, torch.inf)
        _diagonal(others).fill_(torch.inf)
    near_points, point_index = others.topk(k, dim=2, largest=False)
    near_centers, center_index = (to_centers * _UNIT**2).topk(k, dim=2, largest=False)
    nearest = torch.cat([near_points, near_centers], dim=1).clamp_min_(0)
    index = torch.cat([point_index, center_index], dim=1) if spread == "std" else None
    if groups.least > k:  # everyone finds k neighbours
        sigma = _sigma_of_all(nearest, pairwise, index, spread)
    else:
        sigma = _sigma_of_some(nearest, pairwise, index, spread, _partners(groups).clamp_max(k).unsqueeze(2))
    if groups.slot is None:
        num_samples = groups.group.shape[0]
        excess = sigma[0, :num_samples] - sigma[0, num_samples + groups.group]
    else:
        compared = (sigma[:, :-1] - sigma[:, -1:]).flatten()
        if not groups.counted:  # there may be a slot for those left out
            compared = torch.cat([compared, compared.new_full((1,), torch.nan)])
        excess = compared[groups.slot]
    return torch.nan_to_num(excess / _UNIT, nan=0.0, posinf=torch.inf, neginf=-torch.inf)


def _sigma_of_all(nearest: Tensor, pairwise: Tensor, index: Tensor | None, spread: Spread) -> Tensor:
    """Sigma (B, A) from squared distances to k neighbours (B, A, k), all of which are there."""
    k = nearest.shape[2]
    if index is not None:
        return safe_sqrt((nearest.sum(2) + _sum_of_pairs(pairwise, index, None)) / ((k + 1) * k))
    if spread == "rms":
        return safe_sqrt(nearest.mean(2))
    if k < fewest_neighbours(spread):
        return torch.zeros_like(nearest[:, :, 0])  # undefined for everyone: no excess
    distance = safe_sqrt(nearest)
    deviation = distance - distance.mean(2, keepdim=True)
    if not deviation.requires_grad:
        sigma: Tensor = torch.linalg.vector_norm(deviation, dim=2) * (k - 1) ** -0.5
        return sigma
    return safe_sqrt(deviation.square().sum(2) / (k - 1))


def _sigma_of_some(nearest: Tensor, pairwise: Tensor, index: Tensor | None, spread: Spread, count: Tensor) -> Tensor:
    """:func:`_sigma_of_all` where the first ``count`` (B, A, 1) of the k are there; NaN where too few are."""
    valid = torch.arange(nearest.shape[2], device=count.device) < count
    nearest, number = torch.where(valid, nearest, 0.0), count.squeeze(2)
    if index is not None:
        scatter = (nearest.sum(2) + _sum_of_pairs(pairwise, index, valid)) / (number + 1)
        sigma = safe_sqrt(scatter / number.clamp_min(1))
    elif spread == "rms":
        sigma = safe_sqrt(nearest.sum(2) / number.clamp_min(1))
    else:
        distance = safe_sqrt(nearest)
        mean = distance.sum(2, keepdim=True) / count.clamp_min(1)
        deviation = torch.where(valid, distance - mean, 0.0)
        sigma = safe_sqrt(deviation.square().sum(2) / (number - 1).clamp_min(1))
    return torch.where(number < fewest_neighbours(spread), torch.nan, sigma)


def _diagonal(matrices: Tensor) -> Tensor:
    """The diagonals of contiguous matrices (B, P, P), a view (B, P)."""
    return matrices.view(matrices.shape[0], -1)[:, :: matrices.shape[2] + 1]


def _sum_of_pairs(pairwise: Tensor, index: Tensor, valid: Tensor | None) -> Tensor:
    """Sum of the squared distances between each anchor's neighbours, every pair once, (B, A).

    The scatter of p points about their mean is the sum over their pairs over p: with the distances to the anchor,
    these are all pairs of Eq. 12, and no difference of large numbers is taken.
    """
    num_blocks, num_anchors, k = index.shape
    flat, total = pairwise.flatten(1), pairwise.new_zeros(num_blocks, num_anchors)
    for j in range(k - 1):
        pairs = index[:, :, j : j + 1] * pairwise.shape[2] + index[:, :, j + 1 :]
        squared = flat.gather(1, pairs.flatten(1)).view(pairs.shape)
        squared = squared.clamp_min(0)
        total = total + (squared if valid is None else torch.where(valid[:, :, j + 1 :], squared, 0.0)).sum(2)
    return total


def _partners(groups: ClassGroups) -> Tensor:
    """How many neighbours each anchor could have, (B, A): the others of its class, or for a center all of it."""
    if groups.members is None:
        return torch.cat([groups.counts.index_select(0, groups.group) - 1, groups.counts]).unsqueeze(0)
    counts = groups.counts.unsqueeze(1)
    return torch.cat([(counts - 1).clamp_min(0).expand(-1, groups.members.shape[1]), counts], dim=1)


def _grouped_layout(features: Tensor, squared: Tensor, groups: ClassGroups) -> tuple[Tensor, Tensor | None, Tensor]:
    """A block for each group, B = G and R = 1.

    Returns:
        Inner products of points less their block's mean, times _UNIT squared (B, P, P); where a point is no partner of
        another, whether or not it is the same, None or something that broadcasts to (B, P, P); and the squared
        distances from the centers to the points (B, R, P), infinite to strangers.
    """
    members = groups.members
    assert members is not None
    num_groups, width = members.shape
    # Repeated members count more than once in a mean: any point among the members would do.
    if is_functional() or (features.requires_grad and torch.is_grad_enabled()):
        block = features.index_select(0, members.flatten()).view(num_groups, width, features.shape[1])
        block = (block - block.mean(1, keepdim=True)) * _UNIT
        products = torch.bmm(block, block.transpose(1, 2))
    else:
        products = _products_in_pieces(features, members)
    to_centers = squared.index_select(0, members.flatten()).view(num_groups, 1, width)
    if groups.complete:
        return products, None, to_centers
    empty = (torch.arange(width, device=features.device) >= groups.counts.unsqueeze(1)).unsqueeze(1)
    return products, empty, to_centers.masked_fill(empty, torch.inf)


def _products_in_pieces(features: Tensor, members: Tensor) -> Tensor:
    """The inner products of :func:`_grouped_layout`, some groups at a time."""
    (num_groups, width), size = members.shape, features.shape[1]
    parts = pieces(num_groups, width * size, features.device)
    if len(parts) == 1:
        return _products(features.index_select(0, members.flatten()).view(num_groups, width, size))
    products = features.new_empty(num_groups, width, width)
    points = features.new_empty(parts[0].stop * width, size)
    for part in parts:
        chosen = members[part].flatten()
        block = torch.index_select(features, 0, chosen, out=points[: len(chosen)]).view(-1, width, size)
        _products(block, products[part])
    return products


def _products(block: Tensor, out: Tensor | None = None) -> Tensor:
    """Inner products of points (B, P, D) less their block's mean, times _UNIT squared; the points are written over."""
    mean = block.mean(1, keepdim=True)
    torch.add(mean.mul_(-_UNIT), block, alpha=_UNIT, out=block)  # the same numbers: _UNIT is a power of two
    return torch.bmm(block, block.transpose(1, 2), out=out)


def _masked_layout(features: Tensor, squared: Tensor, groups: ClassGroups) -> tuple[Tensor, Tensor | None, Tensor]:
    """The whole batch as one block, B = 1 and R = G; returns what :func:`_grouped_layout` does."""
    group, num_groups = groups.group, groups.counts.shape[0]
    sums = features.new_zeros(num_groups, features.shape[1]).index_add(0, group, features)
    means = sums / groups.counts.clamp_min(1).unsqueeze(1)
    block = (features - means.index_select(0, group)).mul(_UNIT).unsqueeze(0)
    strangers = group.unsqueeze(1) != group
    elsewhere = torch.arange(num_groups, device=group.device).unsqueeze(1) != group
    to_centers = squared.expand(num_groups, -1).masked_fill(elsewhere, torch.inf)
    return torch.bmm(block, block.transpose(1, 2)), strangers.unsqueeze(0), to_centers.unsqueeze(0)
