"""Table 2: spread of each class of CIFAR10 under the center loss and under sigma2R."""

from collections.abc import Iterator
from dataclasses import replace

from sigma2r.paper.extras import STAND_IN, beside_table
from sigma2r.paper.settings import setting
from sigma2r.paper.strength import equal_strength
from sigma2r.paper.studies.table_3 import CENTER_AND_SIGMA2R, on_resnet18
from sigma2r.studies.comparison import comparison
from sigma2r.studies.study import Done, Part, Scale, Study
from sigma2r.studies.tuning import matched


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """The two losses at equal weight, at equal strength and each at its own best; runs that Table 3 has as well."""
    its = setting("cifar10", scale)
    yield Part(
        name="equal-weight",
        title="At equal weight, as in the paper",
        text="Both losses with the weight 0.01.",
        runs=tuple(comparison(its.base, CENTER_AND_SIGMA2R, len(its.seeds))),
    )
    yield equal_strength(its.base, len(its.seeds))
    candidates = [replace(its.base, loss=loss) for loss in ("center", "sigma2r")]
    yield from matched(candidates, its.seeds, done, epochs=its.trial_epochs)
    if scale == "desk":
        yield on_resnet18("cifar10", ("center@0.01", "sigma2r@0.01", "sigma2r@0.001"))


STUDY = Study(
    name="table-2",
    title="Spread within the classes of CIFAR10",
    source="Table 2",
    parts=parts,
    settings={
        "desk": "LeNet on all training images that there are, 20 epochs, 5 seeds, learning rate 0.001; ResNet18 on "
        "10,000 images, 8 epochs, 1 seed; no flip up and down. The paper: ResNet18, 50,000 images, 300 epochs, 10 "
        "runs, learning rate 0.4.",
        "paper": "ResNet18, 300 epochs, batches of 256, learning rate 0.4 with Adam, 10 runs.",
    },
    figures=("classes",),
    extras=beside_table(2, classes=True),
    caveats={"desk": STAND_IN},
)
