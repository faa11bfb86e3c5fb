"""The paper's studies: what they train at each scale."""

import dataclasses

import pytest

from sigma2r.data import Augmentation
from sigma2r.paper.settings import setting, small_resnet18
from sigma2r.paper.strength import AT_EQUAL_WEIGHT, SIGMA2R, equal_weight
from sigma2r.paper.studies import STUDIES
from sigma2r.studies.run import Run
from tests.report.conftest import make_record


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("scale", ["desk", "paper"])
def test_every_study_knows_its_runs_and_its_settings(name, scale):
    study = STUDIES[name]
    runs = study.runs(scale, {})
    assert len({run.run_id for run in runs}) == len(runs) > 0
    assert study.settings[scale]
    assert study.title
    names = [part.name for part in study.parts(scale, {})]
    assert len(set(names)) == len(names)
    if scale == "paper" and name.startswith("table"):
        (base, *_) = runs
        assert (base.epochs, base.lr, base.loss_lr, base.optimizer) == (
            500 if name == "table-4" else 300,
            0.4,
            0.1,
            "adam",
        )
        assert base.batch_size == (1000 if name == "table-4" else 256)
        assert max(run.init_seed for run in runs) == 9


def gated(run, mean):
    """A finished record whose last epoch's gates have this mean."""
    made = make_record(run.loss)
    gate = {"mean": mean, "low": 1.0, "high": 39.0, "slope": 1.0}
    return dataclasses.replace(made, run=run, history=(*made.history[:-1], {**made.history[-1], "gate": gate}))


def parts_where(gates, seeds=(0, 1)):
    """The parts at equal weight and strength, given the mean gate of each seed by reading."""
    base, done = Run(loss="cross-entropy"), {}
    for reading, means in gates.items():
        for seed, mean in zip(seeds, means, strict=False):
            run = dataclasses.replace(base, loss=SIGMA2R[reading], init_seed=seed)
            done[run.run_id] = gated(run, mean)
    return list(equal_weight(base, AT_EQUAL_WEIGHT, seeds, done, "Both."))


def test_strength_is_measured_twice_the_mean_gate_of_the_last_epoch_over_seeds():
    first, strength, std = parts_where({"distance-std": (20.0, 21.0), "std": (10.0, 11.0)})
    assert (strength.name, std.name) == ("equal-strength", "equal-strength-std")
    assert [run.loss_name for run in strength.runs] == ["center@0.41"] * 2 + ["sigma2r@0.01"] * 2
    assert [run.loss_name for run in std.runs] == ["center@0.21"] * 2 + ["sigma2r@0.01[spread=std]"] * 2
    assert "gates of the last epoch are 20.50 in the mean of 2 seeds" in strength.text
    assert "41 times its weight" in strength.text
    assert {run.loss for run in first.followed_by} == {"center"}
    assert len(first.followed_by) == 2  # of rms, whose runs are missing


def test_a_strength_is_not_told_before_all_seeds_are_there():
    assert [part.name for part in parts_where({"distance-std": (20.0,)})] == ["equal-weight"]
    assert len(parts_where({})[0].followed_by) == 3 * 2


def test_records_without_gates_give_no_strength():
    base = Run(loss="cross-entropy")
    runs = [dataclasses.replace(base, loss=SIGMA2R["rms"], init_seed=seed) for seed in (0, 1)]
    done = {run.run_id: dataclasses.replace(make_record("sigma2r"), run=run) for run in runs}
    assert [part.name for part in equal_weight(base, AT_EQUAL_WEIGHT, (0, 1), done, "Both.")] == ["equal-weight"]


