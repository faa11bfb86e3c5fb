"""What the paper asserts, in the order of the page: the comparisons that each assertion comes down to, by reading."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tools.recompute.paper import accuracies_told, gains_told
from tools.recompute.rows import (
    ACCURACY,
    RATIO,
    SPREAD,
    TAIL,
    TRAIN_RATIO,
    TRAIN_SPREAD,
    TRAIN_TAIL,
    Figure,
)
from tools.recompute.studies import CENTER, SIGMA, SUM

ON_THE_SUM = "distance-std, Eq. 1 as the printed sum"


@dataclass(frozen=True)
class Question:
    """Is a loss above (or below) another in a figure, in a part of a study?"""

    study: str
    part: str
    new: str
    old: str
    figure: Figure
    above: bool


@dataclass(frozen=True)
class Reading:
    """What must be so: at equal weight; and, where weights play a part, at equal strength and at best weights."""

    equal: tuple[Question, ...]
    strength: tuple[Question, ...] = ()
    best: tuple[Question, ...] = ()

    @property
    def questions(self) -> tuple[Question, ...]:
        """All that it asks."""
        return (*self.equal, *self.strength, *self.best)


@dataclass(frozen=True)
class Claim:
    """An assertion.

    Args:
        words: Which the page has for it, in part.
        published: What the paper shows for it.
        readings: What it comes down to, by reading.
        judge: What decides it otherwise, by name.
        beside: What such a judge compares.
    """

    words: tuple[str, ...]
    published: str
    readings: Mapping[str, Reading] = field(default_factory=dict)
    judge: str = ""
    beside: tuple[Question, ...] = ()

    @property
    def questions(self) -> tuple[Question, ...]:
        """Every comparison that it rests on."""
        return (*(each for reading in self.readings.values() for each in reading.questions), *self.beside)


def _untuned(loss: str) -> str:
    return loss.replace("@0.01", "")


def _on_center(
    study: str, equal: tuple[Figure, ...], fair: Figure, *, above: bool = False, best: bool = True
) -> dict[str, Reading]:
    """sigma2R against the center loss in three readings, and against Eq. 1 as the printed sum."""

    def reading(name: str, center: str) -> Reading:
        new, ending = SIGMA[name], "" if name == "distance-std" else f"-{name}"
        return Reading(
            tuple(Question(study, "equal-weight", new, center, figure, above) for figure in equal),
            (Question(study, f"equal-strength{ending}", new, "center", fair, above),),
            (Question(study, "best-weight", _untuned(new), "center", fair, above),) if best else (),
        )

    return {**{name: reading(name, CENTER) for name in SIGMA}, ON_THE_SUM: reading("distance-std", SUM)}


def _ahead(study: str, other: str) -> dict[str, Reading]:
    """sigma2R is more accurate than a loss that has no strength to be equal to."""
    at_weight = other if other == "cross-entropy" else f"{other}@0.01"
    return {
        name: Reading(
            (Question(study, "equal-weight", new, at_weight, ACCURACY, above=True),),
            best=(Question(study, "best-weight", _untuned(new), other, ACCURACY, above=True),),
        )
        for name, new in SIGMA.items()
    }


def _ahead_of_three(study: str) -> dict[str, Reading]:
    """sigma2R is more accurate than the center loss, cross-entropy and the soft nearest neighbour loss."""
    found = {}
    for name, reading in _on_center(study, (ACCURACY,), ACCURACY, above=True).items():
        others = [
            _ahead(study, other)["distance-std" if name == ON_THE_SUM else name]
            for other in ("cross-entropy", "soft-nearest-neighbor")
        ]
        found[name] = Reading(
            reading.equal + tuple(each for other in others for each in other.equal),
            reading.strength,
            reading.best + tuple(each for other in others for each in other.best),
        )
    return found


def _on_cross_entropy(new: str, figure: Figure, *, above: bool) -> dict[str, Reading]:
    """A loss against cross-entropy alone, on FashionMNIST, at its weight in the paper and at its best."""
    study = "fashion-mnist-accuracy"
    return {
        "": Reading(
            (Question(study, "equal-weight", f"{new}@0.01", "cross-entropy", figure, above),),
            best=(Question(study, "best-weight", new, "cross-entropy", figure, above),),
        )
    }


def _compact_center(study: str, data: str) -> Claim:
    equal = (Question(study, "equal-weight", CENTER, "cross-entropy", each, above=False) for each in (SPREAD, RATIO))
    words = ("Cross-entropy alone does not reduce the spread", f"({data})")
    return Claim(words, "none printed", {"": Reading(tuple(equal))})


OTHER_VALUES = tuple(
    Question("sensitivity", part, f"sigma2r@0.01[{part}={value}]", "sigma2r@0.01", ACCURACY, above=True)
    for part, value in (("neighbors", "3"), ("neighbors", "15"), ("ceiling", "10.0"), ("ceiling", "100.0"))
)
"""n and Z other than the paper's."""

