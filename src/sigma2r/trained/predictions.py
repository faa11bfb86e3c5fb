"""What a trained network says of images, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

NO_CLASS = -1
"""The index of no class: of an image that could not be read, or that has no label that the run knows."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The outputs for N images, on the CPU; an image that could not be read has NaN and the class ``NO_CLASS``.

    Args:
        names: Path or name of each image.
        class_names: Of the run, C of them.
        features: Shape ``(N, D)``.
        logits: Shape ``(N, C)``.
        distances: Euclidean distance to the center of each class, shape ``(N, C)``, in feature units; None of a run
            without centers.
        given: The name of each image's own class, where there is one; None: of no image.
        problems: Why an image could not be read, by its row.
        accepted: Whether the run's rejector accepts an image as one of the classes, shape ``(N,)``; False for one that
            could not be read. None of a run without rejector.
    """

    names: Sequence[str]
    class_names: tuple[str, ...]
    features: Tensor
    logits: Tensor
    distances: Tensor | None = None
    given: Sequence[str | None] | None = None
    problems: Mapping[int, str] = field(default_factory=dict)
    accepted: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, shape ``(N, C)``."""
        return self.logits.softmax(1)

    @property
    def labels(self) -> Tensor:
        """The predicted class, the one of the largest logit, shape ``(N,)``."""
        return self.logits.argmax(1).masked_fill(self.logits.isnan().any(1), NO_CLASS)

    @property
    def classes(self) -> list[str | None]:
        """The name of the predicted class."""
        return [None if label == NO_CLASS else self.class_names[label] for label in self.labels.tolist()]

    @property
    def probability(self) -> Tensor:
        """Of the predicted class, shape ``(N,)``."""
        return self.probabilities.amax(1)

    @property
    def distance(self) -> Tensor | None:
        """To the center of the predicted class, shape ``(N,)``; None of a run without centers."""
        if self.distances is None:
            return None
        rows = self.labels.clamp_min(0)
        return self.distances.gather(1, rows.unsqueeze(1)).squeeze(1)

    @property
    def targets(self) -> Tensor:
        """The index of each image's own class, shape ``(N,)``; ``NO_CLASS`` without a label that the run knows."""
        index = {name: number for number, name in enumerate(self.class_names)}
        given: Sequence[str | None] = self.given or [None] * len(self)
        return torch.tensor([index.get(name or "", NO_CLASS) for name in given], dtype=torch.int64)

    @property
    def accuracy(self) -> float | None:
        """The share predicted right of those with a label that the run knows and that could be read; None of none."""
        targets, labels = self.targets, self.labels
        judged = (targets != NO_CLASS) & (labels != NO_CLASS)
        count = int(judged.sum())
        return int((targets == labels)[judged].sum()) / count if count else None

    @classmethod
    def joined(cls, parts: Sequence["Predictions"]) -> "Predictions":
        """The rows of several, one after another, all of one run; there is at least one.

        Example:
            >>> zeros = torch.zeros(1, 1)
            >>> one = Predictions(names=["a"], class_names=("cat",), features=zeros, logits=zeros)
            >>> len(Predictions.joined([one, one]))
            2
        """
        starts = [0]
        for part in parts:
            starts.append(starts[-1] + len(part))
        first = parts[0]
        distances = [part.distances for part in parts if part.distances is not None]
        accepted = [part.accepted for part in parts if part.accepted is not None]
        return cls(
            names=[name for part in parts for name in part.names],
            class_names=first.class_names,
            features=torch.cat([part.features for part in parts]),
            logits=torch.cat([part.logits for part in parts]),
            distances=torch.cat(distances) if distances else None,
            given=None if first.given is None else [name for part in parts for name in part.given or ()],
            problems={
                start + row: why
                for start, part in zip(starts, parts, strict=False)
                for row, why in part.problems.items()
            },
            accepted=torch.cat(accepted) if accepted else None,
        )