@pytest.mark.parametrize(("scale", "rate", "other"), [("desk", 0.001, 0.4), ("paper", 0.4, 0.001)])
def test_table_1_is_also_run_at_the_other_of_the_two_rates_that_the_paper_names(scale, rate, other):
    parts = {part.name: part for part in STUDIES["table-1"].parts(scale, {})}
    assert {run.lr for run in parts["equal-weight"].runs} == {rate}
    assert {run.lr for run in parts["other-rate"].runs} == {other}
    assert {run.loss_name for run in parts["other-rate"].runs} == {"cross-entropy", "center@0.01", "sigma2r@0.01"}
    assert {run.init_seed for run in parts["other-rate"].runs} == set(range(10))
    assert parts["other-rate"].title == f"With the learning rate {other}"


# Losses of the parts at the scale of a desk, before weights are chosen.
READINGS = {
    "center@0.01", "sigma2r@0.01", "sigma2r@0.01[spread=std]", "sigma2r@0.01[spread=rms]", "center@0.01[reduction=sum]",
}  # fmt: skip
SOFT, RAISED = "soft-nearest-neighbor@0.01", (
    "soft-nearest-neighbor@-0.01[learn_temperature=True,temperature=100.0,layers=body.2+body.5+body.8]"
)  # fmt: skip
LOSSES = {
    ("table-1", "equal-weight"): {*READINGS, "cross-entropy"},
    ("table-2", "equal-weight"): READINGS,
    ("table-2", "resnet18"): {"center@0.01", "sigma2r@0.01", "sigma2r@0.001"},
    ("table-2", "lenet"): {"center@0.01", "sigma2r@0.01"},
    ("table-3", "equal-weight"): {*READINGS, "cross-entropy", SOFT, RAISED},
    ("table-3", "resnet18"): {"cross-entropy", "center@0.01", "sigma2r@0.01", SOFT, "sigma2r@0.001"},
    ("table-4", "equal-weight"): {*READINGS, "cross-entropy"},
    ("table-4", "resnet18"): {"cross-entropy", "center@0.01", "sigma2r@0.01", "sigma2r@0.001"},
    ("fashion-mnist-accuracy", "equal-weight"): {*READINGS, "cross-entropy", SOFT},
    ("figure-4", "equal-weight"): {*READINGS, "cross-entropy"},
    ("figure-4", "resnet18"): {"cross-entropy", "center@0.01", "sigma2r@0.01"},
    ("figure-5", "cifar100"): {"sigma2r@0.01", "sigma2r@0.01[spread=std]", "sigma2r@0.01[spread=rms]"},
    ("sensitivity", "neighbors"): {"sigma2r@0.01", "sigma2r@0.01[neighbors=3]", "sigma2r@0.01[neighbors=15]"},
    ("sensitivity", "ceiling"): {"sigma2r@0.01", "sigma2r@0.01[ceiling=10.0]", "sigma2r@0.01[ceiling=100.0]"},
    ("sensitivity", "eps"): {"sigma2r@0.01", "sigma2r@0.01[eps=1e-06]", "sigma2r@0.01[eps=1.0]"},
    ("sensitivity", "fixed-growth"): {"sigma2r@0.01", "sigma2r@0.01[fixed_growth=0.0]"},
}
TUNED = {"center", "sigma2r", "sigma2r[spread=std]", "sigma2r[spread=rms]"}
TRIED = {
    "table-1": {*TUNED, "soft-nearest-neighbor", "label-smoothing", "arcface", "supcon"},
    "fashion-mnist-accuracy": {*TUNED, "soft-nearest-neighbor"},
    "table-2": TUNED,
    "table-3": {*TUNED, "soft-nearest-neighbor"},
    "table-4": TUNED,
}
DATASETS = {
    "table-1": "fashion-mnist", "table-2": "cifar10", "table-3": "cifar10", "table-4": "cifar100",
    "fashion-mnist-accuracy": "fashion-mnist", "figure-4": "fuzzy-rgb", "sensitivity": "fashion-mnist",
}  # fmt: skip


@pytest.mark.parametrize(("study", "part"), LOSSES)
def test_each_part_trains_the_losses_that_it_is_about(study, part):
    (found,) = (each for each in STUDIES[study].parts("desk", {}) if each.name == part)
    assert {run.loss_name for run in found.runs} == LOSSES[study, part]
    assert {run.model for run in found.runs} == {"resnet18" if part == "resnet18" else "lenet"}


