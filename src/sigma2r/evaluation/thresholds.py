r"""Thresholds at a chosen rate of false rejects: an order statistic, and what it promises.

Let :math:`s_{(1)} \le \dots \le s_{(n)}` be the scores of n images of known classes, higher for what is more known, and
:math:`\alpha` the rate. An image is accepted where its score is at least :math:`s_{(r)}` with

.. math:: r = \lfloor \alpha (n + 1) \rfloor

If a new image of the known classes and these n are exchangeable (drawn alike, in an order that means nothing, and none
used to fit the score), the rank of its score among all n + 1 is uniform. So it is rejected with a probability of at
most :math:`r / (n + 1) \le \alpha`, over the draw of all n + 1; and of exactly that, if no two scores are equal. Where
:math:`r = 0`, which is where :math:`n < 1 / \alpha - 1`, no threshold that rejects anything keeps that promise.

For the n images that one happens to have, the rate of false rejects is itself drawn: without equal scores it has the
distribution Beta(r, n + 1 - r), whatever that of the scores.

Source: "Algorithmic Learning in a Random World", Springer 2005 (conformal prediction); "Distribution-Free Predictive
Inference for Regression", JASA 2018, lemma 2 (the order statistic); "Conditional validity of inductive conformal
predictors", ACML 2012 (the Beta distribution; and validity within categories).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

_SLACK = 1e-9  # 0.29 * 100 is a little less than 29


def rank_of(num_images: int, false_rejects: float) -> int:
    """r, the rank of the threshold among the scores from below; 0 where there are too few images.

    Example:
        >>> rank_of(1000, 0.05), rank_of(19, 0.05), rank_of(18, 0.05)
        (50, 1, 0)
    """
    return math.floor(false_rejects * (num_images + 1) + _SLACK)


def least_images(false_rejects: float) -> int:
    """The least number of images for which there is a threshold.

    Example:
        >>> least_images(0.05), least_images(0.01), least_images(0.3)
        (19, 99, 3)
    """
    return math.ceil((1 - _SLACK) / false_rejects) - 1


def class_thresholds(
    scores: Float[Tensor, " N"], labels: Int[Tensor, " N"], num_classes: int, false_rejects: float, least: int
) -> Float[Tensor, " C"]:
    """The threshold of the images of each class, shape ``(C,)``; NaN where there are fewer than ``least`` of them.

    Args:
        scores: Shape ``(N,)``, finite.
        labels: The class of each, in [0, C), shape ``(N,)``.
        num_classes: C.
        false_rejects: The rate, in (0, 1).
        least: At least :func:`least_images` of the rate.
    """
    by_score = scores.argsort()
    order = by_score[labels[by_score].argsort(stable=True)]  # class by class, each from below
    count = labels.bincount(minlength=num_classes)
    first = count.cumsum(0) - count
    rank = (false_rejects * (count + 1).to(torch.float64) + _SLACK).floor().long()
    place = (first + rank - 1).clamp(0, max(0, scores.shape[0] - 1))
    return torch.where(count >= least, scores[order[place]], torch.nan)


def rate_range(rank: int, num_images: int, share: float = 0.9) -> tuple[float, float]:
    """Between which rates of false rejects the middle ``share`` of all draws of so many images lies.

    The quantiles of Beta(r, n + 1 - r), by bisection of the binomial sum P(Bin(n, p) >= r).

    Example:
        >>> low, high = rate_range(50, 1000)
        >>> print(f"{low:.4f} to {high:.4f}")
        0.0392 to 0.0618
    """
    k = torch.arange(rank, dtype=torch.float64)
    ways = math.lgamma(num_images + 1) - torch.lgamma(k + 1) - torch.lgamma(num_images - k + 1)

    def quantile(wanted: float) -> float:
        low, high = 0.0, 1.0
        for _ in range(60):
            rate = (low + high) / 2
            fewer = torch.logsumexp(ways + k * math.log(rate) + (num_images - k) * math.log1p(-rate), 0).exp()
            low, high = (rate, high) if 1 - float(fewer) < wanted else (low, rate)
        return (low + high) / 2

    return quantile((1 - share) / 2), quantile((1 + share) / 2)
