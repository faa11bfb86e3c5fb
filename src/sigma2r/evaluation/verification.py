"""Verification: whether two images are of one class, told from the distance between their features.

Axes: N images, G genuine pairs (of one class), I impostor pairs (of two), D feature dimensions.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._values import Count, Share, converted
from sigma2r.evaluation._distances import pair_distances
from sigma2r.evaluation._pairs import Numbered
from sigma2r.evaluation._roc import Curve, equal_error_rate, true_rate_at
from sigma2r.losses._checks import check_measured


@dataclass(frozen=True)
class Verification:
    """Distances of pairs; those of two sets of images can be merged, without pairs between the sets.

    Args:
        genuine: Euclidean distances of pairs of one class, shape ``(G,)``, float64.
        impostor: The same of pairs of two classes, shape ``(I,)``.
        genuine_pairs: Which images, shape ``(G, 2)``.
        impostor_pairs: Which images, shape ``(I, 2)``.
        num_images: N.
        total_genuine: How many genuine pairs the images have; more than G if some were drawn.
        total_impostor: The same of impostor pairs.
    """

    genuine: Tensor
    impostor: Tensor
    genuine_pairs: Tensor
    impostor_pairs: Tensor
    num_images: int
    total_genuine: int
    total_impostor: int

    def equal_error_rate(self) -> Tensor:
        """Share of impostor pairs accepted at the threshold at which as large a share of genuine pairs is refused.

        Between two neighbouring thresholds both shares are taken to run along a line.
        """
        return equal_error_rate(*self._curve().shares()).squeeze(0)

    def true_accept_rate(self, false_accept_rate: float) -> Tensor:
        """Largest share of genuine pairs accepted by a threshold that accepts at most such a share of impostor pairs.

        Raises:
            ValueError: If ``false_accept_rate`` makes no sense.
        """
        most = converted("Verification.true_accept_rate", "false_accept_rate", Share, false_accept_rate)
        return true_rate_at(*self._curve().shares(), most).squeeze(0)

    def merge(self, other: "Verification") -> "Verification":
        """Pairs of both sets of images; images of the other set are numbered after those of this one."""
        device = self.genuine.device
        return Verification(
            torch.cat([self.genuine, other.genuine.to(device)]),
            torch.cat([self.impostor, other.impostor.to(device)]),
            torch.cat([self.genuine_pairs, other.genuine_pairs.to(device) + self.num_images]),
            torch.cat([self.impostor_pairs, other.impostor_pairs.to(device) + self.num_images]),
            self.num_images + other.num_images,
            self.total_genuine + other.total_genuine,
            self.total_impostor + other.total_impostor,
        )

    def _curve(self) -> Curve:
        for name in ("genuine", "impostor"):
            if not getattr(self, name).shape[0]:
                raise ValueError(f"Verification: there must be {name} pairs; got none.")
        return Curve(self.genuine, self.impostor)


def verify(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    *,
    max_pairs: int = 1_000_000,
    generator: torch.Generator | None = None,
) -> Verification:
    """Measure pairs: all of them if there are few, otherwise as many genuine as impostor ones, drawn with replacement.

    Args:
        features: Shape ``(N, D)``.
        labels: Class indices, shape ``(N,)``.
        max_pairs: Of each kind at most half as many are measured.
        generator: Draws the pairs; torch's own if None.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit.

    Example:
        >>> pairs = verify(torch.tensor([[0.0], [1.0], [5.0], [6.5]]), torch.tensor([0, 0, 1, 1]))
        >>> pairs.genuine, pairs.impostor
        (tensor([1.0000, 1.5000], dtype=torch.float64), tensor([5.0000, 6.5000, 4.0000, 5.5000], dtype=torch.float64))
        >>> pairs.equal_error_rate(), pairs.true_accept_rate(0.1)
        (tensor(0., dtype=torch.float64), tensor(1., dtype=torch.float64))
    """
    max_pairs = converted("verify", "max_pairs", Count, max_pairs)
    generator = converted("verify", "generator", torch.Generator | None, generator)
    features, labels = check_measured("verify", features, labels)
    features, labels = features.detach(), labels.to(features.device)
    kinds = [Numbered(labels, genuine=genuine) for genuine in (True, False)]
    pairs = [kind.some(max(1, max_pairs // 2), generator) for kind in kinds]
    distances = [pair_distances(features, some[:, 0], features, some[:, 1]).sqrt() for some in pairs]
    return Verification(
        distances[0], distances[1], pairs[0], pairs[1], features.shape[0], kinds[0].total, kinds[1].total
    )