@pytest.mark.parametrize("study", TRIED)
def test_weights_are_tried_for_the_losses_of_the_table_by_runs_of_full_length(study):
    parts = {part.name: part for part in STUDIES[study].parts("desk", {})}
    tuning = parts["tuning"]
    assert {run.loss + (f"[spread={run.loss_options['spread']}]" if "spread" in run.loss_options else "")
            for run in tuning.runs} == TRIED[study]  # fmt: skip
    assert {run.epochs for run in tuning.runs} == {run.epochs for run in parts["equal-weight"].runs}
    (raised,) = {run.layers for run in tuning.runs if run.loss_weight < 0} or {()}
    assert raised == (("body.2", "body.5", "body.8") if study == "table-3" else ())


@pytest.mark.parametrize("study", ["table-1", "table-2", "table-3", "table-4", "fashion-mnist-accuracy", "figure-4"])
@pytest.mark.parametrize("scale", ["desk", "paper"])
def test_verdicts_rest_on_ten_seeds(study, scale):
    part = next(iter(STUDIES[study].parts(scale, {})))
    assert part.name == "equal-weight"
    for loss in {run.loss_name for run in part.runs}:
        assert [run.init_seed for run in part.runs if run.loss_name == loss] == list(range(10))


@pytest.mark.parametrize(("study", "dataset"), DATASETS.items())
@pytest.mark.parametrize("scale", ["desk", "paper"])
def test_each_study_is_of_its_data_and_has_its_seeds(study, dataset, scale):
    runs = STUDIES[study].runs(scale, {})
    assert {run.dataset for run in runs} == {dataset}
    assert max(run.init_seed for run in runs) == 9


def test_figure_5_is_of_three_data_sets_and_sensitivity_changes_one_setting_at_a_time():
    parts = list(STUDIES["figure-5"].parts("desk", {}))
    assert [part.name for part in parts] == ["fashion-mnist", "cifar10", "cifar100"]
    assert [{run.dataset for run in part.runs} for part in parts] == [{part.name} for part in parts]
    changed = {part.name: part.runs for part in STUDIES["sensitivity"].parts("desk", {})}
    assert {run.loss_lr for run in changed["loss-lr"]} == {0.1, 0.01, 0.5}
    assert {run.batch_size for run in changed["batch-size"]} == {256, 128, 512}
    assert {run.lr for run in STUDIES["sensitivity"].runs("paper", {})} == {0.001}
    assert {run.lr for run in STUDIES["fashion-mnist-accuracy"].runs("paper", {})} == {0.001}
    assert {run.feature_dim for run in STUDIES["figure-4"].runs("paper", {})} == {2}
    assert {run.epochs for run in STUDIES["figure-4"].runs("desk", {})} == {10, 6}


def test_the_papers_settings_are_those_of_section_5():
    for dataset, crop in (("fashion-mnist", 2), ("cifar10", 4), ("cifar100", 4)):
        base = setting(dataset, "paper").base
        flips = {"horizontal_flip": 0.5, "vertical_flip": 0.5}
        assert base.augmentation == Augmentation(crop=crop, rotation=10.0, **flips)
        assert base.model == ("lenet" if dataset == "fashion-mnist" else "resnet18")
        desk = setting(dataset, "desk")
        assert desk.base.augmentation is not None
        assert (desk.base.model, desk.base.lr, desk.base.augmentation.vertical_flip) == ("lenet", 0.001, 0.0)
        assert list(desk.seeds) == list(range(10))
    small = {dataset: small_resnet18(dataset) for dataset in ("cifar10", "cifar100")}
    assert {name: run.images_per_class for name, run in small.items()} == {"cifar10": 1000, "cifar100": 100}
    assert {(run.model, run.epochs, run.feature_dim) for run in small.values()} == {("resnet18", 8, 512)}
