"""Table 4: accuracy on CIFAR100 of sigma2R, the center loss and cross-entropy."""

from collections.abc import Iterator
from dataclasses import replace

from sigma2r.paper.extras import STAND_IN, beside_table
from sigma2r.paper.settings import setting
from sigma2r.paper.strength import equal_strength
from sigma2r.paper.studies.table_3 import CENTER_AND_SIGMA2R, on_resnet18
from sigma2r.studies.comparison import comparison
from sigma2r.studies.study import Done, Part, Scale, Study
from sigma2r.studies.tuning import matched

LOSSES = ("cross-entropy", *CENTER_AND_SIGMA2R)


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """At equal weight, each loss at its own best weight, and ResNet18 where LeNet stands in."""
    its = setting("cifar100", scale)
    yield Part(
        name="equal-weight",
        title="At equal weight, as in the paper",
        text="Both losses with the weight 0.01, beside cross-entropy alone.",
        runs=tuple(comparison(its.base, LOSSES, len(its.seeds))),
    )
    yield equal_strength(its.base, len(its.seeds))
    candidates = [replace(its.base, loss=loss) for loss in ("center", "sigma2r")]
    alone = comparison(its.base, ("cross-entropy",), len(its.seeds))
    yield from matched(candidates, its.seeds, done, epochs=its.trial_epochs, beside=alone)
    if scale == "desk":
        yield on_resnet18("cifar100", (*LOSSES, "sigma2r@0.001"))


STUDY = Study(
    name="table-4",
    title="Accuracy on CIFAR100",
    source="Table 4",
    parts=parts,
    settings={
        "desk": "LeNet on all training images that there are, 30 epochs, 5 seeds, learning rate 0.001; weights chosen "
        "by runs of 15 epochs; ResNet18 on 10,000 images, 8 epochs, 1 seed; no flip up and down. The paper: ResNet18, "
        "50,000 images, 500 epochs, 10 runs, learning rate 0.4.",
        "paper": "ResNet18, 500 epochs, batches of 1,000, learning rate 0.4 with Adam, 10 runs.",
    },
    extras=beside_table(4),
    caveats={"desk": STAND_IN},
)
