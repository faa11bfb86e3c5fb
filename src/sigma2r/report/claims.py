"""What the paper asserts, sentence by sentence, and what our records say of it.

A claim that one loss is better than another in a figure is looked at three times: at equal weight, as in the paper; at
equal strength, where the center loss has 40 times the weight; and with each loss at its own best weight. All
differences of the page are paired by seed, and their intervals hold at once with 95 %.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from sigma2r.report.document import Grid
from sigma2r.report.paired import FEWEST, Difference, difference_of
from sigma2r.report.study import part_records
from sigma2r.report.tables import Column, Summary, loss_groups
from sigma2r.studies.catalog import STUDIES
from sigma2r.studies.geometry import READINGS, figure_1, figure_3
from sigma2r.studies.paper import cells
from sigma2r.studies.record import Record
from sigma2r.studies.study import Done, Scale

HOLDS, EQUAL_ONLY, NOT_SEEN = "holds", "holds at equal weight only", "not seen"
UNDECIDED, NOT_TESTABLE, NOT_RUN = "undecided", "not testable at this scale", "not run yet"
VERDICTS = (HOLDS, EQUAL_ONLY, NOT_SEEN, UNDECIDED, NOT_TESTABLE, NOT_RUN)

ACCURACY = Column("accuracy", ("test", "accuracy"), 4)
SPREAD = Column("I, test", ("test", "intra_mean"), 3)
TRAIN_SPREAD = Column("I, train", ("train", "intra_mean"), 3)
RATIO = Column("intra/inter", ("test", "intra_inter"), 3)
TRAIN_RATIO = Column("intra/inter, train", ("train", "intra_inter"), 3)
TAIL = Column("tail 99 %", ("test", "tail_99"), 3)
TRAIN_TAIL = Column("tail 99 %, train", ("train", "tail_99"), 3)

_STAND_INS = ("table-2", "table-3", "table-4")
HEADINGS = ("claim", "verdict", "ours", "published", "reason", "settings", "section")


class Findings:
    """Records of all studies by study, part and row.

    Args:
        done: Finished records.
        scales: The scale of each study that there are records of.
    """

    def __init__(self, done: Done, scales: Mapping[str, Scale]) -> None:
        self.scales = dict(scales)
        self.settings = {name: STUDIES[name].settings[scale] for name, scale in scales.items()}
        self._rows: dict[tuple[str, str], dict[str, list[Record]]] = {}
        for name, scale in scales.items():
            for part in STUDIES[name].parts(scale, done):
                self._rows[name, part.name] = loss_groups(part_records(part, done))

    def row(self, study: str, part: str, loss: str) -> list[Record]:
        """The records of a loss: spelled with its weight, or the only row of that name with whatever weight."""
        rows = self._rows.get((study, part), {})
        if loss in rows:
            return rows[loss]
        named = [
            records for records in rows.values() if records[0].run.loss == loss and not records[0].run.loss_options
        ]
        return named[0] if len(named) == 1 else []

    def rows(self, study: str, part: str) -> dict[str, list[Record]]:
        """All rows of a part."""
        return self._rows.get((study, part), {})


def _by_seed(new: list[Record], old: list[Record], column: Column) -> list[tuple[float, float]]:
    """The figure of both losses for each seed that both have."""
    values = [
        {(r.run.init_seed, r.run.data_seed): value for r in records if (value := column.value(r)) is not None}
        for records in (new, old)
    ]
    return [(values[0][seed], values[1][seed]) for seed in sorted(values[0].keys() & values[1].keys())]


@dataclass(frozen=True)
class Look:
    """A comparison: in a part of a study the figure of one loss is below (or above) that of another."""

    study: str
    part: str
    new: str
    old: str
    column: Column
    higher: bool

    def difference(self, findings: Findings, num_comparisons: int) -> Difference | None:
        """Paired by seed; None where fewer than two seeds have both."""
        new, old = (findings.row(self.study, self.part, loss) for loss in (self.new, self.old))
        values = [a - b for a, b in _by_seed(new, old, self.column)]
        if len(values) < 2:
            return None
        return difference_of(self.new, self.old, self.column, values, num_comparisons)

    def stands(self, found: Difference | None) -> str:
        """``agrees``, ``opposes``, ``undecided`` or ``missing``."""
        if found is None:
            return "missing"
        if found.verdict.startswith("undecided"):
            return "undecided"
        return "agrees" if (found.verdict == "higher") == self.higher else "opposes"


@dataclass(frozen=True)
class Judged:
    """What our records say of a claim."""

    settings: str
    ours: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class Claim:
    """An assertion of the paper.

    Args:
        says: What it asserts, in our words.
        section: Where.
        published: The figures it rests on.
        equal: Comparisons at equal weight, all of which it needs.
        fair: Comparisons at equal strength and at each loss's best weight, with figures that do not depend on scale.
        judge: What decides it otherwise.
        compared: Comparisons of two losses that this needs, with intervals among those that hold at once.
    """

    says: str
    section: str
    published: str
    equal: tuple[Look, ...] = ()
    fair: tuple[Look, ...] = ()
    judge: Callable[[Findings, int], Judged] | None = field(default=None, compare=False)
    compared: int = 0

    def judged(self, findings: Findings, num_comparisons: int) -> Judged:
        """The verdict, and what it rests on."""
        if self.judge is not None:
            return self.judge(findings, num_comparisons)
        equal = [(look, look.difference(findings, num_comparisons)) for look in self.equal]
        fair = [(look, look.difference(findings, num_comparisons)) for look in self.fair]
        studies = dict.fromkeys(look.study for look, found in equal + fair if found is not None)
        settings = " ".join(findings.settings[study] for study in studies) or "–"
        ours = "\n".join(_told(look, found) for look, found in equal + fair if found is not None) or "–"
        verdict, reason = _verdict(equal, fair)
        if any(study in _STAND_INS and findings.scales[study] == "desk" for study in studies):
            reason += " LeNet and a short training stand in for ResNet18 and hundreds of epochs (--scale paper)."
        return Judged(settings, ours, verdict, reason)


def _told(look: Look, found: Difference) -> str:
    cells = found.cells()
    return f"{look.part}: {look.new} less {look.old}, {found.figure}: {cells[4]} ({cells[5]}), n = {found.n}"


_Looked = list[tuple[Look, Difference | None]]


def _verdict(equal: _Looked, fair: _Looked) -> tuple[str, str]:
    stands = [look.stands(found) for look, found in equal]
    if "missing" in stands:
        return NOT_RUN, "Runs at equal weight are missing."
    if any(found is not None and found.n < FEWEST for _, found in equal):
        return UNDECIDED, f"Fewer than {FEWEST} seeds decide nothing."
    if all(each == "agrees" for each in stands):
        return _fair_verdict(fair)
    if all(each == "opposes" for each in stands):
        return NOT_SEEN, "The difference is there, the other way round."
    if "opposes" in stands:
        return NOT_SEEN, "In at least one of the comparisons the difference is the other way round."
    needed = [
        found.seeds_needed for (_, found), each in zip(equal, stands, strict=True) if each == "undecided" and found
    ]
    most = None if any(n is None for n in needed) else max(n for n in needed if n is not None)
    return UNDECIDED, f"An interval holds 0; seeds that would decide: {'more than 10,000' if most is None else most}."


_WORST_FIRST = ("opposes", "undecided", "missing", "agrees")


def _fair_verdict(fair: _Looked) -> tuple[str, str]:
    if not fair:
        return HOLDS, "Weights play no part."
    stands: dict[str, str] = {}
    for look, found in fair:
        stands[look.part] = min(look.stands(found), stands.get(look.part, "agrees"), key=_WORST_FIRST.index)
    known = {part: each for part, each in stands.items() if each != "missing"}
    if all(each == "agrees" for each in known.values()) and len(known) == len(stands):
        return HOLDS, f"At equal weight, and also fairly: {', '.join(known)}."
    against = [part for part, each in known.items() if each != "agrees"]
    if against:
        how = ", ".join(
            f"{part}: {'the other way round' if known[part] == 'opposes' else 'no difference found'}"
            for part in against
        )
        return EQUAL_ONLY, how + "."
    return EQUAL_ONLY, "The fair comparisons are not all run yet."


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
            judge=_on_both_networks,
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
            judge=_gates_as_drawn,
        ),
        Claim(
            "The loss is high when a sample is isolated and far from the center.",
            "3",
            "drawn",
            judge=_isolation,
        ),
        Claim(
            "K is used a lot: the network changes it continuously.",
            "3, Figure 5",
            "drawn",
            judge=_growth_moves,
        ),
        Claim(
            "Fuzzy-RGB holds images whose class is uncertain.",
            "3.1, Figure 3",
            "drawn",
            judge=_ambiguity,
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
            judge=_growth_falls,
        ),
        Claim(
            "Growth falls only at the end of training, so that a learned sigmoid serves at its start.",
            "5.3",
            "drawn",
            judge=_growth_falls_late,
        ),
        Claim(
            "n = 7 and Z = 40, chosen arbitrarily, will do.",
            "5.2",
            "none printed",
            judge=_sensitivity,
            compared=len(_ALTERNATIVES),
        ),
        Claim(
            "With Adam the learning rate of the network is 0.4.",
            "Tables 1 to 3",
            "91.503 % on CIFAR10",
            judge=_rate,
        ),
    )


def _told_mean(values: Sequence[float], digits: int) -> str:
    """The mean with half its t interval; of one seed the value alone."""
    summary = Summary.of(values)
    return "–" if summary is None else summary.text(digits)


def _on_both_networks(findings: Findings, _: int) -> Judged:
    told = []
    for study, part in (("table-1", "equal-weight"), ("table-2", "resnet18")):
        new, old = (findings.row(study, part, loss) for loss in ("sigma2r@0.01", "center@0.01"))
        if not new or not old:
            return Judged("–", "–", NOT_RUN, "Runs of ResNet18 or LeNet are missing.")
        spreads, accuracies = (_by_seed(new, old, column) for column in (SPREAD, ACCURACY))
        ratio = _told_mean([b / a for a, b in spreads], 1)
        lost = _told_mean([100 * (a - b) for a, b in accuracies], 1)
        told.append(
            f"{new[0].run.model}: {ratio} times compacter than center@0.01, accuracy {lost} points, n = {len(spreads)}"
        )
    return Judged(
        findings.settings["table-2"],
        "\n".join(told),
        NOT_TESTABLE,
        "One seed of ResNet18 on 10,000 images for eight epochs decides nothing; five at full length would.",
    )


def _gates_as_drawn(_: Findings, __: int) -> Judged:
    gates = {each.reading: each for each in figure_1().gates}
    told = "; ".join(
        f"{reading}: far above near {'yes' if g.far_above_near else 'no'}, isolated above accompanied "
        f"{'yes' if g.isolated_above_accompanied else 'no'}"
        for reading, g in gates.items()
    )
    return Judged(
        "Computed by the loss on a layout as drawn, n = 3.",
        told,
        HOLDS if all(g.far_above_near and g.isolated_above_accompanied for g in gates.values()) else NOT_SEEN,
        "It depends on the reading of sigma: under that of distances, the only one that trains as the tables show, the "
        "caption does not hold; under the other two it does.",
    )


def _isolation(_: Findings, __: int) -> Judged:
    layout = figure_1()
    told = "; ".join(f"{g.reading}: " + ", ".join(f"{e:.3f}" for e in g.excess_of_outlier) for g in layout.gates)
    grows = {g.reading: g.excess_of_outlier[-1] > 2 * g.excess_of_outlier[0] for g in layout.gates}
    return Judged(
        f"Excess of spread of an outlier at {', '.join(f'{d:g}' for d in layout.distances)} from a tight class.",
        told,
        HOLDS if all(grows[reading] for reading in READINGS) else NOT_SEEN,
        "The default reading is blind to isolation: its excess does not grow with the distance. Only the squared "
        "distance makes the loss high there.",
    )


def _growth(findings: Findings) -> Iterator[tuple[str, list[Record]]]:
    for dataset in ("fashion-mnist", "cifar10", "cifar100"):
        records = findings.row("figure-5", dataset, "sigma2r@0.01")
        if records:
            yield dataset, records


def _growth_moves(findings: Findings, _: int) -> Judged:
    told, moves = [], []
    for dataset, records in _growth(findings):
        shares = [_share_that_moves(record) for record in records]
        told.append(
            f"{dataset}: {_told_mean(shares, 0)} % of the steps from epoch to epoch exceed 0.001, n = {len(shares)}"
        )
        moves.append(min(shares) > 90)
    return _of_growth(findings, told, moves, "Growth of each class; in every seed more than 90 % of the steps.")


def _share_that_moves(record: Record) -> float:
    """Per cent of the steps of all classes from epoch to epoch that change growth."""
    steps = [
        abs(b - a)
        for before, after in zip(record.history, record.history[1:], strict=False)
        for a, b in zip(before["growth"], after["growth"], strict=True)
    ]
    return 100 * fmean(float(step > 1e-3) for step in steps)


def _of_growth(findings: Findings, told: list[str], each: list[bool], reason: str) -> Judged:
    """A verdict on growth: what is so in each of the data sets holds."""
    if not told:
        return Judged("–", "–", NOT_RUN, "Runs are missing.")
    fewest = min(len(records) for _, records in _growth(findings))
    if fewest < FEWEST:
        verdict, reason = UNDECIDED, f"Fewer than {FEWEST} seeds decide nothing."
    else:
        verdict = HOLDS if all(each) else NOT_SEEN
    return Judged(findings.settings["figure-5"], "\n".join(told), verdict, reason)


def _growth_falls(findings: Findings, _: int) -> Judged:
    told, fallen = [], []
    for dataset, records in _growth(findings):
        first = [fmean(record.history[0]["growth"]) for record in records]
        last = [fmean(record.history[-1]["growth"]) for record in records]
        told.append(
            f"{dataset}: {_told_mean(first, 2)} after epoch 1, {_told_mean(last, 2)} at the end, n = {len(records)}"
        )
        fallen.append(all(b < a for a, b in zip(first, last, strict=True)))
    return _of_growth(
        findings,
        told,
        fallen,
        "In every seed. Small growth is a flat gate: every sample then has nearly Z / 2, and sigma2R is a center loss "
        "of 40 times the weight.",
    )


def _growth_falls_late(findings: Findings, _: int) -> Judged:
    told, late = [], []
    for dataset, records in _growth(findings):
        shares = []
        for record in records:
            curve = [fmean(entry["growth"]) for entry in record.history]
            half = curve[0] + (curve[-1] - curve[0]) / 2
            shares.append(100 * next(i for i, value in enumerate(curve, 1) if value <= half) / len(curve))
        told.append(
            f"{dataset}: half of the fall is over after {_told_mean(shares, 0)} % of the epochs, n = {len(records)}"
        )
        late.append(fmean(shares) > 50)
    return _of_growth(findings, told, late, "See also growth held at 0, in the study of sensitivity.")


def _ambiguity(_: Findings, __: int) -> Judged:
    samples = figure_3()
    within = 100 * samples.within[0.02]
    return Judged(
        "All 9,000 training images.",
        f"The largest channel is that of the class in {100 * samples.largest_is_label:g} % of the images; in "
        f"{within:.2f} % it exceeds the next by no more than 2 % of full intensity.",
        NOT_SEEN,
        "By construction the largest channel always names the class. A few images are hard to tell, none is ambiguous.",
    )


_ALTERNATIVES = (
    ("neighbors", "sigma2r@0.01[neighbors=3]"),
    ("neighbors", "sigma2r@0.01[neighbors=15]"),
    ("ceiling", "sigma2r@0.01[ceiling=10.0]"),
    ("ceiling", "sigma2r@0.01[ceiling=100.0]"),
)
_AS_WELL = 0.005  # of accuracy: a gain that is no reason to choose otherwise


def _sensitivity(findings: Findings, num_comparisons: int) -> Judged:
    """Whether another value than the paper's is better, and by how much it might be."""
    looks = [_higher("sensitivity", part, loss, "sigma2r@0.01") for part, loss in _ALTERNATIVES]
    found = [(look, look.difference(findings, num_comparisons)) for look in looks]
    known = [(look, difference) for look, difference in found if difference is not None]
    if len(known) < len(found):
        return Judged("–", "–", NOT_RUN, "Runs are missing.")
    better = [look.new for look, difference in known if look.stands(difference) == "agrees"]
    if any(difference.n < FEWEST for _, difference in known):
        verdict, reason = UNDECIDED, f"Fewer than {FEWEST} seeds decide nothing."
    elif better:
        verdict, reason = NOT_SEEN, f"More accurate: {', '.join(better)}."
    elif all(difference.mean + difference.half_width <= _AS_WELL for _, difference in known):
        verdict, reason = HOLDS, "No other value gains half a point."
    else:
        verdict, reason = UNDECIDED, "No other value is found to be better; some intervals reach beyond half a point."
    told = "\n".join(_told(look, difference) for look, difference in known)
    return Judged(findings.settings["sensitivity"], told, verdict, reason)


