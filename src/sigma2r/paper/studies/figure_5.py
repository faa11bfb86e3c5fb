"""Figure 5: growth by epoch on FashionMNIST, CIFAR10 and CIFAR100; runs that the tables have as well."""

from collections.abc import Iterator
from typing import get_args

from sigma2r.paper.settings import Photographs, setting
from sigma2r.paper.strength import SIGMA2R
from sigma2r.studies.comparison import comparison
from sigma2r.studies.study import Done, Part, Scale, Study


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """A part for each data set."""
    for dataset in ("fashion-mnist", *get_args(Photographs)):
        its = setting(dataset, scale)
        yield Part(
            name=dataset,
            title=f"Growth on {dataset}",
            text="Growth w_K of each class after each epoch, and the growth rate K = eps + Z sigmoid(w_K), the slope "
            "that it stands for, by reading.",
            runs=tuple(comparison(its.base, tuple(SIGMA2R.values()), len(its.seeds))),
        )


STUDY = Study(
    name="figure-5",
    title="Growth by epoch",
    source="Figure 5",
    parts=parts,
    settings={
        "desk": "LeNet on all three data sets, for 10, 20 and 30 epochs, 10 seeds; the paper: ResNet18 on CIFAR.",
        "paper": "LeNet on FashionMNIST, ResNet18 on CIFAR10 and CIFAR100.",
    },
    figures=("growth",),
)