_FASHION = "fashion-mnist-accuracy"
_BOTH_SPREADS = (TRAIN_SPREAD, SPREAD)

CLAIMS = (
    Claim(
        ("The majority of samples rules the error", "FashionMNIST"),
        "Figure 4, without figures",
        _on_center("table-1", (TAIL,), TAIL),
    ),
    Claim(("Under the center loss the spread freezes", "Fuzzy-RGB"), "Figure 4, without figures", judge="freezing"),
    Claim(
        ("sigma2R reduces the spread within classes", "FashionMNIST"),
        gains_told({"train": " (train)", "test": " (test)"}),
        _on_center("table-1", _BOTH_SPREADS, RATIO),
    ),
    Claim(
        ("sigma2R surpasses the results of the center loss", "CIFAR10"),
        accuracies_told(3, "sigma2r", "center"),
        _on_center("table-3", (ACCURACY,), ACCURACY, above=True),
    ),
    Claim(
        ("sigma2R surpasses the results of the soft nearest", "CIFAR10"),
        accuracies_told(3, "sigma2r", "soft-nearest-neighbor"),
        _ahead("table-3", "soft-nearest-neighbor"),
    ),
    Claim(
        ("Minimizing the spread improves generalization", "FashionMNIST"),
        "none printed",
        _ahead(_FASHION, "cross-entropy"),
    ),
    Claim(("It is effective on different networks",), "Tables 1 to 4", judge="networks"),
    _compact_center("table-1", "FashionMNIST"),
    _compact_center("table-3", "CIFAR10"),
    _compact_center("table-4", "CIFAR100"),
    Claim(
        ("The center loss joined with cross-entropy is more accurate", "FashionMNIST"),
        "none printed for these data",
        _on_cross_entropy("center", ACCURACY, above=True),
    ),
    Claim(
        ("The soft nearest neighbour loss brings features", "intra/inter, FashionMNIST"),
        "none printed",
        _on_cross_entropy("soft-nearest-neighbor", RATIO, above=False),
    ),
    Claim(("Gates of samples far from the center",), "drawn", judge="gates"),
    Claim(("The loss is high when a sample is isolated",), "drawn", judge="isolation"),
    Claim(("K is used a lot",), "drawn", judge="growth moves"),
    Claim(("Fuzzy-RGB holds images whose class is uncertain",), "drawn", judge="ambiguity"),
    Claim(
        ("On Fuzzy-RGB sigma2R widens the margin", "LeNet"),
        "drawn",
        _on_center("figure-4", (TRAIN_SPREAD, TRAIN_RATIO), TRAIN_RATIO, best=False),
    ),
    Claim(
        ("Under the center loss many images of Fuzzy-RGB are left far", "LeNet"),
        "drawn",
        _on_center("figure-4", (TRAIN_TAIL,), TRAIN_TAIL, best=False),
    ),
    Claim(("The same of Fuzzy-RGB with ResNet18",), "drawn", judge="fuzzy on resnet18"),
    Claim(
        ("sigma2R is more accurate than cross-entropy on CIFAR10.",),
        accuracies_told(3, "sigma2r", "cross-entropy"),
        _ahead("table-3", "cross-entropy"),
    ),
    Claim(
        ("sigma2R is more accurate than cross-entropy on CIFAR100.",),
        accuracies_told(4, "sigma2r", "cross-entropy"),
        _ahead("table-4", "cross-entropy"),
    ),
    Claim(
        ("sigma2R is more accurate than the center loss on CIFAR100.",),
        accuracies_told(4, "sigma2r", "center"),
        _on_center("table-4", (ACCURACY,), ACCURACY, above=True),
    ),
    Claim(
        ("On FashionMNIST sigma2R is better than", "accuracy"),
        "none printed",
        _ahead_of_three(_FASHION),
    ),
    Claim(
        ("sigma2R reduces the spread within classes", "CIFAR10"),
        gains_told({"CIFAR10": ""}),
        _on_center("table-2", _BOTH_SPREADS, RATIO),
    ),
    Claim(("Growth falls during training",), "drawn", judge="growth falls"),
    Claim(("Growth falls only at the end",), "drawn", judge="growth falls late"),
    Claim(("n = 7 and Z = 40",), "none printed", judge="other values", beside=OTHER_VALUES),
    Claim(
        ("With Adam the learning rate of the network is 0.4",),
        f"{accuracies_told(3, 'sigma2r', 'center').split()[0]} % on CIFAR10",
        judge="rate of adam",
    ),
)
"""In the order of the page."""
