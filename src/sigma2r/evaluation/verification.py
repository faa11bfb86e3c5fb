"""Verification: whether two images are of one class, told from the distance between their features.

Axes: N images, G genuine pairs (of one class), I impostor pairs (of two), D feature dimensions.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._values import Count, Natural, Share, converted
from sigma2r.evaluation._distances import pair_distances
from sigma2r.evaluation._pairs import Numbered
from sigma2r.evaluation._roc import Curve, equal_error_rate, true_rate_at
from sigma2r.losses._checks import check_measured


@dataclass(frozen=True)
class Verification:
    """Distances of pairs; portions of the pairs can be merged, and two sets of images, without pairs between them.

    Args:
        genuine: Euclidean distances of pairs of one class, shape ``(G,)``, float64.
        impostor: The same of pairs of two classes, shape ``(I,)``.
        genuine_pairs: Which images, shape ``(G, 2)``.
        impostor_pairs: Which images, shape ``(I, 2)``.
        num_images: N.
        total_genuine: How many genuine pairs the images have; more than G if some were drawn.
        total_impostor: The same of impostor pairs.
        num_portions: Into how many portions the pairs of these images were divided.
    """

    genuine: Tensor
    impostor: Tensor
    genuine_pairs: Tensor
    impostor_pairs: Tensor
    num_images: int
    total_genuine: int
    total_impostor: int
    num_portions: int = 1

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
        """Both portions of the pairs of one set of images; or the pairs of two sets, the other's numbered from N.

        Raises:
            ValueError: If one is a portion, and the other none of the same pairs.
        """
        portions = max(self.num_portions, other.num_portions)
        if portions > 1 and (self.num_portions, self.num_images) != (other.num_portions, other.num_images):
            raise ValueError(
                "Verification.merge: portions must be of the same pairs; got one of "
                f"{self.num_portions} of {self.num_images} images and one of {other.num_portions} of "
                f"{other.num_images}."
            )
        device, more = self.genuine.device, self.num_images if portions == 1 else 0
        theirs = int(portions == 1)
        return Verification(
            torch.cat([self.genuine, other.genuine.to(device)]),
            torch.cat([self.impostor, other.impostor.to(device)]),
            torch.cat([self.genuine_pairs, other.genuine_pairs.to(device) + more]),
            torch.cat([self.impostor_pairs, other.impostor_pairs.to(device) + more]),
            self.num_images + theirs * other.num_images,
            self.total_genuine + theirs * other.total_genuine,
            self.total_impostor + theirs * other.total_impostor,
            portions,
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
    portion: tuple[int, int] = (0, 1),
) -> Verification:
    """Measure pairs: all of them if there are few, otherwise as many genuine as impostor ones, drawn with replacement.

    Args:
        features: Shape ``(N, D)``.
        labels: Class indices, shape ``(N,)``.
        max_pairs: Of each kind at most half as many are measured.
        generator: Draws the pairs; torch's own if None.
        portion: ``(k, n)``: of these pairs the k-th of n portions, from 0, for n processes that have the same images
            and draw alike; merged in order they are the whole.

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
    number, num_portions = converted("verify", "portion", tuple[Natural, Count], list(portion))
    if number >= num_portions:
        raise ValueError(f"verify: portion must be (k, n) with k below n; got ({number}, {num_portions}).")
    features, labels = check_measured("verify", features, labels)
    features, labels = features.detach(), labels.to(features.device)
    kinds = [Numbered(labels, genuine=genuine) for genuine in (True, False)]
    whole = [kind.some(max(1, max_pairs // 2), generator) for kind in kinds]
    pairs = [some.tensor_split(num_portions)[number] for some in whole]
    distances = [pair_distances(features, some[:, 0], features, some[:, 1]).sqrt() for some in pairs]
    totals = [kind.total for kind in kinds]
    return Verification(
        distances[0], distances[1], pairs[0], pairs[1], features.shape[0], totals[0], totals[1], num_portions
    )
