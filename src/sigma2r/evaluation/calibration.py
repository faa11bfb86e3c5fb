r"""Calibration: whether probabilities are what they say.

Axes: N images, C classes, B bins.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._values import Count, Positive, converted
from sigma2r.evaluation.temperature import check_logits, in_parts


@dataclass(frozen=True)
class Calibration:
    """What calibration needs to know of each image; that of two sets of images can be merged.

    Args:
        confidence: Probability of the predicted class, shape ``(N,)``, float64.
        correct: Whether the prediction is right, shape ``(N,)``, 0 or 1, float64.
        surprise: Minus the logarithm of the probability of the image's class, shape ``(N,)``, float64.
        brier: Sum over classes of the squared difference of probability and truth, shape ``(N,)``, float64.
        num_bins: B.
    """

    confidence: Tensor
    correct: Tensor
    surprise: Tensor
    brier: Tensor
    num_bins: int = 15

    def gaps(self) -> Tensor:
        """Of each image correctness less confidence, in the column of its bin, ``(N, B)``: their means make the ECE.

        Bin b, from 1, holds confidences in ((b - 1) / B, b / B].
        """
        place = (self.confidence * self.num_bins).ceil().long().clamp(1, self.num_bins) - 1
        gaps = self.confidence.new_zeros(place.shape[0], self.num_bins)
        return gaps.scatter(1, place.unsqueeze(1), (self.correct - self.confidence).unsqueeze(1))

    def expected_calibration_error(self) -> Tensor:
        """ECE: the gap between accuracy and mean confidence of each bin, averaged with the bin's share of images."""
        return self.gaps().mean(0).abs().sum()

    def negative_log_likelihood(self) -> Tensor:
        """Mean of ``surprise``, in nats."""
        return self.surprise.mean()

    def brier_score(self) -> Tensor:
        """Mean of ``brier``, in [0, 2]."""
        return self.brier.mean()

    def merge(self, other: "Calibration") -> "Calibration":
        """Of both sets of images.

        Raises:
            ValueError: If they have different numbers of bins.
        """
        if self.num_bins != other.num_bins:
            raise ValueError(
                "Calibration.merge: both parts must have the same number of bins; got "
                f"{self.num_bins} and {other.num_bins}."
            )
        confidence, correct, surprise, brier = (
            torch.cat([getattr(self, name), getattr(other, name).to(self.confidence.device)])
            for name in ("confidence", "correct", "surprise", "brier")
        )
        return Calibration(confidence, correct, surprise, brier, self.num_bins)


def measure_calibration(
    logits: Float[Tensor, "N C"], labels: Int[Tensor, " N"], *, temperature: float = 1.0, num_bins: int = 15
) -> Calibration:
    """What the softmax of ``logits / temperature`` says of each image, in float64.

    Args:
        logits: Shape ``(N, C)``.
        labels: Class indices, shape ``(N,)``.
        temperature: Such as :func:`~sigma2r.evaluation.fit_temperature` finds on other images.
        num_bins: B.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a logit is not finite.

    Example:
        >>> logits = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]]).log()
        >>> found = measure_calibration(logits, torch.tensor([0, 1, 1]), num_bins=2)
        >>> found.expected_calibration_error(), found.brier_score()
        (tensor(0.0333, dtype=torch.float64), tensor(0.3267, dtype=torch.float64))

    Source: Guo et al., ICML 2017, section 2; Brier, "Verification of forecasts expressed in terms of probability",
    1950, whose sum over all classes it is, not half of it.
    """
    temperature = converted("measure_calibration", "temperature", Positive, temperature)
    num_bins = converted("measure_calibration", "num_bins", Count, num_bins)
    logits, labels = check_logits("measure_calibration", logits, labels)
    parts = []
    for some, own in in_parts(logits, labels):
        logs = (some / temperature).log_softmax(1)
        shares = logs.exp()
        confidence, predicted = shares.max(1)
        surprise = -logs.gather(1, own.unsqueeze(1)).squeeze(1)
        brier = shares.scatter_add(1, own.unsqueeze(1), -torch.ones_like(shares[:, :1])).square().sum(1)
        parts.append((confidence, (predicted == own).double(), surprise, brier))
    confidence, correct, surprise, brier = (torch.cat(column) for column in zip(*parts, strict=True))
    return Calibration(confidence, correct, surprise, brier, num_bins)
