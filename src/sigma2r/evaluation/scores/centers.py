r"""The distance to the nearest class center.

Axes: N samples, C classes, D feature dimensions.
"""

from typing import Any

from torch import Tensor

from sigma2r._shown import shown
from sigma2r._values import checked
from sigma2r.evaluation._inputs import check_finite, labelled, matrix, prepared, told_by_labels
from sigma2r.evaluation.prototypes import ClassPrototypes
from sigma2r.evaluation.scores._score import Judged, Score, grown
from sigma2r.losses._distances import nearest, own_distances
from sigma2r.losses._precision import widest


class CenterDistance(Score):
    r"""The negative Euclidean distance to the nearest center, be it a mean or one that a loss learned.

    .. math:: s(x) = -\min_k \lVert x - c_k \rVert_2

    Args:
        centers: Shape ``(C, D)``, one for each class; copied.
        normalize: Divide each feature by its Euclidean length first.

    Raises:
        ValueError: If ``centers`` are no matrix, hold no class, or are not finite.

    Example:
        >>> import torch
        >>> score = CenterDistance(torch.tensor([[0.0, 0.0], [9.0, 0.0]]))
        >>> score(torch.tensor([[3.0, 4.0], [9.0, 1.0]]))
        tensor([-5., -1.])

    Source: the definition above.
    """

    name = "center-distance"
    settings = ("normalize",)
    centers: Tensor

    @checked
    def __init__(self, centers: Any, *, normalize: bool = False) -> None:
        super().__init__()
        centers = known_centers("CenterDistance", centers)
        self.hold(centers=centers.to(widest(centers.device)))
        self.normalize = normalize

    @classmethod
    def of(cls, source: Any) -> "CenterDistance":
        """The score of a loss with centers, or of :class:`ClassPrototypes`: by a copy of their centers as they are.

        Raises:
            ValueError: If ``source`` has no centers, or has a class without images.
        """
        held = getattr(source, "centers", None)
        if not isinstance(held, Tensor):
            raise ValueError(
                f"CenterDistance.of: there must be centers; got {shown(source)}. Without: "
                "ClassPrototypes.fit(features, labels)."
            )
        if isinstance(source, ClassPrototypes):
            check_all_there("CenterDistance.of", source.count)
        return cls(held, normalize=bool(getattr(source, "normalize", False)))

    @classmethod
    def fit(cls, features: Any, labels: Any, *, normalize: bool = False) -> "CenterDistance":
        """By the mean of each class.

        Args:
            features: Shape ``(N, D)``, finite.
            labels: Class indices, shape ``(N,)``, of which none up to the largest is missing.
            normalize: See :class:`CenterDistance`.

        Raises:
            ValueError: If they do not fit.
        """
        return cls(class_means("CenterDistance.fit", features, labels, normalize).centers, normalize=normalize)

    @property
    def num_classes(self) -> int:
        """C."""
        return self.centers.shape[0]

    @property
    def width(self) -> int:
        """D."""
        return self.centers.shape[1]

    def judge_rows(self, rows: Tensor) -> Judged:
        """The negative distance to the nearest center, and its class."""
        x = prepared(rows, self.normalize)
        label = nearest(x, self.centers).squeeze(1)
        return Judged(-own_distances(x, self.centers[label.clamp_min(0)]).to(x.dtype), label)

    def add_class(self, features: Any) -> None:
        """Add the mean of a class, by its features ``(M, D)``.

        Raises:
            ValueError: If they do not fit, or are not finite.
        """
        rows = class_rows("CenterDistance.add_class", features, self.width)
        mean = prepared(rows, self.normalize).to(self.centers).mean(0, keepdim=True)
        self.centers = grown(self.centers, [mean])


def known_centers(who: str, centers: Any) -> Tensor:
    """Centers (C, D) of at least one class.

    Raises:
        ValueError: If they are something else.
    """
    rows = matrix(who, "centers", centers)
    if not rows.shape[0]:
        raise ValueError(f"{who}: centers must be those of at least one class; got shape {tuple(rows.shape)}.")
    check_finite(who, "centers", rows)
    return rows


def check_all_there(who: str, count: Tensor) -> None:
    """Refuse classes without images, (C,): nothing would ever be as near to them as to a place that means nothing.

    Raises:
        ValueError: With their number.
    """
    if without := (count == 0).nonzero().flatten().tolist():
        others = f", nor have {len(without) - 1} others" if len(without) > 1 else ""
        raise ValueError(
            f"{who}: every class must have images; class {without[0]} has none{others}. Number the classes that have "
            "some from 0 on."
        )


def class_means(who: str, features: Any, labels: Any, normalize: bool) -> ClassPrototypes:
    """The prototypes of classes that all have images, of finite features.

    Raises:
        ValueError: If they do not fit.
    """
    rows, known = labelled(who, features, labels)
    if not known.numel():
        raise ValueError(f"{who}: there must be at least one sample; got none.")
    check_finite(who, "features", rows)
    check_all_there(who, known.bincount(minlength=told_by_labels(who, known)))
    return ClassPrototypes.fit(rows, known, normalize=normalize)


def class_rows(who: str, features: Any, feature_dim: int) -> Tensor:
    """The features of a class that is to be added, (M, D) with M >= 1, finite.

    Raises:
        ValueError: If they are something else.
    """
    rows = matrix(who, "features", features, feature_dim).detach()
    if not rows.shape[0]:
        raise ValueError(f"{who}: features must be those of at least one image; got none.")
    check_finite(who, "features", rows)
    return rows
