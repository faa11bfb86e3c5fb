"""The images of an audit: those of all splits one after another, each with a name, a split, and a given class.

Axes: N images.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from sigma2r._text import visible
from sigma2r.data.images import ImageData
from sigma2r.data.splits import Split
from sigma2r.trained.frame import Frame
from sigma2r.trained.predictions import NO_CLASS
from sigma2r.trained.sources import Source

_BATCH = 1024

Read = Callable[[Sequence[int]], Tensor]
"""From positions to pixels, uint8, shape ``(M, ch, H, W)``."""


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images that can be read again.

    Args:
        names: The path of each, or the data set and its place there.
        splits: The split of each.
        labels: The given class of each, shape ``(N,)``; -1 where none is known.
        class_names: C names.
        read: Reads some of them, in increasing order of their positions.
    """

    names: Sequence[str]
    splits: Sequence[str]
    labels: Int[Tensor, " N"]
    class_names: tuple[str, ...]
    read: Read

    def __len__(self) -> int:
        return len(self.names)

    def batches(self) -> Iterator[Tensor]:
        """All pixels in their order, a thousand images at a time."""
        for start in range(0, len(self), _BATCH):
            yield self.read(range(start, min(start + _BATCH, len(self))))

    def label(self, row: int) -> str:
        """The name of the given class of an image; empty where none is known."""
        number = int(self.labels[row])
        return "" if number == NO_CLASS else self.class_names[number]

    def of_split(self, split: str) -> Int[Tensor, " M"]:
        """The positions of the images of a split, increasing."""
        return torch.tensor([row for row, name in enumerate(self.splits) if name == split], dtype=torch.int64)


def images_of_splits(dataset: str, splits: Mapping[str, Split]) -> Images:
    """The images of a run, split after split.

    Args:
        dataset: Its name, for images that lie in no file of their own.
        splits: Of the run.
    """
    parts = list(splits.items())
    names = [name for split, part in parts for name in _names(dataset, split, part)]
    given = [split for split, part in parts for _ in range(len(part))]
    starts = torch.tensor([0, *(len(part) for _, part in parts)]).cumsum(0)

    def read(rows: Sequence[int]) -> Tensor:
        wanted = torch.tensor(rows, dtype=torch.int64)
        which = torch.bucketize(wanted, starts, right=True) - 1
        places = wanted - starts[which]
        return torch.cat([
            _pixels(parts[part][1], places[which == part]) for part in dict.fromkeys(which.tolist())
        ])  # fmt: skip

    first = parts[0][1].data
    labels = torch.cat([part.labels for _, part in parts])
    return Images(names=names, splits=given, labels=labels, class_names=tuple(first.class_names), read=read)


def images_of_source(source: Source, frame: Frame, rows: Sequence[int], labels: Tensor, names: Sequence[str]) -> Images:
    """Some images of a source, those that could be read.

    Args:
        source: Where they come from.
        frame: What they are brought to.
        rows: Which.
        labels: Their given classes, shape ``(len(rows),)``.
        names: Of the classes.
    """

    def read(places: Sequence[int]) -> Tensor:
        return source.read([rows[place] for place in places], frame).pixels

    return Images(
        names=[source.names[row] for row in rows],
        splits=[GIVEN] * len(rows),
        labels=labels,
        class_names=tuple(names),
        read=read,
    )


GIVEN = "given"
"""What takes the place of a split where images are audited that are none of the run's."""


def joined(first: Images, second: Images) -> Images:
    """The images of both, one after another; classes are those of the first."""
    count = len(first)

    def read(rows: Sequence[int]) -> Tensor:
        own, others = [row for row in rows if row < count], [row - count for row in rows if row >= count]
        return torch.cat([images.read(its) for images, its in ((first, own), (second, others)) if its])

    return Images(
        names=[*first.names, *second.names],
        splits=[*first.splits, *second.splits],
        labels=torch.cat([first.labels, second.labels]),
        class_names=first.class_names,
        read=read,
    )


def _names(dataset: str, split: str, part: Split) -> list[str]:
    if part.data.paths:
        return [str(part.data.paths[row]) for row in part.indices.tolist()]
    return [f"{visible(dataset)}/{split}/{row}" for row in part.indices.tolist()]


def _pixels(part: Split, places: Tensor) -> Tensor:
    rows = part.indices[places]
    if isinstance(part.data, ImageData):
        return part.data.images[rows]
    return torch.stack([part.data[row][0] for row in rows.tolist()])
