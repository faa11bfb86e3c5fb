"""The paper's studies: what they train at each scale."""

import pytest

from sigma2r.data import Augmentation
from sigma2r.paper.settings import setting, small_resnet18
from sigma2r.paper.strength import equal_strength
from sigma2r.paper.studies import STUDIES
from sigma2r.studies.run import Run
from sigma2r.studies.tuning import GRID


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


def test_the_grid_reaches_a_center_loss_40_times_as_strong_as_the_papers():
    assert 0.01 in GRID
    assert max(GRID) / 0.01 == pytest.approx(40)
    (*center,) = {run.loss_weight for run in equal_strength(Run(loss="center"), 1).runs if run.loss == "center"}
    assert center == [pytest.approx(0.4)]
    for seeds in (1, 3):
        runs = equal_strength(Run(loss="cross-entropy"), seeds).runs
        names = ["center@0.4"] * seeds + ["sigma2r@0.01"] * seeds
        assert [run.loss_name for run in runs] == names


@pytest.mark.parametrize(("scale", "rate", "other"), [("desk", 0.001, 0.4), ("paper", 0.4, 0.001)])
def test_table_1_is_also_run_at_the_other_of_the_two_rates_that_the_paper_names(scale, rate, other):
    parts = {part.name: part for part in STUDIES["table-1"].parts(scale, {})}
    assert {run.lr for run in parts["equal-weight"].runs} == {rate}
    assert {run.lr for run in parts["other-rate"].runs} == {other}
    assert {run.loss_name for run in parts["other-rate"].runs} == {"cross-entropy", "center@0.01", "sigma2r@0.01"}
    assert {run.init_seed for run in parts["other-rate"].runs} == set(range(5))
    assert parts["other-rate"].title == f"With the learning rate {other}"


# Losses of the parts at the scale of a desk, before weights are chosen.
LOSSES = {
    ("table-1", "equal-weight"): {
        "center@0.01", "sigma2r@0.01", "sigma2r@0.01[spread=std]", "sigma2r@0.01[spread=rms]",
        "center@0.01[reduction=sum]", "cross-entropy",
    },
    ("table-2", "equal-weight"): {"center@0.01", "sigma2r@0.01"},
    ("table-2", "resnet18"): {"center@0.01", "sigma2r@0.01", "sigma2r@0.001"},
    ("table-3", "equal-weight"): {
        "cross-entropy", "center@0.01", "sigma2r@0.01", "soft-nearest-neighbor@0.01",
        "soft-nearest-neighbor@-0.01[learn_temperature=True,temperature=100.0,layers=body.2+body.5+body.8]",
    },
    ("table-3", "resnet18"): {
        "cross-entropy", "center@0.01", "sigma2r@0.01", "soft-nearest-neighbor@0.01", "sigma2r@0.001",
    },
    ("table-4", "equal-weight"): {"cross-entropy", "center@0.01", "sigma2r@0.01"},
    ("table-4", "resnet18"): {"cross-entropy", "center@0.01", "sigma2r@0.01", "sigma2r@0.001"},
    ("fashion-mnist-accuracy", "accuracy"): {
        "cross-entropy", "center@0.01", "soft-nearest-neighbor@0.01", "sigma2r@0.01",
    },
    ("figure-4", "lenet"): {"cross-entropy", "center@0.01", "sigma2r@0.01", "center@0.4"},
    ("figure-4", "resnet18"): {"cross-entropy", "center@0.01", "sigma2r@0.01"},
    ("figure-5", "cifar100"): {"sigma2r@0.01"},
    ("sensitivity", "neighbors"): {"sigma2r@0.01", "sigma2r@0.01[neighbors=3]", "sigma2r@0.01[neighbors=15]"},
    ("sensitivity", "ceiling"): {"sigma2r@0.01", "sigma2r@0.01[ceiling=10.0]", "sigma2r@0.01[ceiling=100.0]"},
    ("sensitivity", "eps"): {"sigma2r@0.01", "sigma2r@0.01[eps=1e-06]", "sigma2r@0.01[eps=1.0]"},
    ("sensitivity", "fixed-growth"): {"sigma2r@0.01", "sigma2r@0.01[fixed_growth=0.0]"},
}  # fmt: skip
TRIED = {
    "table-1": {"center", "sigma2r", "soft-nearest-neighbor", "label-smoothing", "arcface", "supcon"},
    "table-2": {"center", "sigma2r"},
    "table-3": {"center", "sigma2r", "soft-nearest-neighbor"},
    "table-4": {"center", "sigma2r"},
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
def test_weights_are_tried_for_the_losses_of_the_table_by_shorter_runs(study):
    (tuning,) = (part for part in STUDIES[study].parts("desk", {}) if part.name == "tuning")
    epochs = {"table-1": 5, "table-2": 10, "table-3": 10, "table-4": 15}[study]
    assert {run.loss for run in tuning.runs} == TRIED[study]
    assert {run.epochs for run in tuning.runs} == {epochs}
    (raised,) = {run.layers for run in tuning.runs if run.loss_weight < 0} or {()}
    assert raised == (("body.2", "body.5", "body.8") if study == "table-3" else ())


@pytest.mark.parametrize(("study", "dataset"), DATASETS.items())
@pytest.mark.parametrize("scale", ["desk", "paper"])
def test_each_study_is_of_its_data_and_has_its_seeds(study, dataset, scale):
    runs = STUDIES[study].runs(scale, {})
    assert {run.dataset for run in runs} == {dataset}
    assert max(run.init_seed for run in runs) == (4 if scale == "desk" else 9)


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
        assert setting(dataset, "paper").trial_epochs == base.epochs
        desk = setting(dataset, "desk")
        assert desk.base.augmentation is not None
        assert (desk.base.model, desk.base.lr, desk.base.augmentation.vertical_flip) == ("lenet", 0.001, 0.0)
        assert list(desk.seeds) == list(range(5))
    small = {dataset: small_resnet18(dataset) for dataset in ("cifar10", "cifar100")}
    assert {name: run.images_per_class for name, run in small.items()} == {"cifar10": 1000, "cifar100": 100}
    assert {(run.model, run.epochs, run.feature_dim) for run in small.values()} == {("resnet18", 8, 512)}
