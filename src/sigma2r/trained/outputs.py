"""What a trained run says of labelled images, whole: features, logits and labels, as an evaluation takes them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sigma2r.trained.predictions import NO_CLASS, Predictions
from sigma2r.trained.sources import Source
from sigma2r.trained.trained import Trained

Watch = Callable[[Iterable[Predictions], int], Iterator[Predictions]]
"""Given parts and the number of their images; gives the same parts, and may tell how far they are."""


def unwatched(parts: Iterable[Predictions], _: int) -> Iterator[Predictions]:
    """The same parts; nothing is told."""
    return iter(parts)


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Of the images of a source that could be read, on the CPU.

    Args:
        title: What the source is called.
        names: Of the images.
        features: Shape ``(N, D)``.
        logits: Shape ``(N, C)``.
        labels: Class indices, shape ``(N,)``; ``NO_CLASS`` where no class of the run is told.
        given: The class that each image has by itself, known to the run or not; None where none is told.
        problems: Why the others could not be read.
    """

    title: str
    names: tuple[str, ...]
    features: Tensor
    logits: Tensor
    labels: Tensor
    given: tuple[str | None, ...] = ()
    problems: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return self.features.shape[0]

    def labelled(self) -> "Outputs":
        """Those that have a class that the run knows."""
        rows = (self.labels != NO_CLASS).nonzero().squeeze(1)
        if rows.shape[0] == len(self):
            return self
        kept = rows.tolist()
        return Outputs(
            title=self.title,
            names=tuple(self.names[row] for row in kept),
            features=self.features[rows],
            logits=self.logits[rows],
            labels=self.labels[rows],
            given=tuple(self.given[row] for row in kept),
            problems=self.problems,
        )


def outputs_of_source(
    trained: Trained, source: Source, *, batch_size: int, workers: int, watch: Watch = unwatched
) -> Outputs:
    """The outputs for all images of a source that can be read.

    Raises:
        ValueError: In one sentence, if none can.
    """
    parts = list(watch(trained.stream(source, batch_size=batch_size, workers=workers), len(source)))
    whole = Predictions.joined(parts)
    problems = tuple(whole.problems.values())
    if len(problems) == len(whole):
        raise ValueError(f"evaluate: none of the images of {source.title} can be read: {problems[0]}")
    rows = torch.tensor([row for row in range(len(whole)) if row not in whole.problems], dtype=torch.int64)
    kept = rows.tolist()
    given = whole.given or [None] * len(whole)
    return Outputs(
        title=source.title,
        names=tuple(whole.names[row] for row in kept),
        features=whole.features[rows],
        logits=whole.logits[rows],
        labels=whole.targets[rows],
        given=tuple(given[row] for row in kept),
        problems=problems,
    )
