"""Accuracy on FashionMNIST: section 5.2 says that sigma2R is ahead there, and shows no figure."""

from collections.abc import Iterator
from dataclasses import replace

from sigma2r.paper.settings import setting
from sigma2r.paper.strength import AT_EQUAL_WEIGHT, CENTER_AND_SIGMA2R, EVERY_READING, equal_weight
from sigma2r.studies.comparison import comparison
from sigma2r.studies.study import Done, Part, Scale, Study
from sigma2r.studies.tuning import at_best_weights

LOSSES = (*AT_EQUAL_WEIGHT, "cross-entropy", "soft-nearest-neighbor@0.01")


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """The four losses that the section names, at the learning rate that it names."""
    its = setting("fashion-mnist", scale)
    base = replace(its.base, lr=0.001)
    yield from equal_weight(base, LOSSES, its.seeds, done, "The losses that section 5.2 names. " + EVERY_READING)
    candidates = [replace(base, loss=loss) for loss in (*CENTER_AND_SIGMA2R, "soft-nearest-neighbor")]
    yield from at_best_weights(candidates, its.seeds, done, beside=comparison(base, ("cross-entropy",), len(its.seeds)))


STUDY = Study(
    name="fashion-mnist-accuracy",
    title="Accuracy on FashionMNIST",
    source="Section 5.2, without figures",
    parts=parts,
    settings={
        "desk": "LeNet, 10 epochs, 10 seeds; no flip up and down.",
        "paper": "LeNet, learning rate 0.001, batches of 256, 10 runs of 300 epochs.",
    },
)
