"""What the paper asserts, sentence by sentence; our records say what is to be thought of it."""

from sigma2r.paper.judges import (
    ALTERNATIVES,
    ambiguity,
    gates_as_drawn,
    growth_falls,
    growth_falls_late,
    growth_moves,
    isolation,
    on_both_networks,
    on_fuzzy_rgb_with_resnet18,
    rate_of_adam,
    sensitivity,
    stragglers_freeze,
)
from sigma2r.paper.published import cells
from sigma2r.paper.strength import READINGS, SIGMA2R
from sigma2r.report.tables import ACCURACY, RATIO, SPREAD, TAIL, TRAIN_RATIO, TRAIN_SPREAD, TRAIN_TAIL, Column
from sigma2r.report.verdicts import Case, Claim, Look

SUM = "center@0.01[reduction=sum]"
PRINTED_SUM = "distance-std, Eq. 1 as the printed sum"
_SOFT = "soft-nearest-neighbor@0.01"
_DATA = {"table-1": "FashionMNIST", "table-3": "CIFAR10", "table-4": "CIFAR100"}


def claims() -> tuple[Claim, ...]:
    """Every sentence of the abstract and of sections 1 to 6 that asserts a result, in the order of the paper."""
    average = {table: {c: cells(table, c)["avg"] for c in ("sigma2r", "center", "cross-entropy")} for table in (3, 4)}
    cifar10 = f"{average[3]['sigma2r']} against {average[3]['center']} %"
    return (
        Claim(
            "The majority of samples rules the error of the center loss, so that stragglers stay far from the center, "
            "which sigma2R pulls in (FashionMNIST, at the end of training).",
            "abstract, 1, 3.1, 6",
            "Figure 4, without figures",
            _against_center("table-1", (TAIL,), TAIL, higher=False),
        ),
        Claim(
            "Under the center loss the spread freezes during training; under sigma2R it does not (Fuzzy-RGB).",
            "1, 3.1, 6",
            "Figure 4, without figures",
            judge=stragglers_freeze,
        ),
        Claim(
            "sigma2R reduces the spread within classes below that of the center loss (FashionMNIST, train and test).",
            "abstract, 5.3",
            f"gain {_range(1, 'gain', 'train')} % (train), {_range(1, 'gain', 'test')} % (test)",
            _against_center("table-1", (TRAIN_SPREAD, SPREAD), RATIO, higher=False),
        ),
        Claim(
            "sigma2R surpasses the results of the center loss (accuracy, CIFAR10).",
            "abstract, 5.2",
            cifar10,
            _against_center("table-3", (ACCURACY,), ACCURACY, higher=True),
        ),
        Claim(
            "sigma2R surpasses the results of the soft nearest neighbour loss (accuracy, CIFAR10).",
            "abstract, 5.2",
            f"{average[3]['sigma2r']} against {cells(3, 'soft-nearest-neighbor')['avg']} %",
            _more_accurate("table-3", "soft-nearest-neighbor"),
        ),
        Claim(
            "Minimizing the spread improves generalization: sigma2R has a higher test accuracy than cross-entropy "
            "(FashionMNIST).",
            "1, 5.2",
            "none printed",
            _more_accurate("fashion-mnist-accuracy", "cross-entropy"),
        ),
        Claim(
            "It is effective on different networks (LeNet and ResNet18).",
            "1",
            "Tables 1 to 4",
            judge=on_both_networks,
        ),
        *(_center_is_compact(study) for study in _DATA),
        Claim(
            "The center loss joined with cross-entropy is more accurate than cross-entropy alone (FashionMNIST).",
            "2.1",
            "none printed for these data",
            {
                "": Case(
                    (_higher("fashion-mnist-accuracy", "equal-weight", "center@0.01", "cross-entropy"),),
                    best=(_higher("fashion-mnist-accuracy", "best-weight", "center", "cross-entropy"),),
                )
            },
        ),
        Claim(
            "The soft nearest neighbour loss brings features of a class closer together and moves others away "
            "(intra/inter, FashionMNIST).",
            "2.2",
            "none printed",
            {
                "": Case(
                    (_lower("fashion-mnist-accuracy", "equal-weight", _SOFT, "cross-entropy", RATIO),),
                    best=(
                        _lower(
                            "fashion-mnist-accuracy", "best-weight", "soft-nearest-neighbor", "cross-entropy", RATIO
                        ),
                    ),
                )
            },
        ),
        Claim(
            "Gates of samples far from the center are larger than those of samples near it, and the gate of an "
            "isolated sample larger than that of one in company.",
            "3, Figure 1",
            "drawn",
            judge=gates_as_drawn,
        ),
        Claim(
            "The loss is high when a sample is isolated and far from the center.",
            "3",
            "drawn",
            judge=isolation,
        ),
        Claim(
            "K is used a lot: the network changes it continuously.",
            "3, Figure 5",
            "drawn",
            judge=growth_moves,
        ),
        Claim(
            "Fuzzy-RGB holds images whose class is uncertain.",
            "3.1, Figure 3",
            "drawn",
            judge=ambiguity,
        ),
        Claim(
            "On Fuzzy-RGB sigma2R widens the margin between the classes and reduces their spread, compared with the "
            "center loss (training images, LeNet as the caption has it).",
            "3.1, 5.3, Figure 4",
            "drawn",
            _against_center("figure-4", (TRAIN_SPREAD, TRAIN_RATIO), TRAIN_RATIO, higher=False, tuned=False),
        ),
        Claim(
            "Under the center loss many images of Fuzzy-RGB are left far from their center; under sigma2R they are "
            "not (LeNet as the caption has it).",
            "3.1, Figure 4",
            "drawn",
            _against_center("figure-4", (TRAIN_TAIL,), TRAIN_TAIL, higher=False, tuned=False),
        ),
        Claim(
            "The same of Fuzzy-RGB with ResNet18, the network that the text names.",
            "3.1",
            "drawn",
            judge=on_fuzzy_rgb_with_resnet18,
        ),
        Claim(
            "sigma2R is more accurate than cross-entropy on CIFAR10.",
            "5.2, Table 3",
            f"{average[3]['sigma2r']} against {average[3]['cross-entropy']} %",
            _more_accurate("table-3", "cross-entropy"),
        ),
        Claim(
            "sigma2R is more accurate than cross-entropy on CIFAR100.",
            "5.2, Table 4",
            f"{average[4]['sigma2r']} against {average[4]['cross-entropy']} %",
            _more_accurate("table-4", "cross-entropy"),
        ),
        Claim(
            "sigma2R is more accurate than the center loss on CIFAR100.",
            "5.2, Table 4",
            f"{average[4]['sigma2r']} against {average[4]['center']} %",
            _against_center("table-4", (ACCURACY,), ACCURACY, higher=True),
        ),
        Claim(
            "On FashionMNIST sigma2R is better than the center loss, cross-entropy and the soft nearest neighbour loss "
            "(accuracy).",
            "5.2",
            "none printed",
            _better_than_all("fashion-mnist-accuracy"),
        ),
        Claim(
            "sigma2R reduces the spread within classes below that of the center loss (CIFAR10).",
            "5.3, Table 2",
            f"gain {_range(2, 'gain')} %",
            _against_center("table-2", (TRAIN_SPREAD, SPREAD), RATIO, higher=False),
        ),
        Claim(
            "Growth falls during training, to values that depend on the data.",
            "5.3, Figure 5",
            "drawn",
            judge=growth_falls,
        ),
        Claim(
            "Growth falls only at the end of training, so that a learned sigmoid serves at its start.",
            "5.3",
            "drawn",
            judge=growth_falls_late,
        ),
        Claim(
            "n = 7 and Z = 40, chosen arbitrarily, will do (accuracy, FashionMNIST, five epochs).",
            "5.2",
            "none printed",
            judge=sensitivity,
            looks=ALTERNATIVES,
        ),
        Claim(
            "With Adam the learning rate of the network is 0.4.",
            "Tables 1 to 3",
            "91.503 % on CIFAR10",
            judge=rate_of_adam,
        ),
    )


