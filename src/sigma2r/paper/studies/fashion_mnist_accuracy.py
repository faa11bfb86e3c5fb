"""Accuracy on FashionMNIST: section 5.2 says that sigma2R is ahead there, and shows no figure."""

from collections.abc import Iterator
from dataclasses import replace

from sigma2r.paper.settings import setting
from sigma2r.studies.comparison import comparison
from sigma2r.studies.study import Done, Part, Scale, Study

LOSSES = ("cross-entropy", "center@0.01", "soft-nearest-neighbor@0.01", "sigma2r@0.01")


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """The four losses that the section names, at the learning rate that it names."""
    its = setting("fashion-mnist", scale)
    yield Part(
        name="accuracy",
        title="Accuracy at equal weight",
        text="The losses that section 5.2 names, with its learning rate of 0.001 and the weight 0.01.",
        runs=tuple(comparison(replace(its.base, lr=0.001), LOSSES, len(its.seeds))),
    )


STUDY = Study(
    name="fashion-mnist-accuracy",
    title="Accuracy on FashionMNIST",
    source="Section 5.2, without figures",
    parts=parts,
    settings={
        "desk": "LeNet, 10 epochs, 5 seeds; no flip up and down.",
        "paper": "LeNet, learning rate 0.001, batches of 256, 10 runs of 300 epochs.",
    },
)
