r"""The Mahalanobis distance to the nearest class mean.

Axes: N samples, C classes, D feature dimensions.
"""

from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from sigma2r._values import Rule, checked, converted
from sigma2r.evaluation._inputs import labelled, prepared
from sigma2r.evaluation.scores._score import Judged, Score, grown
from sigma2r.evaluation.scores.centers import class_means, class_rows, known_centers
from sigma2r.evaluation.shrinkage import oas_shrinkage, shrunk
from sigma2r.losses._distances import nearest, own_distances
from sigma2r.losses._precision import widest

_CHUNK = 2**22  # numbers of features that are turned into float64 at once

Covariance = Literal["common", "per-class"]
ShareOrNone = Annotated[float, Rule("lie in [0, 1]", lambda value: 0 <= value <= 1)] | None


class MahalanobisDistance(Score):
    r"""The negative Mahalanobis distance to the nearest class mean: in standard deviations of the features.

    .. math:: s(x) = -\min_k \sqrt{(x - \mu_k)^T \Sigma^{-1} (x - \mu_k)}

    :math:`\Sigma` is common to all classes, the mean outer product of :math:`x - \mu_y` over all samples; or each class
    has its own, :math:`\Sigma_k`, over its samples (no determinant is added: it is a distance, not a likelihood).
    Either is shrunk towards a multiple of the identity by the OAS estimator
    (:func:`~sigma2r.evaluation.shrinkage.oas_shrinkage`), so that it can be inverted however few samples there are.
    All of it is computed in float64.

    Made by :meth:`fit`; a covariance per class holds C D² numbers.

    Args:
        centers: The class means :math:`\mu`, shape ``(C, D)``.
        whitening: The inverse of the Cholesky factor of :math:`\Sigma`, lower triangular, shape ``(D, D)`` or
            ``(C, D, D)``: a distance is the length of its product with :math:`x - \mu`.
        normalize: Divide each feature by its Euclidean length first.
        shrinkage: How much was shrunk, to be printed; see :meth:`fit`.

    Raises:
        ValueError: If the shapes do not fit.

    Source: "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS
    2018, eq. 1 and 2, whose confidence is minus the square of this distance, of a common covariance that is not shrunk
    (``shrinkage=0``). pytorch-ood's ``Mahalanobis`` is half the square, of a covariance that was not divided by n and
    has 1e-6 added: with ``shrinkage=0`` it is this score squared over 2 n.
    """

    name = "mahalanobis"
    settings = ("normalize", "shrinkage")
    centers: Tensor
    whitening: Tensor

    @checked
    def __init__(self, centers: Any, whitening: Any, *, normalize: bool = False, shrinkage: ShareOrNone = None) -> None:
        super().__init__()
        who = "MahalanobisDistance"
        means, factors = known_centers(who, centers), torch.as_tensor(whitening)
        num_classes, dim = means.shape
        if factors.shape not in ((dim, dim), (num_classes, dim, dim)) or not factors.is_floating_point():
            raise ValueError(
                f"{who}: whitening must have shape ({dim}, {dim}) or ({num_classes}, {dim}, {dim}) beside centers of "
                f"shape {tuple(means.shape)}; got {tuple(factors.shape)} and {factors.dtype}."
            )
        if not factors.isfinite().all():
            raise ValueError(f"{who}: whitening must be finite; it holds NaN or infinite values.")
        wide = widest(means.device)
        self.hold(centers=means.to(wide), whitening=factors.to(wide))
        self.normalize = normalize
        self.shrinkage = shrinkage

    @classmethod
    def fit(
        cls,
        features: Any,
        labels: Any,
        *,
        covariance: Covariance = "common",
        shrinkage: float | None = None,
        normalize: bool = False,
    ) -> "MahalanobisDistance":
        """By means and covariance of known samples.

        Args:
            features: Shape ``(N, D)``, finite.
            labels: Class indices, shape ``(N,)``, of which none up to the largest is missing.
            covariance: ``"common"`` to all classes, or ``"per-class"``.
            shrinkage: A share in [0, 1] for all; default: the OAS estimator's, for each covariance its own.
            normalize: See :class:`MahalanobisDistance`.

        Raises:
            ValueError: If they do not fit, or a covariance cannot be inverted: its samples have no spread within their
                class, or ``shrinkage`` is 0 and there are fewer of them than dimensions.
        """
        means, whitening = _fitted(features, labels, covariance, shrinkage, normalize)
        return cls(means, whitening, normalize=normalize, shrinkage=shrinkage)

    @property
    def num_classes(self) -> int:
        """C."""
        return self.centers.shape[0]

    @property
    def width(self) -> int:
        """D."""
        return self.centers.shape[1]

    def judge_rows(self, rows: Tensor) -> Judged:
        """The negative distance to the nearest mean, and its class."""
        x = prepared(rows, self.normalize)
        wide = x.to(self.centers)
        if self.whitening.ndim == 2:
            middle = self.centers.mean(0)
            points = (self.centers - middle) @ self.whitening.T
            white = (wide - middle) @ self.whitening.T
            label = nearest(white, points).squeeze(1)
            return Judged(-own_distances(white, points[label.clamp_min(0)]).to(x.dtype), label)
        least = torch.full_like(wide[:, 0], torch.inf)
        label = torch.full_like(least, -1, dtype=torch.int64)
        for k, (mean, factor) in enumerate(zip(self.centers, self.whitening, strict=True)):
            distance = torch.linalg.vector_norm((wide - mean) @ factor.T, dim=1)
            label = torch.where(distance < least, k, label)
            least = torch.minimum(least, distance)
        return Judged(-least.to(x.dtype), label)

    def add_class(self, features: Any) -> None:
        """Add the mean of a class, by its features ``(M, D)``; and its own covariance, where each class has one.

        Raises:
            ValueError: If they do not fit or are not finite, or the covariance of the class cannot be inverted.
        """
        who = "MahalanobisDistance.add_class"
        rows = prepared(class_rows(who, features, self.width), self.normalize).to(self.centers)
        mean = rows.mean(0)
        if self.whitening.ndim == 3:
            apart, what = rows - mean, f"class {self.num_classes}"
            factor = _whitening(who, apart.T @ apart, rows.shape[0], self.shrinkage, what)
            self.whitening = grown(self.whitening, [factor.unsqueeze(0)])
        self.centers = grown(self.centers, [mean.unsqueeze(0)])


