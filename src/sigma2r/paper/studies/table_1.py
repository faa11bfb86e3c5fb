"""Table 1: spread of each class of FashionMNIST under the center loss and under sigma2R, on train and test."""

from collections.abc import Iterator
from dataclasses import replace

from sigma2r.paper.extras import beside_table
from sigma2r.paper.settings import setting
from sigma2r.paper.strength import AT_EQUAL_WEIGHT, CENTER_AND_SIGMA2R, EVERY_READING, equal_weight
from sigma2r.studies.comparison import comparison
from sigma2r.studies.study import Done, Part, Scale, Study
from sigma2r.studies.tuning import at_best_weights

TUNED = (*CENTER_AND_SIGMA2R, "soft-nearest-neighbor", "label-smoothing", "arcface", "supcon")
OLD_AND_NEW = ("cross-entropy", "center@0.01", "sigma2r@0.01")
OTHER_RATE = {"desk": 0.4, "paper": 0.001}


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """At equal weight, as the paper; each loss at its own best weight; and at the other learning rate."""
    its = setting("fashion-mnist", scale)
    yield from equal_weight(its.base, (*AT_EQUAL_WEIGHT, "cross-entropy"), its.seeds, done, EVERY_READING)
    alone = comparison(its.base, ("cross-entropy",), len(its.seeds))
    yield from at_best_weights([replace(its.base, loss=loss) for loss in TUNED], its.seeds, done, beside=alone)
    rate = OTHER_RATE[scale]
    yield Part(
        name="other-rate",
        title=f"With the learning rate {rate:g}",
        text="Table 1 names 0.4, section 5.2 names 0.001 for the same data; Adam is the optimizer in both.",
        runs=tuple(comparison(replace(its.base, lr=rate), OLD_AND_NEW, len(its.seeds))),
    )


STUDY = Study(
    name="table-1",
    title="Spread within the classes of FashionMNIST",
    source="Table 1",
    parts=parts,
    settings={
        "desk": "LeNet, 10 epochs, 10 seeds, learning rate 0.001, no flip up and down. The paper names 0.4 as "
        "the rate and no number of epochs.",
        "paper": "LeNet, learning rate 0.4 with Adam, batches of 256, 10 runs. The paper names no number of epochs: "
        "300, as on CIFAR10.",
    },
    figures=("classes",),
    extras=beside_table(1, readings=True, classes=True),
)
