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

from sigma2r.losses._groups import ClassGroups

Spread = Literal["distance-std", "std", "rms"]


def check_spread(who: str, spread: str) -> None:
    """Refuse a reading that does not exist.

    Raises:
        ValueError: If ``spread`` is not ``"distance-std"``, ``"std"`` or ``"rms"``.
    """
    if spread not in get_args(Spread):
        raise ValueError(f'{who}: spread must be "distance-std", "std" or "rms"; got {spread!r}.')


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
    them, divided by the largest component, so that squares neither overflow nor vanish; distances to centers,
    taken by direct difference, have a unit of their own. What remains is a rounding error of about 1e-7 of the
    squared *class radius* in a squared distance.

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
    block, strangers, to_centers, partners = layout(features, squared, groups)
    num_points = block.shape[1]
    least = torch.finfo(block.dtype).tiny
    low, high = block.detach().aminmax()
    scale = torch.maximum(-low, high).clamp_min(least)
    center_scale = squared.detach().amax().sqrt().clamp_min(least)  # a center may lie far outside its class
    block = block / scale if block.requires_grad else block.div_(scale)
    products = torch.bmm(block, block.transpose(1, 2))
    norms = _diagonal(products).clone()
    pairwise = products.mul_(-2).add_(norms.unsqueeze(2)).add_(norms.unsqueeze(1)).clamp_min_(0)

    k = min(neighbors, num_points)
    fill = pairwise.masked_fill if spread == "std" else pairwise.masked_fill_  # std looks at the pairs again
    others = fill(strangers, torch.inf)
    _diagonal(others).fill_(torch.inf)
    near_points, index = others.topk(k, dim=2, largest=False)
    # Divided twice, because the square of the scale may overflow where the scale does not.
    near_centers, center_index = (to_centers / center_scale / center_scale).topk(k, dim=2, largest=False)
    nearest = torch.cat([near_points, near_centers], dim=1)
    is_center = torch.arange(nearest.shape[1], device=block.device) >= num_points
    count = partners.clamp_max(k).unsqueeze(2)
    valid = torch.arange(k, device=block.device) < count
    nearest = torch.where(valid, nearest, 0.0)
    if spread == "std":
        index = torch.cat([index, center_index], dim=1)
        ratio = torch.where(is_center, (scale / center_scale).square(), 1.0)
        among = ratio * _sum_of_pairs(pairwise, index, valid)
        sigma = safe_sqrt((nearest.sum(2) + among) / ((count + 1) * count.clamp_min(1)).squeeze(2))
    elif spread == "rms":
        sigma = safe_sqrt(nearest.sum(2) / count.clamp_min(1).squeeze(2))
    else:
        distance = safe_sqrt(nearest)
        mean = distance.sum(2, keepdim=True) / count.clamp_min(1)
        deviation = torch.where(valid, distance - mean, 0.0)
        sigma = safe_sqrt(deviation.square().sum(2) / (count - 1).clamp_min(1).squeeze(2))
    sigma = sigma * torch.where(is_center, center_scale, scale)
    sigma = torch.where(count.squeeze(2) < fewest_neighbours(spread), torch.nan, sigma)  # undefined: NaN
    if groups.slot is None:
        num_samples = groups.group.shape[0]
        excess = sigma[0, :num_samples] - sigma[0, num_samples + groups.group]
    else:
        compared = sigma[:, :-1] - sigma[:, -1:]
        excess = torch.cat([compared.flatten(), compared.new_zeros(1)])[groups.slot]
    return torch.where(excess.isnan(), 0.0, excess)


def _diagonal(matrices: Tensor) -> Tensor:
    """The diagonals of contiguous matrices (B, P, P), a view (B, P)."""
    return matrices.view(matrices.shape[0], -1)[:, :: matrices.shape[2] + 1]


def _sum_of_pairs(pairwise: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    """Sum of the squared distances between each anchor's neighbours, every pair once, (B, A).

    The scatter of p points about their mean is the sum over their pairs over p: with the distances to the anchor,
    these are all pairs of Eq. 12, and no difference of large numbers is taken.
    """
    num_blocks, num_anchors, k = index.shape
    flat, total = pairwise.flatten(1), pairwise.new_zeros(num_blocks, num_anchors)
    for j in range(k - 1):
        pairs = index[:, :, j : j + 1] * pairwise.shape[2] + index[:, :, j + 1 :]
        squared = flat.gather(1, pairs.flatten(1)).view(pairs.shape)
        total = total + torch.where(valid[:, :, j + 1 :], squared, 0.0).sum(2)
    return total


def _grouped_layout(features: Tensor, squared: Tensor, groups: ClassGroups) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A block for each group, B = G and R = 1.

    Returns:
        Points less their block's mean (B, P, D); where a point is no partner of another, whether or not it is
        the same, something that broadcasts to (B, P, P); the squared distances from the centers to the points
        (B, R, P), infinite to strangers; and how many partners each anchor has (B, A).
    """
    members = groups.members
    assert members is not None
    num_groups, width = members.shape
    block = features.index_select(0, members.flatten()).view(num_groups, width, features.shape[1])
    # Repeated members count more than once in the mean: any point among the members would do.
    block = block - block.mean(1, keepdim=True) if block.requires_grad else block.sub_(block.mean(1, keepdim=True))
    counts = groups.counts.unsqueeze(1)
    empty = torch.arange(width, device=features.device) >= counts
    to_centers = squared[members].masked_fill(empty, torch.inf)
    partners = torch.cat([(counts - 1).clamp_min(0).expand(-1, width), counts], dim=1)
    return block, empty.unsqueeze(1), to_centers.unsqueeze(1), partners


def _masked_layout(features: Tensor, squared: Tensor, groups: ClassGroups) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The whole batch as one block, B = 1 and R = G; returns what :func:`_grouped_layout` does."""
    group, counts, num_groups = groups.group, groups.counts, groups.classes.shape[0]
    sums = features.new_zeros(num_groups, features.shape[1]).index_add(0, group, features)
    means = sums / counts.clamp_min(1).unsqueeze(1)
    block = (features - means.index_select(0, group)).unsqueeze(0)
    strangers = group.unsqueeze(1) != group
    elsewhere = torch.arange(num_groups, device=group.device).unsqueeze(1) != group
    to_centers = squared.expand(num_groups, -1).masked_fill(elsewhere, torch.inf)
    partners = torch.cat([counts.index_select(0, group) - 1, counts])
    return block, strangers.unsqueeze(0), to_centers.unsqueeze(0), partners.unsqueeze(0)
