"""Rows of images to be read, wherever they lie: each with its name, its label if there is one, and its pixels."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sigma2r._text import visible
from sigma2r.data.folder import FolderImages
from sigma2r.data.names import RefusedError
from sigma2r.data.tree import Identity
from sigma2r.trained.arrays import as_images
from sigma2r.trained.frame import Frame, as_8_bits

_OUTSIDE = "{} must have values in [0, 1], 0 black and 1 white, if it is floating-point; some are NaN or lie outside."


@dataclass(frozen=True)
class Read:
    """Some rows of a source, read.

    Args:
        pixels: Those that could be read, in their order, uint8, shape ``(M, ch, H, W)``.
        problems: Why the others could not, by their place among the rows.
        lost: What the network does not see of how many of them, and the first such place.
    """

    pixels: Tensor
    problems: dict[int, str]
    lost: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Abstract: images in an order.

    Args:
        title: What warnings call it.
        names: One for each image: its path, or the data set and its place there.
        labels: The name of each image's class, None where none is told; None: of no image.
        listed: The folders whose listing made it: nothing is written there.
    """

    title: str
    names: Sequence[str]
    labels: Sequence[str | None] | None = None
    listed: Collection[Identity] = ()

    on_disk = False

    def __len__(self) -> int:
        return len(self.names)

    def read(self, rows: Sequence[int], frame: Frame) -> Read:
        """The pixels of some rows.

        Args:
            rows: Which.
            frame: What they are brought to.
        """
        pixels: list[Tensor] = []
        problems: dict[int, str] = {}
        lost: dict[str, tuple[int, int]] = {}
        for place, row in enumerate(rows):
            try:
                one, unseen = self._one(row, frame)
            except ValueError as error:
                problems[place] = visible(str(error).removeprefix("folder: ").removeprefix("images: "))
                continue
            pixels.append(one)
            for what in unseen:
                count, first = lost.get(what, (0, place))
                lost[what] = count + 1, first
        shape = (0, *frame.image_shape)
        return Read(torch.stack(pixels) if pixels else torch.empty(shape, dtype=torch.uint8), problems, lost)

    def _one(self, row: int, frame: Frame) -> tuple[Tensor, list[str]]:
        raise NotImplementedError


@dataclass(frozen=True)
class Files(Source):
    """Image files, whose paths are the names.

    Args:
        refused: Why nothing of a row is read, by the row: of a path that leads to no image at all.
    """

    refused: Mapping[int, str] = field(default_factory=dict)

    on_disk = True

    def _one(self, row: int, frame: Frame) -> tuple[Tensor, list[str]]:
        if row in self.refused:
            raise RefusedError(self.refused[row])
        return frame.of_file(self.names[row])


@dataclass(frozen=True, kw_only=True)
class Decoded(Source):
    """Images on disk of a data set of one's own, which it decodes itself.

    Args:
        data: The data set.
    """

    data: FolderImages
    on_disk = True

    def _one(self, row: int, frame: Frame) -> tuple[Tensor, list[str]]:
        return frame.of_pixels(self.data[row][0], self.names[row])


@dataclass(frozen=True, kw_only=True)
class Pixels(Source):
    """Images in memory.

    Args:
        images: uint8 or floating-point in [0, 1], shape ``(N, ch, H, W)``, on any device.
    """

    images: Tensor

    def read(self, rows: Sequence[int], frame: Frame) -> Read:
        """The pixels of some rows, all at once where they have the shape of the network's images."""
        chosen = self.images[rows[0] : rows[-1] + 1] if isinstance(rows, range) else self.images[torch.tensor(rows)]
        if tuple(chosen.shape[1:]) != frame.image_shape:
            return super().read(rows, frame)
        pixels, outside = as_8_bits(chosen)
        problems = {place: _OUTSIDE.format(self.names[rows[place]]) for place in outside.nonzero().flatten().tolist()}
        return Read(pixels[~outside] if problems else pixels, problems)

    def _one(self, row: int, frame: Frame) -> tuple[Tensor, list[str]]:
        return _of_pixels(self.images[row : row + 1], frame, self.names[row])


@dataclass(frozen=True, kw_only=True)
class Several(Source):
    """Images of Pillow's, arrays, tensors and paths in a list.

    Args:
        items: One for each image.
    """

    items: Sequence[Any]

    def _one(self, row: int, frame: Frame) -> tuple[Tensor, list[str]]:
        item, name = self.items[row], self.names[row]
        if isinstance(item, str):
            return frame.of_file(item)
        if hasattr(item, "getbands"):
            return frame.of_image(item, name)
        images = as_images(item, name, frame.image_shape[0])
        if len(images) != 1:
            raise ValueError(f"{name} must be one image, as each in a list; it holds {len(images)}.")
        return _of_pixels(images, frame, name)


@dataclass(frozen=True, kw_only=True)
class Chosen(Source):
    """Some images of another source; see :meth:`of`.

    Args:
        source: Whose images they are.
        chosen: Which of its rows, one for each image.
    """

    source: Source
    chosen: Sequence[int]

    @classmethod
    def of(cls, title: str, source: Source, chosen: Sequence[int]) -> "Chosen":
        """The images of some rows, with their names and labels."""
        labels = None if source.labels is None else [source.labels[row] for row in chosen]
        return cls(title, [source.names[row] for row in chosen], labels, source.listed, source=source, chosen=chosen)

    @property
    def on_disk(self) -> bool:  # type: ignore[override]
        """As of all."""
        return self.source.on_disk

    def read(self, rows: Sequence[int], frame: Frame) -> Read:
        """The pixels of some rows."""
        return self.source.read([self.chosen[row] for row in rows], frame)


def _of_pixels(images: Tensor, frame: Frame, name: str) -> tuple[Tensor, list[str]]:
    pixels, outside = as_8_bits(images)
    if outside.any():
        raise ValueError(_OUTSIDE.format(name))
    return frame.of_pixels(pixels[0], name)
