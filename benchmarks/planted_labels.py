"""Labels flipped on purpose, and how many of them an audit finds: ``python -m benchmarks.planted_labels FOLDER``.

What networks say is kept in FOLDER, so that a second call only counts; tables of docs/auditing.md come from the result.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from sigma2r.audit.folds import assign_folds
from sigma2r.audit.held_out import HeldOut, held_out_by_folds
from sigma2r.data import Augmentation, load_images
from sigma2r.data.images import ImageData
from sigma2r.data.loaders import at_most
from sigma2r.data.splits import Split
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where

FOLDS, SHARE, SEEDS = 3, 0.05, (0, 1, 2)
LOSSES = ("center@0.1", "cross-entropy")
WAYS = ("symmetric", "most similar")
_BASE = Run(dataset="fashion-mnist", model="lenet", batch_size=100, lr=3e-3, augmentation=Augmentation())
RUNS = {
    "fashion-mnist": (replace(_BASE, epochs=5), 1000),
    "cifar10": (replace(_BASE, dataset="cifar10", augmentation=Augmentation(horizontal_flip=0.5), epochs=8), 1000),
}
"""For each data set how it is trained, and on how many images a class."""


@dataclass(frozen=True)
class Planted:
    """Images of a data set, some of whose labels were flipped.

    Args:
        data: With the labels as they are given.
        truth: The labels as they were.
    """

    data: ImageData
    truth: Tensor

    @property
    def flipped(self) -> Tensor:
        """Which labels are wrong."""
        return self.data.labels != self.truth


def images_of(name: str, data_dir: Path | None) -> ImageData:
    """So many training images of each class, the same for every seed."""
    data = load_images(name, "train", data_dir=data_dir)
    assert isinstance(data, ImageData)
    rows = at_most(data.labels, torch.arange(len(data)), RUNS[name][1], seed=0)
    return ImageData(data.images[rows], data.labels[rows], data.class_names)


def plant(data: ImageData, way: str, seed: int, similar: Tensor | None) -> Planted:
    """Flip a share of all labels: to any other class, or to the class that it is most often taken for."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(data), generator=generator)[: round(SHARE * len(data))]
    labels, classes = data.labels.clone(), len(data.class_names)
    if similar is None:
        labels[rows] = (labels[rows] + torch.randint(1, classes, rows.shape, generator=generator)) % classes
    else:
        labels[rows] = similar[labels[rows]]
    return Planted(replace(data, labels=labels), data.labels)


def judged(planted: Planted, name: str, loss: str, seed: int, folder: Path) -> list[HeldOut]:
    """What the folds say."""
    run = replace(RUNS[name][0], loss=loss, loss_weight=0.0, init_seed=seed, data_seed=seed)
    splits = {"train": Split(planted.data, torch.arange(len(planted.data)))}
    folds = assign_folds(planted.data.labels, FOLDS, seed)
    where = Where(device="cpu", progress=False)
    return held_out_by_folds(run, splits, folds, folder / name / loss, where, say=lambda told: print(told, flush=True))


def confused_with(data: ImageData, outputs: list[HeldOut]) -> Tensor:
    """For each class the one that its images are most often taken for."""
    count = torch.zeros(len(data.class_names), len(data.class_names))
    for part in outputs:
        count.index_put_((data.labels[part.rows], part.logits.argmax(1)), torch.ones(len(part.rows)), accumulate=True)
    return count.fill_diagonal_(0).argmax(1)


def all_of(name: str, folder: Path, data_dir: Path | None) -> Iterator[tuple[str, int, str, Planted, list[HeldOut]]]:
    """Way, seed, loss, labels, and what the folds say; first of all the untouched labels, ``"none"``."""
    data = images_of(name, data_dir)
    clean = Planted(data, data.labels)
    for loss in LOSSES[:1]:
        outputs = judged(clean, name, loss, 0, folder)
        yield "none", 0, loss, clean, outputs
    similar = confused_with(data, outputs)
    for seed in SEEDS:
        for way in WAYS:
            planted = plant(data, way, seed, similar if way == WAYS[1] else None)
            for loss in LOSSES:
                yield way, seed, loss, planted, judged(planted, name, loss, seed, folder)


if __name__ == "__main__":
    out, data_dir = (Path(word) for word in sys.argv[1:3])
    for name in sys.argv[3:] or RUNS:
        for way, seed, loss, planted, outputs in all_of(name, out, None if name == "fashion-mnist" else data_dir):
            right = sum(int((p.logits.argmax(1) == planted.truth[p.rows]).sum()) for p in outputs) / len(planted.truth)
            print(name, way, seed, loss, f"accuracy {right:.4f}", flush=True)
