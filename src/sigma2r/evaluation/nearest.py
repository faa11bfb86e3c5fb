"""Classes by the nearest center, or by the nearest mean of a class.

Axes: N samples, C classes, D feature dimensions.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._arrays import as_tensor
from sigma2r.evaluation._distances import squared_distances, vouched_for
from sigma2r.losses._checks import check_centers, check_features, check_measured
from sigma2r.metrics import ClassStatistics, class_statistics

_AT_ONCE = 2**22  # distances held at once


def nearest_center(features: Float[Tensor, "N D"], centers: Float[Tensor, "C D"]) -> Int[Tensor, " N"]:
    """The class whose center is nearest, by Euclidean distance; of several as near, the first.

    Args:
        features: Shape ``(N, D)``.
        centers: Shape ``(C, D)``.

    Returns:
        Class indices, shape ``(N,)``, int64.

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> nearest_center(torch.tensor([[0.0, 1.0], [5.0, 4.0]]), torch.tensor([[0.0, 0.0], [5.0, 5.0]]))
        tensor([0, 1])
    """
    features, centers = (
        as_tensor("nearest_center", "features", features),
        as_tensor("nearest_center", "centers", centers),
    )
    check_centers("nearest_center", centers)
    check_features("nearest_center", features, centers.shape[1], centers.shape[0])
    return _nearest(features.detach(), centers.detach().to(features.device))


def nearest_class_mean(
    features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int, *, leave_one_out: bool = True
) -> Int[Tensor, " N"]:
    """The class whose mean is nearest, where the means are those of the very features that are classified.

    Args:
        features: Shape ``(N, D)``.
        labels: Class indices in ``[0, num_classes)``, shape ``(N,)``.
        num_classes: C.
        leave_one_out: Each sample is left out of the mean of its own class, which would otherwise lie nearer to it than
            to a new sample.

    Returns:
        Class indices, shape ``(N,)``, int64; -1 for a sample that is alone in its class and left out of it, as that
        class has no mean then.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit.

    Example:
        >>> features, labels = torch.tensor([[0.0], [4.0], [5.0], [9.0]]), torch.tensor([0, 0, 1, 1])
        >>> nearest_class_mean(features, labels, 2), nearest_class_mean(features, labels, 2, leave_one_out=False)
        (tensor([0, 1, 0, 1]), tensor([0, 0, 1, 1]))
    """
    features, labels = check_measured("nearest_class_mean", features, labels, num_classes)
    statistics = class_statistics(features, labels, num_classes)
    return nearest_of_statistics(features.detach(), labels, statistics, leave_one_out)


def nearest_of_statistics(features: Tensor, labels: Tensor, statistics: ClassStatistics, leave_one_out: bool) -> Tensor:
    """:func:`nearest_class_mean` for statistics that are known."""
    present = statistics.count.nonzero().squeeze(1)
    features, labels = features.to(present.device), labels.to(present.device)
    if not leave_one_out:
        return present[_nearest(features, statistics.mean[present])]
    own = torch.searchsorted(present, labels)
    count = statistics.count[labels].double()
    farther = (count / (count - 1)).square()  # to the mean of the others; infinite for one that is alone
    found = present[_nearest(features, statistics.mean[present], own, farther)]
    return found.masked_fill(count == 1, -1)


def _nearest(features: Tensor, centers: Tensor, own: Tensor | None = None, farther: Tensor | None = None) -> Tensor:
    """The nearest center, where each sample's ``own`` has a squared distance that is so many times as large."""
    found = []
    rows = max(1, _AT_ONCE // max(1, centers.shape[0], centers.shape[1]))
    for start in range(0, features.shape[0], rows):
        some = slice(start, start + rows)
        squared = squared_distances(features[some], centers)
        if own is not None and farther is not None:
            places = torch.arange(squared.shape[0], device=squared.device), own[some]
            squared[places] = (squared[places] * farther[some]).nan_to_num(nan=torch.inf)
        alike = squared <= squared.amin(1, keepdim=True) * (1 + vouched_for(centers.shape[1]))
        found.append(alike.byte().argmax(1))
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.int64, device=features.device)
