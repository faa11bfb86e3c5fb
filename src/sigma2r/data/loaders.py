"""From a data set and a sampler to batches: on the device where the images fit, by workers where they do not."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from sigma2r.data.folder import FolderImages
from sigma2r.data.images import ImageData
from sigma2r.samplers import BalancedBatchSampler

Batches = Iterable[tuple[Tensor, Tensor]]


class DeviceBatches:
    """Batches cut on the device from images that live there as uint8: no workers, no copies.

    Args:
        data: The images and labels.
        batches: Each epoch's rows of image numbers; iterated anew each epoch.
        num_batches: How many rows an epoch has.
        device: Where images and labels are kept.
    """

    def __init__(self, data: ImageData, batches: Iterable[Tensor], num_batches: int, device: torch.device) -> None:
        self.images = data.images.to(device)
        self.labels = data.labels.to(device)
        self.batches = batches
        self.num_batches = num_batches

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.batches:
            rows = rows.to(self.images.device)
            yield self.images[rows], self.labels[rows]


class EpochRows:
    """The image numbers of each balanced batch, for a data set of which only ``indices`` are used."""

    def __init__(self, sampler: BalancedBatchSampler, indices: Tensor) -> None:
        self.sampler = sampler
        self.indices = indices

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.indices[self.sampler.epoch_indices()])


class _Rows(Sampler[list[int]]):
    """Rows as the lists that a DataLoader wants."""

    def __init__(self, rows: Iterable[Tensor], num_batches: int) -> None:
        self.rows = rows
        self.num_batches = num_batches

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[int]]:
        return (row.tolist() for row in self.rows)


class _Told(Dataset[Any]):
    """Whole batches of images on disk; what cannot be read is handed over as the error, not raised."""

    def __init__(self, data: FolderImages) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitems__(self, rows: list[int]) -> Any:
        try:
            return default_collate([self.data[row] for row in rows])
        except ValueError as error:
            return error


def _as_it_is(batch: Any) -> Any:
    return batch


class _DiskBatches(DataLoader[Any]):
    """Raises here what a worker was told: one sentence, without the worker's traceback around it."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, ValueError):
                try:
                    raise batch
                finally:
                    del batch  # it knows this frame: together they would keep the workers alive
            yield batch


def make_batches(
    data: ImageData | FolderImages, rows: Iterable[Tensor], num_batches: int, device: torch.device, workers: int
) -> Batches:
    """Batches of (images (B, ch, H, W) uint8, labels (B,) int64), from ``rows`` of image numbers.

    Iterating raises ValueError, naming the file, if an image on disk cannot be read.
    """
    if isinstance(data, ImageData):
        return DeviceBatches(data, rows, num_batches, device)
    return _DiskBatches(
        _Told(data),
        collate_fn=_as_it_is,
        batch_sampler=_Rows(rows, num_batches),
        num_workers=workers,
        pin_memory=device.type == "cuda",
        persistent_workers=workers > 0,
    )


def in_order(indices: Tensor, batch_size: int) -> list[Tensor]:
    """``indices`` cut into rows, for measuring: each image once."""
    return list(torch.split(indices, batch_size))


def at_most(labels: Tensor, indices: Tensor, count: int, seed: int) -> Tensor:
    """No more than ``count`` of the ``indices`` for each class, drawn at random and in increasing order.

    Args:
        labels: Class indices of all samples, shape ``(N,)``.
        indices: Those to choose from.
        count: How many of each class.
        seed: Decides which.
    """
    shuffled = indices[torch.randperm(indices.shape[0], generator=torch.Generator().manual_seed(seed))]
    by_class, seat = seats(labels, shuffled)
    return by_class[seat < count].sort().values


def seats(labels: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """The indices class by class, in their order, and for each how many of its class stand before it."""
    by_class = indices[labels[indices].argsort(stable=True)]
    counts = torch.bincount(labels[indices])
    return by_class, torch.arange(indices.shape[0]) - (counts.cumsum(0) - counts)[labels[by_class]]


def split_off(labels: Tensor, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Set the same share of each class aside for validation.

    Args:
        labels: Class indices, shape ``(N,)``.
        fraction: The share, in [0, 1); each class keeps at least one sample for training.
        seed: Decides which.

    Returns:
        Image numbers for training and for validation, each in increasing order.
    """
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(labels.shape[0], generator=generator)
    by_class, seat = seats(labels, shuffled)
    counts = torch.bincount(labels)
    aside = seat < torch.minimum((fraction * counts).round().long(), counts - 1)[labels[by_class]]
    return by_class[~aside].sort().values, by_class[aside].sort().values