def _fitted(
    features: Any, labels: Any, covariance: Covariance, shrinkage: float | None, normalize: bool
) -> tuple[Tensor, Tensor]:
    """Means, and what whitens.

    Raises:
        ValueError: If something does not fit, or a covariance cannot be inverted.
    """
    who = "MahalanobisDistance.fit"
    covariance = converted(who, "covariance", Covariance, covariance)
    shrinkage = converted(who, "shrinkage", ShareOrNone, shrinkage)
    rows, known = labelled(who, features, labels)
    prototypes = class_means(who, rows, known, normalize)
    means, known = prototypes.centers, known.to(rows.device)
    if covariance == "common":
        scatter = _scatter(rows, known, means, normalize)
        return means, _whitening(who, scatter, rows.shape[0], shrinkage, "all classes")
    factors = [
        _whitening(who, _scatter(rows[own], known[own], means, normalize), own.shape[0], shrinkage, f"class {k}")
        for k, own in enumerate(torch.split(known.argsort(stable=True), prototypes.count.tolist()))
    ]
    return means, torch.stack(factors)


def _scatter(rows: Tensor, labels: Tensor, means: Tensor, normalize: bool) -> Tensor:
    """The sum of outer products of features less the mean of their class, (D, D), a few samples at a time."""
    size = max(1, _CHUNK // rows.shape[1])
    total = torch.zeros_like(means[0]).repeat(rows.shape[1], 1)
    for part, own in zip(torch.split(rows, size), torch.split(labels, size), strict=True):
        apart = prepared(part, normalize).to(means) - means[own]
        total.addmm_(apart.T, apart)
    return total


def _whitening(who: str, scatter: Tensor, num_samples: int, shrinkage: float | None, what: str) -> Tensor:
    """The inverse of the Cholesky factor of a covariance, shrunk.

    Raises:
        ValueError: If it cannot be inverted.
    """
    covariance = scatter / num_samples
    share = oas_shrinkage(covariance, num_samples) if shrinkage is None else shrinkage
    factor, failed = torch.linalg.cholesky_ex(shrunk(covariance, share))
    if failed or not covariance.trace() > 0:
        why = f"do not suffice with shrinkage={share:.4g}" if covariance.trace() > 0 else "have no spread in a class"
        samples = f"{num_samples} samples {why}" if num_samples > 1 else "single sample has no spread"
        remedy = ' Take covariance="common", or more samples.' if what.startswith("class") else ""
        raise ValueError(f"{who}: the covariance of {what} must be one that can be inverted; its {samples}.{remedy}")
    identity = torch.eye(factor.shape[0], dtype=factor.dtype, device=factor.device)
    inverse: Tensor = torch.linalg.solve_triangular(factor, identity, upper=False)
    return inverse
