"""Figure 4: features of Fuzzy-RGB in two dimensions under three losses."""

from collections.abc import Iterator
from dataclasses import replace

from sigma2r.paper.strength import AT_EQUAL_WEIGHT, EVERY_READING, equal_weight
from sigma2r.studies.comparison import comparison
from sigma2r.studies.run import Run
from sigma2r.studies.study import Done, Part, Scale, Study

FEW = ("cross-entropy", "center@0.01", "sigma2r@0.01")


def parts(scale: Scale, done: Done) -> Iterator[Part]:
    """The caption's LeNet and the text's ResNet18."""
    desk = scale == "desk"
    lenet = Run(dataset="fuzzy-rgb", model="lenet", feature_dim=2, epochs=10 if desk else 300)
    text = "LeNet with two features, the network that the caption names. " + EVERY_READING
    yield from equal_weight(lenet, ("cross-entropy", *AT_EQUAL_WEIGHT), range(10), done, text)
    resnet = replace(lenet, model="resnet18", epochs=6 if desk else 300, measure_every=3 if desk else 1)
    yield Part(
        name="resnet18",
        title="ResNet18 with two features",
        text="The network that the text names.",
        runs=tuple(comparison(resnet, FEW, 1 if desk else 10)),
    )


STUDY = Study(
    name="figure-4",
    title="Features of Fuzzy-RGB in two dimensions",
    source="Figure 4",
    parts=parts,
    settings={
        "desk": "LeNet 10 epochs, 10 seeds; ResNet18 6 epochs, 1 seed.",
        "paper": "300 epochs and 10 runs; the paper names neither for this figure.",
    },
    figures=("features",),
)
