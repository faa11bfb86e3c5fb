r"""How compact classes are: Eq. 12 per class, the distance between classes, and the ratio of the two.

Axes: N samples, C classes, D feature dimensions. All sums run in float64 and from a sample of the class, so an offset
of the features does not cost digits: counts, means and scatter of two parts are merged by Chan's update, in one pass.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._arrays import as_tensor
from sigma2r._values import Count, Share, converted
from sigma2r.losses._checks import check_measured

_CHUNK = 2**24  # numbers held at once when class means are paired


@dataclass(frozen=True)
class ClassStatistics:
    """What the measures need to know of a set of features; statistics of two sets can be merged.

    Args:
        count: Samples of each class, shape ``(C,)``, int64.
        mean: Mean feature of each class, shape ``(C, D)``, float64; zeros where there is no sample.
        scatter: Sum of squared distances to the class mean, shape ``(C,)``, float64.
    """

    count: Tensor
    mean: Tensor
    scatter: Tensor

    def merge(self, other: "ClassStatistics") -> "ClassStatistics":
        """The statistics of both sets together."""
        count = self.count + other.count
        share = (other.count.to(self.mean.dtype) / count.clamp_min(1)).unsqueeze(1)  # of int64 alone: float32
        apart = other.mean - self.mean
        between = apart.square().sum(1) * self.count * share.squeeze(1)
        return ClassStatistics(count, self.mean + share * apart, self.scatter + other.scatter + between)

    def intra_class_spread(self) -> Tensor:
        """Eq. 12 for each class, shape ``(C,)``; NaN for a class of fewer than two samples."""
        spread = (self.scatter / (self.count - 1).clamp_min(1)).sqrt()
        return torch.where(self.count > 1, spread, torch.nan)

    def inter_class_distance(self) -> Tensor:
        """Mean Euclidean distance between the means of two classes, over all pairs present; NaN if there is none."""
        means = self.mean[self.count > 0]
        present = means.shape[0]
        if present < 2:
            return means.new_full((), torch.nan)
        rows = max(1, _CHUNK // present)
        total = sum(
            torch.cdist(part, means, compute_mode="donot_use_mm_for_euclid_dist").sum()
            for part in torch.split(means, rows)
        )
        return torch.as_tensor(total / (present * (present - 1)))

    def distances(self, features: Float[Tensor, "N D"], labels: Int[Tensor, " N"]) -> Float[Tensor, " N"]:
        """Euclidean distance of each feature to the mean of its class, shape ``(N,)``, float64.

        Raises:
            ValueError: If shapes, dtypes or labels do not fit.
        """
        who = "ClassStatistics.distances"
        features, labels = check_measured(who, features, labels, *self.mean.shape)
        features, labels = features.detach().to(self.mean.device).double(), labels.to(self.mean.device)
        apart = features - self.mean.index_select(0, labels)
        squared: Tensor = torch.linalg.vecdot(apart, apart)
        return squared.sqrt()

    def intra_inter_ratio(self) -> Tensor:
        """Mean spread over mean distance between classes: the same whatever the scale of the features."""
        return self.intra_class_spread().nanmean() / self.inter_class_distance()


def class_statistics(features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int) -> ClassStatistics:
    """Count, mean and scatter of each class, on the features' device (on the CPU where that lacks float64).

    Args:
        features: Any floating dtype, shape ``(N, D)``.
        labels: Class indices in ``[0, num_classes)``, shape ``(N,)``.
        num_classes: C.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit.
    """
    who = "class_statistics"
    num_classes = converted(who, "num_classes", Count, num_classes)
    return counted(*check_measured(who, features, labels, num_classes), num_classes)


def of_present(
    features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int
) -> tuple[ClassStatistics, Tensor]:
    """:func:`class_statistics` of the classes that have samples alone, ``(P, ...)``, and which these are.

    What is held follows P, not C: for measures that want no row of a class without samples.
    """
    who = "class_statistics"
    num_classes = converted(who, "num_classes", Count, num_classes)
    features, labels = check_measured(who, features, labels, num_classes)
    present, own = torch.unique(labels, return_inverse=True)
    return counted(features, own, present.shape[0]), present


def counted(features: Tensor, labels: Tensor, num_classes: int) -> ClassStatistics:
    """:func:`class_statistics` of what was checked."""
    device = torch.device("cpu") if features.device.type == "mps" else features.device
    features, labels = features.detach().to(device).double(), labels.to(device)
    count = torch.zeros(num_classes, dtype=torch.int64, device=device)
    count.index_add_(0, labels, torch.ones_like(labels))
    mean = features.new_zeros(num_classes, features.shape[1])
    if features.shape[0]:
        # From a sample of the class: sums of features far from the origin would round by as much as classes may differ.
        places = torch.arange(features.shape[0], device=device)
        first = torch.zeros_like(count).scatter_reduce_(0, labels, places, "amin", include_self=False)
        known = torch.where(count.unsqueeze(1) > 0, features.index_select(0, first), 0.0)
        sums = mean.index_add_(0, labels, features - known.index_select(0, labels))
        mean = known + sums / count.clamp_min(1).unsqueeze(1)
    apart = features - mean.index_select(0, labels)
    scatter = features.new_zeros(num_classes).index_add_(0, labels, torch.linalg.vecdot(apart, apart))
    return ClassStatistics(count, mean, scatter)


def intra_class_spread(
    features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int
) -> Float[Tensor, " C"]:
    r"""The spread of each class about its mean: a standard deviation of vectors.

    .. math:: I_c = \sqrt{\frac{\sum_{x_i \in c} \lVert x_i - \mu_c \rVert^2}{n_c - 1}}

    Args:
        features: Deep features, shape ``(N, D)``.
        labels: Class indices in ``[0, num_classes)``, shape ``(N,)``.
        num_classes: C.

    Returns:
        Feature units, shape ``(C,)``, float64; NaN for a class of fewer than two samples.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit.

    Example:
        >>> features = torch.tensor([[0.0, 0.0], [3.0, 4.0], [7.0, 7.0]])
        >>> intra_class_spread(features, torch.tensor([0, 0, 1]), num_classes=2)
        tensor([3.5355,    nan], dtype=torch.float64)

    Source: arXiv 2009.08796, eq. 12, which calls it intra-class variance; it is the root of one.
    """
    statistics, present = of_present(features, labels, num_classes)
    spread = statistics.scatter.new_full((int(num_classes),), torch.nan)
    spread[present.to(spread.device)] = statistics.intra_class_spread()
    return spread


def inter_class_distance(features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int) -> Tensor:
    """Mean Euclidean distance between the means of two classes; see :meth:`ClassStatistics.inter_class_distance`.

    Returns:
        Feature units, a float64 scalar; NaN if fewer than two classes are present.
    """
    return of_present(features, labels, num_classes)[0].inter_class_distance()


def intra_inter_ratio(features: Float[Tensor, "N D"], labels: Int[Tensor, " N"], num_classes: int) -> Tensor:
    """Mean of :func:`intra_class_spread` over :func:`inter_class_distance`: free of the features' scale."""
    return of_present(features, labels, num_classes)[0].intra_inter_ratio()


def distance_tail(distances: Float[Tensor, " N"], share: float = 0.99) -> tuple[Tensor, Tensor]:
    """How far the stragglers are: the distance that a share of all samples do not exceed, and the largest.

    Args:
        distances: Of samples to the mean of their class, shape ``(N,)``; see :meth:`ClassStatistics.distances`.
        share: In (0, 1].

    Returns:
        The least of the distances that at least ``share`` of them do not exceed, and the largest; scalars.

    Raises:
        ValueError: If there is no distance, or ``share`` makes no sense.

    Example:
        >>> distance_tail(torch.arange(1.0, 201.0))
        (tensor(198.), tensor(200.))
    """
    distances = as_tensor("distance_tail", "distances", distances)
    share = converted("distance_tail", "share", Share, share)
    if distances.ndim != 1 or not distances.shape[0]:
        raise ValueError(f"distance_tail: distances must have shape (N,) with N > 0; got {tuple(distances.shape)}.")
    rank = math.ceil(share * distances.shape[0] - 1e-9)  # 0.07 * 100 is a little more than 7
    return distances.kthvalue(rank).values, distances.amax()
