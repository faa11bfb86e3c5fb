"""Table 4: accuracy on CIFAR100 of sigma2R, the center loss and cross-entropy."""

from collections.abc import Iterator
from dataclasses import replace

from sigma2r.paper.extras import STAND_IN, beside_table
from sigma2r.paper.settings import setting
from sigma2r.paper.strength import AT_EQUAL_WEIGHT, CENTER_AND_SIGMA2R, EVERY_READING, equal_weight
from sigma2r.paper.studies.table_3 import FEW, on_resnet18
from sigma2r.studies.comparison import comparison
from sigma2r.studies.study import Done, Part, Scale, Study
from sigma2r.studies.tuning import at_best_weights


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """At equal weight, each loss at its own best weight, and ResNet18 where LeNet stands in."""
    its = setting("cifar100", scale)
    yield from equal_weight(its.base, (*AT_EQUAL_WEIGHT, "cross-entropy"), its.seeds, done, EVERY_READING)
    candidates = [replace(its.base, loss=loss) for loss in CENTER_AND_SIGMA2R]
    alone = comparison(its.base, ("cross-entropy",), len(its.seeds))
    yield from at_best_weights(candidates, its.seeds, done, beside=alone)
    if scale == "desk":
        yield on_resnet18("cifar100", ("cross-entropy", *FEW, "sigma2r@0.001"))


STUDY = Study(
    name="table-4",
    title="Accuracy on CIFAR100",
    source="Table 4",
    parts=parts,
    settings={
        "desk": "LeNet on all training images that there are, 30 epochs, 10 seeds, learning rate 0.001; "
        "ResNet18 on 10,000 images, 8 epochs, 1 seed; no flip up and down. The paper: ResNet18, "
        "50,000 images, 500 epochs, 10 runs, learning rate 0.4.",
        "paper": "ResNet18, 500 epochs, batches of 1,000, learning rate 0.4 with Adam, 10 runs.",
    },
    extras=beside_table(4),
    caveats={"desk": STAND_IN},
)
