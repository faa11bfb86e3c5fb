"""What a trained network says of images, row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

NONE_OF_THESE = "none of these"
"""What is said of an image that a rejector does not accept."""

NO_CLASS = -1
"""The index of no class: of an image that could not be read, or that has no label that the run knows."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """The outputs for N images, on the CPU; an image that could not be read has NaN and the class ``NO_CLASS``.

    Args:
        names: Path or name of each image.
        class_names: Of the run, C of them, and of the A classes that were added to it.
        features: Shape ``(N, D)``.
        logits: Shape ``(N, C)``.
        distances: Euclidean distance to the center of each class, shape ``(N, C + A)``, in feature units; None of a run
            without centers.
        given: The name of each image's own class, where there is one; None: of no image.
        problems: Why an image could not be read, by its row.
        accepted: Whether the run's rejector accepts an image as one of the classes, shape ``(N,)``; False for one that
            could not be read. None of a run without rejector.
        rejection: By which score and threshold that is, the rate of false rejects aimed at, and on how many images the
            threshold was set. None of a run without rejector.
    """

    names: Sequence[str]
    class_names: tuple[str, ...]
    features: Tensor
    logits: Tensor
    distances: Tensor | None = None
    given: Sequence[str | None] | None = None
    problems: Mapping[int, str] = field(default_factory=dict)
    accepted: Tensor | None = None
    rejection: str | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def probabilities(self) -> Tensor:
        """Softmax of the logits, shape ``(N, C)``: the network has none for a class that was added."""
        return self.logits.softmax(1)

    @property
    def labels(self) -> Tensor:
        """The predicted class, shape ``(N,)``: of the largest logit, unless the nearest center is of an added class."""
        labels = self.logits.argmax(1)
        if self._added:
            assert self.distances is not None, "classes are added to those that have centers"
            nearest = self.distances.argmin(1)
            labels = torch.where(nearest >= self.logits.shape[1], nearest, labels)
        return labels.masked_fill(self.logits.isnan().any(1), NO_CLASS)

    @property
    def _added(self) -> bool:
        return len(self.class_names) > self.logits.shape[1]

    @property
    def classes(self) -> list[str | None]:
        """The name of the predicted class."""
        return [None if label == NO_CLASS else self.class_names[label] for label in self.labels.tolist()]

    @property
    def answers(self) -> list[str | None]:
        """The name of the predicted class, or ``"none of these"`` where the run's rejector does not accept an image."""
        accepted = [True] * len(self) if self.accepted is None else self.accepted.tolist()
        return [
            name if name is None or yes else NONE_OF_THESE for name, yes in zip(self.classes, accepted, strict=True)
        ]

    @property
    def probability(self) -> Tensor:
        """Of the predicted class, shape ``(N,)``; NaN of a class that was added, for which the network has no logit."""
        largest = self.probabilities.amax(1)
        return largest.masked_fill(self.labels >= self.logits.shape[1], torch.nan)

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
            rejection=first.rejection,
        )
