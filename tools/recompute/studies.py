"""What each study of the paper is: its data set, network and epochs, the losses of its parts, and how parts follow.

Written down from what the page says of itself, for the scale of a desk, and matched against the fields of records.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.recompute.records import PLAIN, Record, Setting, Shelf
from tools.recompute.search import Candidate, Search, searched
from tools.recompute.strength import Strength, measured

SEEDS = range(10)
"""First weights of every loss, but where a single run is all there is time for."""

SIGMA = {"distance-std": "sigma2r@0.01", "std": "sigma2r@0.01[spread=std]", "rms": "sigma2r@0.01[spread=rms]"}
"""sigma2R at the weight of the paper, by how its sigma is read."""

CENTER, SUM = "center@0.01", "center@0.01[reduction=sum]"
"""The center loss at the weight of the paper: Eq. 1 as a mean, and as the printed sum."""


def _trained(dataset: str, epochs: int, measured_every: int, *, crop: int = 0, **others: object) -> Setting:
    turned = {"rotation": 10.0, "horizontal_flip": 0.5} if crop else {"rotation": 0.0, "horizontal_flip": 0.0}
    said = {"dataset": dataset, "model": "lenet", "feature_dim": 84, "epochs": epochs, "measure_every": measured_every}
    return {**PLAIN, **said, "augmentation": {"crop": crop, **turned, "vertical_flip": 0.0}, **others}


FASHION = _trained("fashion-mnist", 10, 5, crop=2)
CIFAR10 = _trained("cifar10", 20, 10, crop=4)
CIFAR100 = _trained("cifar100", 30, 10, crop=4, batch_size=1000)
FUZZY = _trained("fuzzy-rgb", 10, 1, feature_dim=2)
DATA = {"fashion-mnist": FASHION, "cifar10": CIFAR10, "cifar100": CIFAR100}

_SHORT = {"epochs": 8, "measure_every": 0}
_RESNET10 = {**CIFAR10, **_SHORT, "model": "resnet18", "feature_dim": 512, "images_per_class": 1000}
_RESNET100 = {**CIFAR100, **_SHORT, "model": "resnet18", "feature_dim": 512, "images_per_class": 100}

Wanted = tuple[Setting, str]
"""What a row is of: how it is trained, and its loss."""


@dataclass(frozen=True)
class Part:
    """Runs that stand in one section.

    Args:
        name: Of the part, as verdicts name it.
        title: Behind the title of the study.
        wanted: Its rows.
        seeds: Of each row.
        baseline: What the others are compared with; default: the first.
        strength: The measured strength that it rests on.
        searches: For weights, whose trials it shows; mostly none.
    """

    name: str
    title: str
    wanted: tuple[Wanted, ...]
    seeds: Sequence[int] = SEEDS
    baseline: str | None = None
    strength: Strength | None = None
    searches: tuple[Search, ...] = ()

    def records(self, shelf: Shelf) -> list[Record]:
        """What there is of it so far."""
        found = (shelf.find(setting, loss, seed) for setting, loss in self.wanted for seed in self.seeds)
        return [record for record in found if record is not None]

    @property
    def asked(self) -> int:
        """How many runs it is of."""
        return len(self.wanted) * len(self.seeds)


@dataclass(frozen=True)
class Study:
    """A study of the paper.

    Args:
        setting: Of its main runs.
        equal: Losses at the weight of the paper; beside them a center loss of the measured strength of each sigma2R.
        tuned: Losses that search a weight.
        alone: Losses without a weight beside these at their best.
        rest: Further parts.
        stands_in: Whether it trains another network than the paper, which no accuracy of the paper is tested on.
        table: Which table of the paper it is, if it is one.
        classes: Whether the spread of each class is shown.
    """

    setting: Setting
    equal: tuple[str, ...] = ()
    tuned: tuple[Candidate, ...] = ()
    alone: tuple[str, ...] = ()
    rest: tuple[Part, ...] = ()
    stands_in: bool = False
    table: int | None = None
    classes: bool = False


_BOTH = (CENTER, *SIGMA.values(), SUM)
_HIDDEN = "[learn_temperature=True,temperature=100.0,layers=body.2+body.5+body.8]"
_PAIR = (Candidate("center"), Candidate("sigma2r"), *(Candidate("sigma2r", f"[spread={s}]") for s in ("std", "rms")))
_NEIGHBOUR = Candidate("soft-nearest-neighbor")
_YARDSTICKS = tuple(map(Candidate, ("label-smoothing", "arcface", "supcon")))


def _rows(setting: Setting, losses: Sequence[str]) -> tuple[Wanted, ...]:
    return tuple((setting, loss) for loss in losses)


def _on_resnet18(setting: Setting, losses: Sequence[str]) -> Part:
    return Part("resnet18", "ResNet18 on 10,000 images", _rows(setting, losses), range(1))


_FIVE_EPOCHS = {**FASHION, "epochs": 5, "measure_every": 0}


def _varied(name: str, title: str, *, options: Sequence[str] = (), values: Sequence[float] = ()) -> Part:
    """sigma2R as the paper has it, and with one of its options, or one field of its runs, changed."""
    key = name.replace("-", "_")
    changed = [(_FIVE_EPOCHS, f"sigma2r@0.01[{key}={value}]") for value in options]
    changed += [({**_FIVE_EPOCHS, key: value}, "sigma2r@0.01") for value in values]
    return Part(name, title, ((_FIVE_EPOCHS, "sigma2r@0.01"), *changed))


STUDIES = {
    "table-1": Study(
        FASHION,
        (*_BOTH, "cross-entropy"),
        (*_PAIR, _NEIGHBOUR, *_YARDSTICKS),
        ("cross-entropy",),
        (
            Part(
                "other-rate",
                "With the learning rate 0.4",
                _rows({**FASHION, "lr": 0.4}, ("cross-entropy", CENTER, "sigma2r@0.01")),
            ),
        ),
        table=1,
        classes=True,
    ),
    "fashion-mnist-accuracy": Study(
        FASHION,
        (*_BOTH, "cross-entropy", "soft-nearest-neighbor@0.01"),
        (*_PAIR, _NEIGHBOUR),
        ("cross-entropy",),
    ),
    "figure-4": Study(
        FUZZY,
        ("cross-entropy", *_BOTH),
        rest=(
            Part(
                "resnet18",
                "ResNet18 with two features",
                _rows(
                    {**FUZZY, "model": "resnet18", "epochs": 6, "measure_every": 3},
                    ("cross-entropy", CENTER, "sigma2r@0.01"),
                ),
                range(1),
            ),
        ),
    ),
    "table-2": Study(
        CIFAR10,
        _BOTH,
        _PAIR,
        rest=(
            _on_resnet18(_RESNET10, (CENTER, "sigma2r@0.01", "sigma2r@0.001")),
            Part(
                "lenet",
                "LeNet on the same 10,000 images",
                _rows({**_RESNET10, "model": "lenet", "feature_dim": 84}, (CENTER, "sigma2r@0.01")),
                range(1),
            ),
        ),
        stands_in=True,
        table=2,
        classes=True,
    ),
    "table-3": Study(
        CIFAR10,
        (*_BOTH, "cross-entropy", "soft-nearest-neighbor@0.01", f"soft-nearest-neighbor@-0.01{_HIDDEN}"),
        (*_PAIR, _NEIGHBOUR, Candidate("soft-nearest-neighbor", _HIDDEN, raised=True)),
        ("cross-entropy",),
        (
            _on_resnet18(
                _RESNET10,
                ("cross-entropy", CENTER, "sigma2r@0.01", "soft-nearest-neighbor@0.01", "sigma2r@0.001"),
            ),
        ),
        stands_in=True,
        table=3,
    ),
    "table-4": Study(
        CIFAR100,
        (*_BOTH, "cross-entropy"),
        _PAIR,
        ("cross-entropy",),
        (_on_resnet18(_RESNET100, ("cross-entropy", CENTER, "sigma2r@0.01", "sigma2r@0.001")),),
        stands_in=True,
        table=4,
    ),
    "figure-5": Study(
        FASHION,
        rest=tuple(
            Part(name, f"Growth on {name}", _rows(setting, tuple(SIGMA.values()))) for name, setting in DATA.items()
        ),
    ),
    "sensitivity": Study(
        _FIVE_EPOCHS,
        rest=(
            _varied("neighbors", "Neighbours n", options=("3", "15")),
            _varied("ceiling", "Ceiling Z", options=("10.0", "100.0")),
            _varied("eps", "Least slope", options=("1e-06", "1.0")),
            _varied("fixed-growth", "Growth held at 0", options=("0.0",)),
            _varied("loss-lr", "Learning rate of centers and growth", values=(0.01, 0.5)),
            _varied("batch-size", "Batch size", values=(128, 512)),
        ),
    ),
}
"""The studies in the order of the page."""


def parts(study: Study, shelf: Shelf) -> Iterator[Part]:
    """The parts that can be told from the records so far."""
    if study.equal:
        yield Part(
            "equal-weight",
            "At equal weight, as in the paper",
            _rows(study.setting, study.equal),
            baseline=CENTER,
        )
        yield from _at_equal_strength(study, shelf)
    if study.tuned:
        yield from _at_best_weight(study, shelf)
    yield from study.rest


def _at_equal_strength(study: Study, shelf: Shelf) -> Iterator[Part]:
    for reading, loss in SIGMA.items():
        strength = measured(shelf, study.setting, loss, SEEDS)
        if strength is not None:
            ending = "" if reading == "distance-std" else f"-{reading}"
            yield Part(
                f"equal-strength{ending}",
                f"At equal strength, reading {reading}",
                _rows(study.setting, (strength.center, loss)),
                strength=strength,
            )


def _at_best_weight(study: Study, shelf: Shelf) -> Iterator[Part]:
    searches = tuple(searched(shelf, study.setting, candidate) for candidate in study.tuned)
    trials = [(search.setting, loss) for search in searches for loss in search.tried]
    seeds = searches[0].seeds
    yield Part("tuning", "The choice of weights", tuple(trials), seeds, searches=searches)
    chosen = [search.chosen for search in searches if search.chosen is not None]
    if len(chosen) == len(searches):
        yield Part(
            "best-weight",
            "Each loss at its own best weight",
            _rows(study.setting, (*chosen, *study.alone)),
        )
