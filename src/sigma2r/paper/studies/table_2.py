"""Table 2: spread of each class of CIFAR10 under the center loss and under sigma2R."""

from collections.abc import Iterator
from dataclasses import replace

from sigma2r.paper.extras import STAND_IN, beside_table
from sigma2r.paper.settings import setting, small_resnet18
from sigma2r.paper.strength import AT_EQUAL_WEIGHT, CENTER_AND_SIGMA2R, EVERY_READING, equal_weight
from sigma2r.paper.studies.table_3 import FEW, on_resnet18
from sigma2r.studies.comparison import comparison
from sigma2r.studies.study import Done, Part, Scale, Study
from sigma2r.studies.tuning import at_best_weights


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """The two losses at equal weight, at equal strength and each at its own best; runs that Table 3 has as well."""
    its = setting("cifar10", scale)
    yield from equal_weight(its.base, AT_EQUAL_WEIGHT, its.seeds, done, EVERY_READING)
    yield from at_best_weights([replace(its.base, loss=loss) for loss in CENTER_AND_SIGMA2R], its.seeds, done)
    if scale == "desk":
        yield on_resnet18("cifar10", (*FEW, "sigma2r@0.001"))
        yield Part(
            name="lenet",
            title="LeNet on the same 10,000 images",
            text="As long as ResNet18 above, so that the two networks can be compared.",
            runs=tuple(comparison(replace(small_resnet18("cifar10"), model="lenet", feature_dim=84), FEW, 1)),
        )


STUDY = Study(
    name="table-2",
    title="Spread within the classes of CIFAR10",
    source="Table 2",
    parts=parts,
    settings={
        "desk": "LeNet on all training images that there are, 20 epochs, 10 seeds, learning rate 0.001; ResNet18 on "
        "10,000 images, 8 epochs, 1 seed; no flip up and down. The paper: ResNet18, 50,000 images, 300 epochs, 10 "
        "runs, learning rate 0.4.",
        "paper": "ResNet18, 300 epochs, batches of 256, learning rate 0.4 with Adam, 10 runs.",
    },
    figures=("classes",),
    extras=beside_table(2, classes=True),
    caveats={"desk": STAND_IN},
)
