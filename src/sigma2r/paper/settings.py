"""The settings of the paper's experiments, and what is less at the scale of a desk: two cores, a few hours."""

from dataclasses import dataclass, replace
from typing import Literal

from sigma2r.data import Augmentation
from sigma2r.studies.run import Run
from sigma2r.studies.study import Scale

Photographs = Literal["cifar10", "cifar100"]


@dataclass(frozen=True)
class Setting:
    """How a data set is trained at a scale.

    Args:
        base: A run, its loss still to be set.
        seeds: First weights of each loss, ten as in the paper.
    """

    base: Run
    seeds: range = range(10)


# Section 5.1: all are cropped, turned and flipped; without sizes. A flip up and down is named, so it is there.
_AUGMENTED = Augmentation(crop=4, rotation=10.0, horizontal_flip=0.5, vertical_flip=0.5)

_BASES = {
    ("fashion-mnist", "paper"): Run(
        dataset="fashion-mnist",
        lr=0.4,
        epochs=300,
        augmentation=replace(_AUGMENTED, crop=2),
    ),
    ("fashion-mnist", "desk"): Run(dataset="fashion-mnist", epochs=10, measure_every=5),
    ("cifar10", "paper"): Run(dataset="cifar10", model="resnet18", lr=0.4, epochs=300, augmentation=_AUGMENTED),
    ("cifar10", "desk"): Run(dataset="cifar10", epochs=20, measure_every=10),
    ("cifar100", "paper"): Run(
        dataset="cifar100", model="resnet18", lr=0.4, epochs=500, batch_size=1000, augmentation=_AUGMENTED
    ),
    ("cifar100", "desk"): Run(dataset="cifar100", epochs=30, measure_every=10, batch_size=1000),
}


def setting(dataset: str, scale: Scale) -> Setting:
    """The setting of ``fashion-mnist``, ``cifar10`` or ``cifar100`` at a scale."""
    return Setting(_BASES[dataset, scale])


def small_resnet18(dataset: Photographs) -> Run:
    """ResNet18 as two cores can train it: 10,000 images, eight epochs."""
    num_classes = {"cifar10": 10, "cifar100": 100}[dataset]
    base = setting(dataset, "desk").base
    return replace(
        base,
        model="resnet18",
        feature_dim=512,
        images_per_class=10_000 // num_classes,
        epochs=8,
        measure_every=0,
    )
