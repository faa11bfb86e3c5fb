"""Outliers: images far from all others, by the features of a network that was not trained on them.

Axes: M images judged by one network, D feature dimensions.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sigma2r._values import Count, checked
from sigma2r.audit.labels import refuse_not_finite
from sigma2r.losses._distances import nearest, own_distances

_FENCE = 3.0  # quartile distances beyond the third quartile: what Tukey calls far out


@checked
def isolation(features: Float[Tensor, "M D"], k: Count = 10) -> Float[Tensor, " M"]:
    r"""How far each image is from its k-th nearest other, over what is usual: 1 is the median.

    .. math:: o_i = \lVert x_i - x_{(k)} \rVert_2 \,/\, \operatorname{median}_j \lVert x_j - x_{(k)} \rVert_2

    The k-th, not the first, so that a handful of copies of an odd image do not make it usual. Labels do not count: a
    usual image under a wrong label is no outlier.

    Args:
        features: Shape ``(M, D)``, all of one network; finite.
        k: Which neighbour; where there are fewer others, the last.

    Returns:
        Shape ``(M,)``, float64; 0 where there is no other image.

    Raises:
        ValueError: If features are not finite.

    Example:
        >>> isolation(torch.tensor([[0.0], [1.0], [2.0], [9.0]]), k=1)
        tensor([1., 1., 1., 7.], dtype=torch.float64)

    Source: "Efficient Algorithms for Mining Outliers from Large Data Sets", SIGMOD 2000; of features, "Out-of-
    Distribution Detection with Deep Nearest Neighbors", ICML 2022, which divides features by their length first.
    """
    refuse_not_finite("features", features)
    rank = rank_among(features.shape[0], k)
    if rank < 1:
        return torch.zeros(features.shape[0], dtype=torch.float64)
    found = nearest(features, features, rank + 1)[:, -1]  # the image itself is among them, at distance 0
    distances = own_distances(features, features[found])
    usual = distances.median()
    return distances / usual if usual > 0 else distances


def rank_among(count: int, k: int) -> int:
    """Which neighbour of an image among ``count`` stands for the k-th: the last, where there are fewer others."""
    return min(k, count - 1)


def far_out(isolations: Float[Tensor, " N"]) -> Bool[Tensor, " N"]:
    """Which images are outliers: those beyond the third quartile by more than 3 times the distance of the quartiles.

    Quartiles are those of the logarithms, since isolation is a ratio; images that coincide with others do not count.

    Args:
        isolations: As :func:`isolation` gives them, perhaps of several networks; shape ``(N,)``.

    Returns:
        Shape ``(N,)``.

    Source: the outer fence of "Exploratory Data Analysis", Tukey 1977.
    """
    logs = isolations.double().log()
    finite = logs[logs.isfinite()]
    if finite.numel() < 4:
        return torch.zeros_like(isolations, dtype=torch.bool)
    ordered = finite.sort().values
    low, high = (_quantile(ordered, share) for share in (0.25, 0.75))
    return logs > high + _FENCE * (high - low)


def _quantile(ordered: Tensor, share: float) -> float:
    """Between two values on the line; torch's own takes no more than 16 million."""
    place = share * (ordered.numel() - 1)
    below = int(place)
    above = min(below + 1, ordered.numel() - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))
