"""Out-of-distribution: whether a score tells images of unknown classes from images of the known ones.

Axes: K images of known classes, U of unknown ones.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sigma2r._arrays import as_tensor
from sigma2r.evaluation._roc import Curve, area, average_precision_of_refusal, false_rate_at


@dataclass(frozen=True)
class Unknowns:
    """Scores, higher for what looks more known; those of two sets of images can be merged.

    Args:
        known: Of images of known classes, shape ``(K,)``, float64.
        unknown: Of images of unknown classes, shape ``(U,)``, float64.
    """

    known: Tensor
    unknown: Tensor

    def auroc(self) -> Tensor:
        """How often a known image has a higher score than an unknown one; equal scores count half."""
        return area(*self._curve().shares()).squeeze(0)

    def aupr(self) -> Tensor:
        """Average precision of finding the unknown: the sum over thresholds of precision times the gain of recall."""
        return average_precision_of_refusal(*self._curve().accepted()).squeeze(0)

    def fpr95(self) -> Tensor:
        """Share of unknown images that are accepted by the highest threshold that accepts 95 % of the known ones."""
        return false_rate_at(*self._curve().shares(), 0.95).squeeze(0)

    def merge(self, other: "Unknowns") -> "Unknowns":
        """Scores of both sets."""
        return Unknowns(
            torch.cat([self.known, other.known.to(self.known.device)]),
            torch.cat([self.unknown, other.unknown.to(self.unknown.device)]),
        )

    def _curve(self) -> Curve:
        return Curve(-self.known, -self.unknown)


def tell_unknown(known: Float[Tensor, " K"], unknown: Float[Tensor, " U"]) -> Unknowns:
    """Scores of known and unknown images, checked.

    Args:
        known: Shape ``(K,)``, higher for what looks more known, such as minus the distance to the nearest center.
        unknown: Shape ``(U,)``, of the same score.

    Raises:
        ValueError: If there are none, or some are NaN.

    Example:
        >>> scores = tell_unknown(torch.tensor([0.9, 0.8, 0.7, 0.4]), torch.tensor([0.5, 0.3]))
        >>> scores.auroc(), scores.fpr95()
        (tensor(0.8750, dtype=torch.float64), tensor(0.5000, dtype=torch.float64))

    Source: FPR95 as in Liang, Li and Srikant, "Enhancing the Reliability of Out-of-distribution Image Detection in
    Neural Networks", ICLR 2018: a known image is a positive there.
    """
    scores = []
    for name, given in (("known", known), ("unknown", unknown)):
        found = as_tensor("tell_unknown", name, given).detach().double()
        if found.ndim != 1 or not found.shape[0]:
            raise ValueError(
                f"tell_unknown: {name} must hold one score per image, shape (N,) with N > 0; got {tuple(found.shape)}."
            )
        if found.isnan().any():
            raise ValueError(
                f"tell_unknown: {name} must hold no NaN; got {int(found.isnan().sum())} of {found.shape[0]} scores."
            )
        scores.append(found)
    return Unknowns(scores[0], scores[1].to(scores[0].device))