def _rate(findings: Findings, _: int) -> Judged:
    rows = findings.rows("table-1", "other-rate")
    if not rows:
        return Judged("–", "–", NOT_RUN, "Runs are missing, or diverged: see the study of Table 1.")
    told = "\n".join(
        f"{loss}: accuracy {_told_mean([ACCURACY.value(r) or 0 for r in records], 4)}, n = {len(records)}"
        for loss, records in rows.items()
    )
    all_runs = [record for records in rows.values() for record in records]
    learned = sum((ACCURACY.value(record) or 0) > 0.8 for record in all_runs)
    few = min(len(records) for records in rows.values()) < FEWEST
    return Judged(
        "LeNet on FashionMNIST, learning rate 0.4 with Adam.",
        told,
        UNDECIDED if few else HOLDS if learned == len(all_runs) else NOT_SEEN,
        f"{learned} of {len(all_runs)} runs reached 0.8, which all reach with a rate of 0.001: Adam's first steps move "
        "every weight by 0.4. ResNet18, whose batch norms forget the size of weights, was not tried at this rate.",
    )


def claims_grid(findings: Findings, name: str = "claims") -> Grid:
    """Every claim with its verdict.

    Args:
        findings: Records of all studies.
        name: Of the grid.
    """
    all_claims = claims()
    count = sum(len(claim.equal) + len(claim.fair) + claim.compared for claim in all_claims)
    rows = []
    for claim in all_claims:
        judged = claim.judged(findings, count)
        rows.append(
            (claim.says, judged.verdict, judged.ours, claim.published, judged.reason, judged.settings, claim.section)
        )
    return Grid(
        name=name,
        title="Verdicts",
        caption=f"Differences are paired by seed; the intervals of all {count} comparisons hold at once with 95 % "
        f"(Student's t, Bonferroni). Fewer than {FEWEST} seeds decide nothing. Verdicts: {', '.join(VERDICTS)}.",
        headings=HEADINGS,
        rows=tuple(rows),
    )
