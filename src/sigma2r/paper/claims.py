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
    rate_of_adam,
    sensitivity,
)
from sigma2r.paper.published import cells
from sigma2r.report.tables import ACCURACY, RATIO, SPREAD, TAIL, TRAIN_RATIO, TRAIN_SPREAD, TRAIN_TAIL, Column
from sigma2r.report.verdicts import Claim, Look


def claims() -> tuple[Claim, ...]:
    """Every sentence of the abstract and of sections 1 to 6 that asserts a result, in the order of the paper."""
    average = {table: {c: cells(table, c)["avg"] for c in ("sigma2r", "center", "cross-entropy")} for table in (3, 4)}
    cifar10 = f"{average[3]['sigma2r']} against {average[3]['center']} %"
    return (
        Claim(
            "The majority of samples rules the error of the center loss, so that its spread freezes: stragglers stay "
            "far from the center, which sigma2R pulls in.",
            "abstract, 1, 3.1, 6",
            "Figure 4, without figures",
            (_lower("table-1", "equal-weight", "sigma2r@0.01", "center@0.01", TAIL),),
            _against_center("table-1", TAIL, higher=False),
        ),
        _spread_claim(
            "table-1",
            "abstract, 5.3",
            "sigma2R reduces the spread within classes below that of the center loss (FashionMNIST, train and test).",
            f"gain {_range(1, 'gain', 'train')} % (train), {_range(1, 'gain', 'test')} % (test)",
        ),
        Claim(
            "sigma2R surpasses the results of the center loss (accuracy, CIFAR10).",
            "abstract, 5.2",
            cifar10,
            (_higher("table-3", "equal-weight", "sigma2r@0.01", "center@0.01"),),
            _against_center("table-3", ACCURACY, higher=True),
        ),
        Claim(
            "sigma2R surpasses the results of the soft nearest neighbour loss (accuracy, CIFAR10).",
            "abstract, 5.2",
            f"{average[3]['sigma2r']} against {cells(3, 'soft-nearest-neighbor')['avg']} %",
            (_higher("table-3", "equal-weight", "sigma2r@0.01", "soft-nearest-neighbor@0.01"),),
            (_higher("table-3", "matched", "sigma2r", "soft-nearest-neighbor"),),
        ),
        Claim(
            "Minimizing the spread improves generalization: sigma2R has a higher test accuracy than cross-entropy "
            "(FashionMNIST).",
            "1, 5.2",
            "none printed",
            (_higher("fashion-mnist-accuracy", "accuracy", "sigma2r@0.01", "cross-entropy"),),
        ),
        Claim(
            "It is effective on different networks (LeNet and ResNet18).",
            "1",
            "Tables 1 to 4",
            judge=on_both_networks,
        ),
        Claim(
            "Cross-entropy alone does not reduce the spread within classes; the center loss does.",
            "2, 2.1",
            "none printed",
            (
                _lower("table-1", "equal-weight", "center@0.01", "cross-entropy", SPREAD),
                _lower("table-1", "equal-weight", "center@0.01", "cross-entropy", RATIO),
            ),
        ),
        Claim(
            "The center loss joined with cross-entropy is more accurate than cross-entropy alone (FashionMNIST).",
            "2.1",
            "none printed for these data",
            (_higher("fashion-mnist-accuracy", "accuracy", "center@0.01", "cross-entropy"),),
        ),
        Claim(
            "The soft nearest neighbour loss brings features of a class closer together and moves others away "
            "(intra/inter, FashionMNIST).",
            "2.2",
            "none printed",
            (_lower("fashion-mnist-accuracy", "accuracy", "soft-nearest-neighbor@0.01", "cross-entropy", RATIO),),
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
            "center loss (training images).",
            "3.1, 5.3, Figure 4",
            "drawn",
            (
                _lower("figure-4", "lenet", "sigma2r@0.01", "center@0.01", TRAIN_SPREAD),
                _lower("figure-4", "lenet", "sigma2r@0.01", "center@0.01", TRAIN_RATIO),
            ),
            (_lower("figure-4", "lenet", "sigma2r@0.01", "center@0.4", TRAIN_RATIO),),
        ),
        Claim(
            "Under the center loss many images of Fuzzy-RGB are left far from their center; under sigma2R they are "
            "not.",
            "3.1, Figure 4",
            "drawn",
            (_lower("figure-4", "lenet", "sigma2r@0.01", "center@0.01", TRAIN_TAIL),),
            (_lower("figure-4", "lenet", "sigma2r@0.01", "center@0.4", TRAIN_TAIL),),
        ),
        Claim(
            "sigma2R is more accurate than cross-entropy on CIFAR10.",
            "5.2, Table 3",
            f"{average[3]['sigma2r']} against {average[3]['cross-entropy']} %",
            (_higher("table-3", "equal-weight", "sigma2r@0.01", "cross-entropy"),),
            (_higher("table-3", "matched", "sigma2r", "cross-entropy"),),
        ),
        Claim(
            "sigma2R is more accurate than cross-entropy on CIFAR100.",
            "5.2, Table 4",
            f"{average[4]['sigma2r']} against {average[4]['cross-entropy']} %",
            (_higher("table-4", "equal-weight", "sigma2r@0.01", "cross-entropy"),),
            (_higher("table-4", "matched", "sigma2r", "cross-entropy"),),
        ),
        Claim(
            "sigma2R is more accurate than the center loss on CIFAR100.",
            "5.2, Table 4",
            f"{average[4]['sigma2r']} against {average[4]['center']} %",
            (_higher("table-4", "equal-weight", "sigma2r@0.01", "center@0.01"),),
            _against_center("table-4", ACCURACY, higher=True),
        ),
        Claim(
            "On FashionMNIST sigma2R is better than the center loss, cross-entropy and the soft nearest neighbour loss "
            "(accuracy).",
            "5.2",
            "none printed",
            tuple(
                _higher("fashion-mnist-accuracy", "accuracy", "sigma2r@0.01", old)
                for old in ("center@0.01", "cross-entropy", "soft-nearest-neighbor@0.01")
            ),
            _against_center("table-1", ACCURACY, higher=True),
        ),
        _spread_claim(
            "table-2",
            "5.3, Table 2",
            "sigma2R reduces the spread within classes below that of the center loss (CIFAR10).",
            f"gain {_range(2, 'gain')} %",
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
            "n = 7 and Z = 40, chosen arbitrarily, will do.",
            "5.2",
            "none printed",
            judge=sensitivity,
            compared=len(ALTERNATIVES),
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


def _higher(study: str, part: str, new: str, old: str, column: Column = ACCURACY) -> Look:
    return Look(study, part, new, old, column, higher=True)


def _spread_claim(study: str, section: str, says: str, published: str) -> Claim:
    """sigma2R is compacter than the center loss, on training and on test images."""
    equal = (_lower(study, "equal-weight", "sigma2r@0.01", "center@0.01", c) for c in (TRAIN_SPREAD, SPREAD))
    return Claim(says, section, published, tuple(equal), _against_center(study, RATIO, higher=False))


def _against_center(study: str, column: Column, *, higher: bool) -> tuple[Look, ...]:
    return (
        Look(study, "equal-strength", "sigma2r@0.01", "center@0.4", column, higher),
        Look(study, "matched", "sigma2r", "center", column, higher),
    )


def _range(table: int, column: str, row: str = "") -> str:
    values = [value for name, value in cells(table, column).items() if name.startswith(row)]
    return f"{min(values)} to {max(values)}"
