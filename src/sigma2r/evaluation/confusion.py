"""Which class is taken for which, and the figures that follow from these counts alone.

Axes: N samples, C classes, M pairs of a class and what it was taken for that occur.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from sigma2r._values import Count, converted
from sigma2r.losses._checks import class_indices


@dataclass(frozen=True)
class Confusion:
    """Counts of samples by class and prediction; those of two sets of samples can be merged.

    Only pairs that occur are kept, so that very many classes fit.

    Args:
        num_classes: C.
        labels: The class of each pair, shape ``(M,)``, int64.
        predictions: What it was taken for, shape ``(M,)``, int64.
        count: Samples of each pair, shape ``(M,)``, int64.
    """

    num_classes: int
    labels: Tensor
    predictions: Tensor
    count: Tensor

    def merge(self, other: "Confusion") -> "Confusion":
        """The counts of both sets together.

        Raises:
            ValueError: If they are of different numbers of classes.
        """
        if self.num_classes != other.num_classes:
            raise ValueError(
                "Confusion.merge: both parts must have the same number of classes; got "
                f"{self.num_classes} and {other.num_classes}."
            )
        labels, predictions = (
            torch.cat([mine, theirs.to(mine.device)])
            for mine, theirs in ((self.labels, other.labels), (self.predictions, other.predictions))
        )
        return _counted(self.num_classes, labels, predictions, torch.cat([self.count, other.count.to(labels.device)]))

    def matrix(self) -> Tensor:
        """Counts, one row per class and one column per prediction, shape ``(C, C)``, int64."""
        matrix = self.count.new_zeros(self.num_classes, self.num_classes)
        return matrix.index_put((self.labels, self.predictions), self.count)

    def accuracy(self) -> Tensor:
        """Share of samples that are taken for their class; NaN if there is no sample."""
        return self._right().sum().double() / self.count.sum()

    def recall(self) -> Tensor:
        """Share of each class's samples that are taken for it, shape ``(C,)``; NaN for a class without samples."""
        return self._right().double() / self.of_labels()

    def balanced_accuracy(self) -> Tensor:
        """Mean of :meth:`recall` over the classes that have samples."""
        return self.recall().nanmean()

    def f1(self) -> Tensor:
        """For each class 2 TP / (2 TP + FP + FN), shape ``(C,)``; NaN where it is neither a label nor a prediction."""
        return 2 * self._right().double() / (self.of_labels() + self._sums(self.predictions))

    def macro_f1(self) -> Tensor:
        """Mean of :meth:`f1` over the classes that are a label or a prediction."""
        return self.f1().nanmean()

    def of_labels(self) -> Tensor:
        """Samples of each class, shape ``(C,)``."""
        return self._sums(self.labels)

    def _right(self) -> Tensor:
        return self._sums(self.labels, self.count * (self.labels == self.predictions))

    def _sums(self, index: Tensor, count: Tensor | None = None) -> Tensor:
        sums = self.count.new_zeros(self.num_classes)
        return sums.index_add(0, index, self.count if count is None else count)


def count_confusion(labels: Int[Tensor, " N"], predictions: Int[Tensor, " N"], num_classes: int) -> Confusion:
    """Count which class is taken for which.

    Args:
        labels: Class indices in ``[0, num_classes)``, shape ``(N,)``.
        predictions: Predicted class indices, shape ``(N,)``.
        num_classes: C.

    Raises:
        ValueError: If shapes, dtypes or indices do not fit.

    Example:
        >>> counts = count_confusion(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 1]), num_classes=2)
        >>> counts.matrix()
        tensor([[2, 1],
                [0, 1]])
        >>> counts.accuracy(), counts.balanced_accuracy()
        (tensor(0.7500, dtype=torch.float64), tensor(0.8333, dtype=torch.float64))
    """
    num_classes = converted("count_confusion", "num_classes", Count, num_classes)
    num_samples = len(labels)
    found = [
        class_indices("count_confusion", name, given, num_samples).detach()
        for name, given in (("labels", labels), ("predictions", predictions))
    ]
    for name, indices in zip(("labels", "predictions"), found, strict=True):
        if num_samples and not 0 <= int(indices.min()) <= int(indices.max()) < num_classes:
            raise ValueError(
                f"count_confusion: {name} must lie in [0, {num_classes}); got values from {int(indices.min())} to "
                f"{int(indices.max())}. Was num_classes set too small?"
            )
    return _counted(num_classes, found[0], found[1].to(found[0].device), torch.ones_like(found[0]))


def _counted(num_classes: int, labels: Tensor, predictions: Tensor, count: Tensor) -> Confusion:
    pairs, place = torch.unique(labels * num_classes + predictions, return_inverse=True)
    sums = count.new_zeros(pairs.shape[0]).index_add(0, place, count)
    return Confusion(num_classes, pairs // num_classes, pairs % num_classes, sums)
