r"""Silhouette: how much nearer a sample lies to its own class than to the nearest other one.

Axes: N samples, M of which are looked at, D feature dimensions.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r.evaluation._distances import squared_distances
from sigma2r.losses._checks import check_measured, class_indices

_SIDE = 1024  # of the blocks of distances that are held at once


def silhouettes(
    features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], *, of: Int[Tensor, " M"] | None = None
) -> Float[Tensor, " M"]:
    r"""The silhouette of each sample, from all distances, in blocks.

    .. math:: s_i = \frac{b_i - a_i}{\max(a_i, b_i)}

    with :math:`a_i` the mean Euclidean distance to the others of the own class and :math:`b_i` the least of the mean
    distances to each other class.

    The values of some samples follow from all samples, so parts of a set of samples cannot be merged; ``of`` shares the
    work.

    Args:
        features: Shape ``(N, D)``.
        labels: Class indices, shape ``(N,)``, of two classes at least.
        of: Which samples are looked at, against all N; all of them if None.

    Returns:
        In [-1, 1], shape ``(M,)``, float64; 0 for a sample that is alone in its class.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or there is one class.

    Example:
        >>> silhouettes(torch.tensor([[0.0], [1.0], [4.0], [5.0]]), torch.tensor([0, 0, 1, 1]))
        tensor([0.7778, 0.7143, 0.7143, 0.7778], dtype=torch.float64)

    Source: Rousseeuw, "Silhouettes", Journal of Computational and Applied Mathematics 20, 1987.
    """
    features, labels = check_measured("silhouettes", features, labels)
    features, labels = features.detach(), labels.to(features.device)
    present, own, count = torch.unique(labels, return_inverse=True, return_counts=True)
    if present.shape[0] < 2:
        raise ValueError(f"silhouettes: labels must hold two classes at least; got {present.shape[0]}.")
    num_samples = features.shape[0]
    which = torch.arange(num_samples, device=features.device)
    if of is not None:
        which = class_indices("silhouettes", "of", of, len(of), num_samples).to(features.device)
        if which.numel() and not 0 <= int(which.min()) <= int(which.max()) < num_samples:
            raise ValueError(f"silhouettes: of must hold indices of samples, in [0, {num_samples}).")
    order = own.argsort(stable=True)
    portions = list(_portions(count.tolist()))
    parts = [
        _silhouettes(features[some], own[some], features, order, count, portions) for some in torch.split(which, _SIDE)
    ]
    return torch.cat(parts) if parts else features.new_zeros(0, dtype=torch.float64)


def _silhouettes(
    rows: Tensor, own: Tensor, features: Tensor, order: Tensor, count: Tensor, portions: list[tuple[slice, list[slice]]]
) -> Tensor:
    """Of a block of samples."""
    inside = rows.new_zeros(rows.shape[0], dtype=torch.float64)
    other = torch.full_like(inside, torch.inf)
    for classes, blocks in portions:
        sums = rows.new_zeros(rows.shape[0], classes.stop - classes.start, dtype=torch.float64)
        for places in blocks:
            distances = squared_distances(rows, features[order[places]]).clamp_min_(0).sqrt_()
            if len(blocks) > 1:  # one large class
                sums += distances.sum(1, keepdim=True)
            else:
                ends = torch.nn.functional.pad(count[classes].cumsum(0), (1, 0))
                running = torch.nn.functional.pad(distances.cumsum(1), (1, 0))[:, ends]
                sums = running[:, 1:] - running[:, :-1]
        mine = ((own >= classes.start) & (own < classes.stop)).nonzero().squeeze(1)
        places_of_mine = mine, own[mine] - classes.start
        inside[mine] = sums[places_of_mine]
        sums /= count[classes]
        sums[places_of_mine] = torch.inf
        other = torch.minimum(other, sums.amin(1))
    inside /= count[own] - 1
    values = (other - inside) / torch.maximum(inside, other)
    return values.nan_to_num(nan=0.0)  # alone in its class, or no distance at all


def _portions(counts: list[int]) -> Iterator[tuple[slice, list[slice]]]:
    """Classes whose samples, sorted by class, make up a block together, or several blocks of one large class."""
    first = start = stop = 0
    for number, count in enumerate(counts):
        if stop - start + count > _SIDE and number > first:
            yield slice(first, number), [slice(start, stop)]
            first, start = number, stop
        stop += count
        if stop - start > _SIDE:
            yield slice(first, number + 1), [slice(at, min(stop, at + _SIDE)) for at in range(start, stop, _SIDE)]
            first, start = number + 1, stop
    if stop > start:
        yield slice(first, len(counts)), [slice(start, stop)]