def _lower(study: str, part: str, new: str, old: str, column: Column) -> Look:
    return Look(study, part, new, old, column, higher=False)


def _higher(study: str, part: str, new: str, old: str) -> Look:
    return Look(study, part, new, old, ACCURACY, higher=True)


def _center_is_compact(study: str) -> Claim:
    looks = (_lower(study, "equal-weight", "center@0.01", "cross-entropy", column) for column in (SPREAD, RATIO))
    return Claim(
        f"Cross-entropy alone does not reduce the spread within classes; the center loss does ({_DATA[study]}).",
        "2, 2.1",
        "none printed",
        {"": Case(tuple(looks))},
    )


def _tuned(reading: str) -> str:
    return SIGMA2R[reading].replace("@0.01", "")


def _against_center(
    study: str, equal: tuple[Column, ...], fair: Column, *, higher: bool, tuned: bool = True
) -> dict[str, Case]:
    """sigma2R is better than the center loss: in each reading of sigma, and of Eq. 1.

    The printed sum of Eq. 1 is another weight of the same loss, so that its fair comparisons are those of the mean.
    """

    def case(reading: str, center: str) -> Case:
        new = SIGMA2R[reading]
        strong = Look(study, f"equal-strength{READINGS[reading]}", new, "center", fair, higher)
        best = Look(study, "best-weight", _tuned(reading), "center", fair, higher)
        at_equal = tuple(Look(study, "equal-weight", new, center, column, higher) for column in equal)
        return Case(at_equal, (strong,), (best,) if tuned else ())

    cases = {reading: case(reading, "center@0.01") for reading in READINGS}
    return {**cases, PRINTED_SUM: case("distance-std", SUM)}


def _more_accurate(study: str, old: str) -> dict[str, Case]:
    """sigma2R is more accurate than a loss without an equal strength: in each reading, at equal and best weights."""
    at_equal = old if old == "cross-entropy" else f"{old}@0.01"
    return {
        reading: Case(
            (_higher(study, "equal-weight", SIGMA2R[reading], at_equal),),
            best=(_higher(study, "best-weight", _tuned(reading), old),),
        )
        for reading in READINGS
    }


def _better_than_all(study: str) -> dict[str, Case]:
    """sigma2R is more accurate than three losses at once."""
    center = _against_center(study, (ACCURACY,), ACCURACY, higher=True)
    others = [_more_accurate(study, old) for old in ("cross-entropy", "soft-nearest-neighbor")]
    return {
        reading: Case(
            case.equal + tuple(look for other in others for look in other[name].equal),
            case.strength,
            case.best + tuple(look for other in others for look in other[name].best),
        )
        for reading, case in center.items()
        for name in [reading if reading in READINGS else "distance-std"]
    }


def _range(table: int, column: str, row: str = "") -> str:
    values = [value for name, value in cells(table, column).items() if name.startswith(row)]
    return f"{min(values)} to {max(values)}"
