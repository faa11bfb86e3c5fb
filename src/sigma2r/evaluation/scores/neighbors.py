r"""The distance to the k-th nearest of known samples.

Axes: N samples, M known samples, D feature dimensions.
"""

from typing import Any

from torch import Tensor

from sigma2r._values import Count, checked
from sigma2r.evaluation._inputs import check_finite, labelled, prepared, told_by_labels
from sigma2r.evaluation.scores._score import Judged, Score, grown
from sigma2r.evaluation.scores.centers import class_rows
from sigma2r.losses._distances import nearest, own_distances


class NeighborDistance(Score):
    r"""The negative distance to the k-th nearest known sample, all of unit length.

    .. math:: s(x) = -\lVert z - z_{(k)} \rVert_2, \qquad z = x / \lVert x \rVert_2

    Made by :meth:`fit`. It holds every known sample, and so does its state. The class of a sample is that of its
    nearest neighbour.

    Args:
        points: Known samples as they are compared, so of unit length with ``normalize``; shape ``(M, D)``, copied.
        labels: Their classes, shape ``(M,)``.
        k: Which neighbour. The authors take 50 for the 50,000 images of CIFAR-10, 200 for CIFAR-100, 1000 for ImageNet.
        normalize: Divide each feature by its Euclidean length first, as the authors do.

    Raises:
        ValueError: If features or labels do not fit or are not finite, or there are fewer than ``k``.

    Example:
        >>> import torch
        >>> known = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
        >>> NeighborDistance.fit(known, torch.tensor([0, 1, 1]), k=2)(torch.tensor([[0.0, 3.0], [2.0, 0.0]]))
        tensor([-0.0000, -1.4142])

    Source: "Out-of-Distribution Detection with Deep Nearest Neighbors", ICML 2022, section 3. The score of
    pytorch-ood's ``KNN`` is the negative of this one.
    """

    name = "nearest-neighbors"
    settings = ("k", "normalize")
    points: Tensor
    labels: Tensor

    @checked
    def __init__(self, points: Any, labels: Any, *, k: Count = 50, normalize: bool = True) -> None:
        super().__init__()
        who = "NeighborDistance"
        rows, known = labelled(who, points, labels)
        if rows.shape[0] < k:
            raise ValueError(
                f"{who}: k must be at most the number of known samples, {rows.shape[0]}; got {k}. Give a smaller k, or "
                "more samples."
            )
        check_finite(who, "features", rows)
        told_by_labels(who, known)
        self.hold(points=rows, labels=known.to(rows.device))
        self.k = k
        self.normalize = normalize

    @classmethod
    def fit(cls, features: Any, labels: Any, *, k: int = 50, normalize: bool = True) -> "NeighborDistance":
        """By keeping known samples.

        Args:
            features: Shape ``(M, D)``, finite.
            labels: Class indices, shape ``(M,)``.
            k: Which neighbour.
            normalize: Divide each feature by its Euclidean length first.

        Raises:
            ValueError: If they do not fit or are not finite, or there are fewer than ``k``.
        """
        rows, known = labelled("NeighborDistance.fit", features, labels)
        return cls(prepared(rows, normalize), known, k=k, normalize=normalize)

    @property
    def num_classes(self) -> int:
        """C: one more than the largest label."""
        return int(self.labels.max()) + 1

    @property
    def width(self) -> int:
        """D."""
        return self.points.shape[1]

    def judge_rows(self, rows: Tensor) -> Judged:
        """The negative distance to the k-th neighbour, and the class of the first."""
        x = prepared(rows, self.normalize)
        found = nearest(x, self.points, self.k)
        kept = found.clamp_min(0)
        distance = own_distances(x, self.points[kept[:, -1]]).to(x.dtype)
        return Judged(-distance, self.labels[kept[:, 0]].masked_fill(found[:, 0] < 0, -1))

    def add_class(self, features: Any) -> None:
        """Keep the features ``(M, D)`` of a class as well.

        Raises:
            ValueError: If they do not fit, or are not finite.
        """
        rows = prepared(class_rows("NeighborDistance.add_class", features, self.width), self.normalize)
        more = self.labels.new_full((rows.shape[0],), self.num_classes)
        self.points, self.labels = grown(self.points, [rows]), grown(self.labels, [more])
