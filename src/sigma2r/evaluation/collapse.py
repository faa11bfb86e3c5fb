r"""Neural collapse: how near features, class means and classifier are to the limit of long training, NC1 to NC4.

Axes: N samples, C classes, P of which have samples, D feature dimensions, R <= P - 1 the rank of the class means.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._arrays import as_tensor
from sigma2r.evaluation._influence import ClassMeans
from sigma2r.evaluation.nearest import nearest_of_statistics
from sigma2r.losses._checks import check_centers, check_measured, class_indices
from sigma2r.metrics import ClassStatistics, class_statistics


@dataclass(frozen=True)
class NeuralCollapse:
    r"""All are 0 in the limit; float64 scalars.

    Args:
        nc1: Variability within classes, :math:`\operatorname{tr}(\Sigma_W \Sigma_B^\dagger) / P`.
        nc2: Of the class means about their mean: see :class:`Simplex`.
        nc2_classifier: The same of the rows of the classifier as they are; None without one.
        nc3: Distance between classifier and class means; None without a classifier.
        nc4: Share of samples that the network does not put into the class with the nearest mean; None without its
            predictions.
        num_samples: N, of which NC1 and NC4 are means.
    """

    nc1: Tensor
    nc2: "Simplex"
    nc2_classifier: "Simplex | None" = None
    nc3: Tensor | None = None
    nc4: Tensor | None = None
    num_samples: int = 0

    def merge(self, other: "NeuralCollapse") -> "NeuralCollapse":
        """Of both sets of samples, each measured about the class means of all (``statistics``)."""
        share = other.num_samples / (self.num_samples + other.num_samples)

        def mean(mine: Tensor, theirs: Tensor) -> Tensor:
            return mine + share * (theirs.to(mine.device) - mine)

        nc4 = None if self.nc4 is None or other.nc4 is None else mean(self.nc4, other.nc4)
        number = self.num_samples + other.num_samples
        return replace(self, nc1=mean(self.nc1, other.nc1), nc4=nc4, num_samples=number)


@dataclass(frozen=True)
class Simplex:
    """How far vectors are from a simplex with its center at the origin.

    Args:
        equinorm: Standard deviation of their lengths over the mean length.
        equiangular: Standard deviation of the cosines of all pairs.
        maximal_angle: Mean over pairs of the distance of the cosine from -1 / (P - 1), the least that all can have.
    """

    equinorm: Tensor
    equiangular: Tensor
    maximal_angle: Tensor


def neural_collapse(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    num_classes: int,
    *,
    classifier: Float[Tensor, "C D"] | None = None,
    predictions: Int[Tensor, " N"] | None = None,
    statistics: ClassStatistics | None = None,
) -> NeuralCollapse:
    r"""NC1 to NC4 of features, meant for those of the training images.

    With :math:`\mu_c` the mean of class c, :math:`\mu_G` the mean of the class means and
    :math:`m_c = \mu_c - \mu_G`:

    - NC1, of features alone: :math:`\operatorname{tr}(\Sigma_W \Sigma_B^\dagger) / P`, where
      :math:`\Sigma_W = \frac{1}{N} \sum_i (x_i - \mu_{y_i})(x_i - \mu_{y_i})^\top` and
      :math:`\Sigma_B = \frac{1}{P} \sum_c m_c m_c^\top`;
    - NC2, of the class means :math:`m_c`, and of the classifier's rows :math:`w_c` where it is given: equal lengths,
      equal angles, and these as wide as can be;
    - NC3, of both: :math:`\lVert W / \lVert W \rVert_F - M / \lVert M \rVert_F \rVert_F^2`;
    - NC4, of features and predictions: how often the network and the nearest class mean disagree.

    Of :math:`\Sigma_B` at most P - 1 directions count, those in which the class means differ by more than rounding:
    whose singular value of :math:`(m_1, \dots, m_P)` is larger than
    :math:`2^{-52} \max(P, D) \sqrt{\sum_i \lVert x_i \rVert^2}`. So neither an offset nor a scale of the features
    changes NC1.

    Classes without samples are left out, of the classifier too. The class means of parts of a data set merge
    (:class:`~sigma2r.metrics.ClassStatistics`); with those of all parts, each part has figures that merge.

    Args:
        features: Shape ``(N, D)``.
        labels: Class indices in ``[0, num_classes)``, shape ``(N,)``.
        num_classes: C.
        classifier: Weights of the last layer, shape ``(C, D)``.
        predictions: Of the network, shape ``(N,)``.
        statistics: Of all samples, where these are a part of them; default: of these.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, fewer than two classes have samples, or all class means
            coincide.

    Example:
        >>> features = torch.tensor([[1.0, 0.1], [1.0, -0.1], [-1.0, 0.1], [-1.0, -0.1]])
        >>> found = neural_collapse(features, torch.tensor([0, 0, 1, 1]), 2, predictions=torch.tensor([0, 0, 1, 0]))
        >>> found.nc1, found.nc2.equinorm, found.nc4
        (tensor(0., dtype=torch.float64), tensor(0., dtype=torch.float64), tensor(0.2500, dtype=torch.float64))

    Source: Papyan, Han and Donoho, "Prevalence of neural collapse during the terminal phase of deep learning
    training", PNAS 117(40), 2020, and its figures 2 to 7. There classes are balanced, so that :math:`\Sigma_W` is a
    mean over classes, too.
    """
    who = "neural_collapse"
    features, labels = check_measured(who, features, labels, num_classes)
    if statistics is None:
        statistics = class_statistics(features, labels, num_classes)
    means = ClassMeans(features.detach(), labels, statistics)
    within, _ = variability(who, means)
    directions = centered_means(means)
    found = NeuralCollapse(within.mean(), simplex(directions), num_samples=features.shape[0])
    if classifier is not None:
        rows = classifier_rows(who, classifier, means)
        found = replace(found, nc2_classifier=simplex(rows), nc3=duality(directions, rows))
    if predictions is None:
        return found
    predicted = class_indices(who, "predictions", predictions, features.shape[0]).to(statistics.mean.device)
    wrong = predicted != nearest_of_statistics(means.features, labels, statistics, leave_one_out=False)
    return replace(found, nc4=wrong.double().mean())


def classifier_rows(who: str, classifier: Tensor, means: ClassMeans) -> Tensor:
    """The weights of the classes that have samples, ``(P, D)``, float64.

    Raises:
        ValueError: If their shape or dtype does not fit.
    """
    weights = as_tensor(who, "classifier", classifier)
    check_centers(f"{who} (classifier)", weights)
    if weights.shape != means.statistics.mean.shape:
        raise ValueError(
            f"{who}: classifier must have a row for each class and the features' dimensions, shape "
            f"{tuple(means.statistics.mean.shape)}; got {tuple(weights.shape)}. Give the weights of the last layer."
        )
    return weights.detach().to(means.statistics.mean.device).double()[means.statistics.count > 0]


def centered_means(means: ClassMeans) -> Tensor:
    """Means of the classes that have samples, about their mean, ``(P, D)``."""
    present = means.statistics.mean[means.statistics.count > 0]
    return present - present.mean(0)


def simplex(vectors: Tensor) -> Simplex:
    """NC2 of vectors ``(P, D)``."""
    lengths = vectors.norm(dim=1)
    directions = vectors / lengths.clamp_min(torch.finfo(vectors.dtype).tiny).unsqueeze(1)
    number = vectors.shape[0]
    others = ~torch.eye(number, dtype=torch.bool, device=vectors.device)
    cosines = (directions @ directions.T)[others]
    return Simplex(
        lengths.std(correction=0) / lengths.mean(),
        cosines.std(correction=0),
        (cosines + 1 / (number - 1)).abs().mean(),
    )


def duality(directions: Tensor, rows: Tensor) -> Tensor:
    """NC3 of centered means and classifier, ``(P, D)`` each."""
    apart: Tensor = rows / rows.norm() - directions / directions.norm()
    return apart.square().sum()


def variability(who: str, means: ClassMeans) -> tuple[Tensor, Tensor]:
    r"""NC1 as a mean over samples, ``(N,)``, and its gradient by the class means, ``(C, D)``.

    With the singular values :math:`M = U S V^\top` of the centered means,
    :math:`\Sigma_B^\dagger / P = V S^{-2} V^\top`, so a sample's part is
    :math:`\lVert S^{-1} V^\top (x_i - \mu_{y_i}) \rVert^2`. Directions count, P - 1 at most, whose singular value is
    larger than what rounding leaves (:attr:`ClassMeans.rounding`).

    Raises:
        ValueError: If fewer than two classes have samples, or all class means coincide.
    """
    centered = centered_means(means)
    if centered.shape[0] < 2:
        raise ValueError(f"{who}: labels must hold two classes at least; got {centered.shape[0]}.")
    left, sizes, right = torch.linalg.svd(centered, full_matrices=False)
    known = sizes > means.rounding
    known[centered.shape[0] - 1 :] = False  # about their mean, P points lie in P - 1 directions
    if means.coincide:
        raise ValueError(f"{who}: the means of the classes must differ; all of them coincide. Are features constant?")
    left, sizes, right = left[:, known], sizes[known], right[known]
    inverse = right.T / sizes  # (D, R)
    covered = torch.zeros_like(inverse)  # the covariance within classes, times V

    def part(apart: Tensor, _: Tensor) -> Tensor:
        covered.addmm_(apart.T, apart @ right.T)
        size: Tensor = (apart @ inverse).square()
        return size.sum(1)

    within = means.apply(part)
    covered /= within.shape[0]
    inside = covered.T @ right.T  # (R, R)
    change = (
        covered.T / sizes.square().unsqueeze(1)
        - (inside / sizes.square().unsqueeze(1) + inside.T / sizes.square()) @ right
    )
    gradient = torch.zeros_like(means.statistics.mean)
    gradient[means.statistics.count > 0] = 2 * (left / sizes) @ change
    return within, gradient
