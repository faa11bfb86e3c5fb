r"""The sigma of Eq. 8 in its three readings: how far the nearest samples of a class lie from an anchor.

``"distance-std"`` (default): standard deviation (divisor count - 1) of the distances from the anchor to its n
nearest samples; needs two of them. ``"std"``: Eq. 12's form over the p points {anchor and its n nearest},
:math:`\sqrt{\sum_q \lVert q - \bar q \rVert^2 / (p - 1)}`; needs one. ``"rms"``: root mean square distance of the
n nearest from the anchor; needs one. Where fewer stand behind it, sigma is undefined.

Axes: B blocks of P points, R centers in each block, N samples, G groups, D dimensions, k = min(n, P).
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


def spread_excess(
    features: Tensor,
    squared: Tensor,
    centers: Tensor,
    groups: ClassGroups,
    neighbors: int,
    spread: Spread,
) -> Tensor:
    """sigma(n, x_i) - sigma(n, C_y) for each sample, (N,); 0 where either is undefined.

    Samples look among the *other* samples of their class, centers among all of theirs: both are anchors of one
    search. Distances between samples come from inner products of features less a mean within their class, so that
    a common offset cannot cancel them, divided by the largest component, so that squares neither overflow nor
    vanish. What remains is a rounding error of about 1e-7 of the squared *class radius* in a squared distance.

    Args:
        features: (N, D).
        squared: ||x_i - C_y||^2, taken by direct difference, (N,).
        centers: (C, D).
        groups: The classes of the batch.
        neighbors: n.
        spread: The reading.
    """
    if not features.shape[0]:
        return squared
    layout = _masked_layout if groups.members is None else _grouped_layout
    block, means, partners, to_centers = layout(features, squared, groups)
    low, high = block.detach().aminmax()
    scale = torch.maximum(-low, high).clamp_min(torch.finfo(block.dtype).tiny)
    block = block / scale if block.requires_grad else block.div_(scale)
    norms = torch.linalg.vecdot(block, block)
    pairwise = torch.baddbmm(norms.unsqueeze(2) + norms.unsqueeze(1), block, block.transpose(1, 2), alpha=-2.0)
    # Divided twice, because the square of the scale may overflow where the scale does not.
    pairwise = torch.cat([pairwise.clamp_min(0), to_centers / scale / scale], dim=1)

    k = min(neighbors, block.shape[1])
    nearest, index = pairwise.masked_fill(~partners, torch.inf).topk(k, dim=2, largest=False)
    count = partners.sum(2).clamp_max(k)
    valid = torch.arange(k, device=count.device) < count.unsqueeze(2)
    nearest = torch.where(valid, nearest, 0.0)
    if spread == "std":
        chosen = torch.zeros_like(pairwise).scatter(2, index, valid.to(pairwise.dtype))
        own = (centers.index_select(0, groups.classes) - means) / scale
        anchors = torch.cat([block, own.view(block.shape[0], -1, block.shape[2])], dim=1)
        away = torch.bmm(chosen, block) - count.unsqueeze(2) * anchors
        sigma = _std_of_points(nearest.sum(2), away, count)
    elif spread == "rms":
        sigma = safe_sqrt(nearest.sum(2) / count.clamp_min(1))
    else:
        distance = safe_sqrt(nearest)
        mean = (distance.sum(2) / count.clamp_min(1)).unsqueeze(2)
        deviation = torch.where(valid, distance - mean, 0.0)
        sigma = safe_sqrt(deviation.square().sum(2) / (count - 1).clamp_min(1))
    sigma = torch.where(count < fewest_neighbours(spread), torch.nan, sigma * scale)  # undefined: NaN
    if groups.slot is None:
        num_samples = groups.group.shape[0]
        excess = sigma[0, :num_samples] - sigma[0, num_samples + groups.group]
    else:
        compared = sigma[:, :-1] - sigma[:, -1:]
        excess = torch.cat([compared.flatten(), compared.new_zeros(1)])[groups.slot]
    return torch.where(excess.isnan(), 0.0, excess)


def _std_of_points(sum_of_squares: Tensor, away: Tensor, count: Tensor) -> Tensor:
    """Eq. 12 over an anchor and ``count`` neighbours, from vectors that begin at the anchor.

    With p = count + 1 points: sum ||q - mean||^2 = sum ||q - anchor||^2 - ||sum (q - anchor)||^2 / p. The anchor
    is one of the points, so at most a factor p is lost to cancellation.
    """
    scatter = sum_of_squares - away.square().sum(-1) / (count + 1)
    return safe_sqrt(scatter.clamp_min(0) / count.clamp_min(1))


def _grouped_layout(features: Tensor, squared: Tensor, groups: ClassGroups) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A block for each group, B = G and R = 1.

    Returns:
        Points less their block's mean (B, P, D), those means (G, D), who may be a neighbour of whom (B, P + R, P),
        and the squared distances from the centers to the points (B, R, P).
    """
    members = groups.members
    assert members is not None
    block = features.index_select(0, members.flatten()).view(*members.shape, features.shape[1])
    means = block.mean(1)  # repeated members count more than once: any point among the members would do
    block = block - means.unsqueeze(1) if block.requires_grad else block.sub_(means.unsqueeze(1))
    width = members.shape[1]
    taken = torch.arange(width, device=features.device) < groups.counts.unsqueeze(1)
    # Row P, the center's, is beyond the diagonal: a center has no self to leave out.
    others = ~torch.eye(width + 1, width, dtype=torch.bool, device=features.device)
    anchors = torch.cat([taken, taken.any(1, keepdim=True)], dim=1)
    return block, means, anchors.unsqueeze(2) & taken.unsqueeze(1) & others, squared[members].unsqueeze(1)


def _masked_layout(features: Tensor, squared: Tensor, groups: ClassGroups) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The whole batch as one block, B = 1 and R = G; returns what :func:`_grouped_layout` does."""
    group, num_groups, num_samples = groups.group, groups.classes.shape[0], features.shape[0]
    sums = features.new_zeros(num_groups, features.shape[1]).index_add(0, group, features)
    means = sums / groups.counts.clamp_min(1).unsqueeze(1)
    block = (features - means.index_select(0, group)).unsqueeze(0)
    anchors = torch.cat([group, torch.arange(num_groups, device=group.device)])
    others = ~torch.eye(num_samples + num_groups, num_samples, dtype=torch.bool, device=group.device)
    partners = (anchors.unsqueeze(1) == group) & others
    return block, means, partners.unsqueeze(0), squared.expand(1, num_groups, -1)
