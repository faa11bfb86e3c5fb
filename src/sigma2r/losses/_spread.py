r"""The sigma of Eq. 8 in its three readings: how far the nearest samples of a class lie from an anchor.

``"distance-std"`` (default): standard deviation (divisor count - 1) of the distances from the anchor to its n
nearest samples; needs two of them. ``"std"``: Eq. 12's form over the p points {anchor and its n nearest},
:math:`\sqrt{\sum_q \lVert q - \bar q \rVert^2 / (p - 1)}`; needs one. ``"rms"``: root mean square distance of the
n nearest from the anchor; needs one. Where fewer stand behind it, sigma is undefined.

Axes: B blocks of P points, G classes present, N samples, D dimensions, k = min(n, what the batch can hold).
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
    positive = squared > 0
    return torch.where(positive, torch.where(positive, squared, 1.0).sqrt(), 0.0)


def spread_around_samples(
    features: Tensor, groups: ClassGroups, neighbors: int, spread: Spread
) -> tuple[Tensor, Tensor]:
    """sigma(n, x_i) over the n nearest *other* samples of the class, (N,), and whether it is defined, (N,).

    Distances come from inner products of features less their class's batch mean (in a padded block the last
    sample counts more than once: any point among them would do), so that a common offset cannot cancel them,
    divided by the largest component, so that squares neither overflow nor vanish. What remains is a rounding
    error of about 1e-7 of the squared *class radius* in each squared distance.
    """
    block, same = _blocks(features, groups)
    low, high = block.detach().aminmax()
    scale = torch.maximum(-low, high).clamp_min(torch.finfo(block.dtype).tiny)
    block = block / scale if block.requires_grad else block.div_(scale)
    squares = torch.linalg.vecdot(block, block)
    pairwise = torch.baddbmm(squares.unsqueeze(2) + squares.unsqueeze(1), block, block.transpose(1, 2), alpha=-2.0)
    k = min(neighbors, groups.width - 1)
    nearest, index = pairwise.clamp_min(0).masked_fill(~same, torch.inf).topk(k, dim=2, largest=False)
    count = same.sum(2).clamp_max(k)
    valid = torch.arange(k, device=count.device) < count.unsqueeze(2)
    nearest = torch.where(valid, nearest, 0.0)

    if spread == "std":
        chosen = torch.zeros_like(pairwise).scatter(2, index, valid.to(pairwise.dtype))
        away = torch.bmm(chosen, block) - count.unsqueeze(2) * block
        sigma = _std_of_points(nearest.sum(2), away, count)
    elif spread == "rms":
        sigma = safe_sqrt(nearest.sum(2) / count.clamp_min(1))
    else:
        distance = safe_sqrt(nearest)
        mean = (distance.sum(2) / count.clamp_min(1)).unsqueeze(2)
        deviation = torch.where(valid, distance - mean, 0.0)
        sigma = safe_sqrt(deviation.square().sum(2) / (count - 1).clamp_min(1))
    sigma, count = _samples(sigma, groups), _samples(count, groups)
    return sigma * scale, count >= fewest_neighbours(spread)


def spread_around_centers(
    offset: Tensor, distance: Tensor, groups: ClassGroups, neighbors: int, spread: Spread
) -> tuple[Tensor, Tensor]:
    """sigma(n, C_y) over the n samples nearest to the center of their class, (N,), and whether it is defined.

    Args:
        offset: x_i - C_y, shape (N, D).
        distance: Its length, shape (N,).
        groups: The classes of the batch.
        neighbors: n.
        spread: The reading.
    """
    group = groups.group
    order = distance.detach().argsort(stable=True)
    order = order[group[order].argsort(stable=True)]
    ahead = groups.counts.cumsum(0) - groups.counts
    place = torch.arange(group.shape[0], device=group.device) - ahead[group[order]]
    near = torch.empty_like(place, dtype=torch.bool).scatter_(0, order, place < neighbors)

    def per_class(values: Tensor) -> Tensor:
        return values.new_zeros(groups.counts.shape[0], *values.shape[1:]).index_add(0, group, values)

    count = groups.counts.clamp_max(neighbors)
    near_distance = torch.where(near, distance, 0.0)
    if spread == "std":
        away = per_class(torch.where(near.unsqueeze(1), offset, 0.0))
        sigma = _std_of_points(per_class(near_distance.square()), away, count)
    elif spread == "rms":
        sigma = safe_sqrt(per_class(near_distance.square()) / count.clamp_min(1))
    else:
        mean = per_class(near_distance) / count.clamp_min(1)
        deviation = torch.where(near, distance - mean[group], 0.0)
        sigma = safe_sqrt(per_class(deviation.square()) / (count - 1).clamp_min(1))
    return sigma[group], (count >= fewest_neighbours(spread))[group]


def _std_of_points(sum_of_squares: Tensor, away: Tensor, count: Tensor) -> Tensor:
    """Eq. 12 over an anchor and ``count`` neighbours, from vectors that begin at the anchor.

    With p = count + 1 points: sum ||q - mean||^2 = sum ||q - anchor||^2 - ||sum (q - anchor)||^2 / p. The anchor
    is one of the points, so at most a factor p is lost to cancellation.
    """
    scatter = sum_of_squares - away.square().sum(-1) / (count + 1)
    return safe_sqrt(scatter.clamp_min(0) / count.clamp_min(1))


def _blocks(features: Tensor, groups: ClassGroups) -> tuple[Tensor, Tensor]:
    """The points (B, P, D), each less a point within its class, and who is whose partner (B, P, P)."""
    others = ~torch.eye(groups.width, dtype=torch.bool, device=features.device)
    if groups.members is None:
        counts = groups.counts.clamp_min(1).unsqueeze(1)
        means = features.new_zeros(counts.shape[0], features.shape[1]).index_add(0, groups.group, features) / counts
        same = groups.group.unsqueeze(1) == groups.group
        return (features - means.index_select(0, groups.group)).unsqueeze(0), (same & others).unsqueeze(0)
    block = features.index_select(0, groups.members.flatten()).view(*groups.members.shape, -1)
    taken = torch.arange(groups.width, device=features.device) < groups.counts.unsqueeze(1)
    mean = block.mean(1, keepdim=True)
    block = block - mean if block.requires_grad else block.sub_(mean)
    return block, taken.unsqueeze(2) & taken.unsqueeze(1) & others


def _samples(values: Tensor, groups: ClassGroups) -> Tensor:
    """From one value per point of the blocks (B, P) back to one per sample (N,)."""
    if groups.slot is None:
        return values.squeeze(0)
    return torch.cat([values.flatten(), values.new_zeros(1)])[groups.slot]
