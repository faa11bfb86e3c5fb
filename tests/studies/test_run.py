"""The description of a run."""

import dataclasses
import hashlib
import json

import pytest

from sigma2r.data import Augmentation
from sigma2r.studies.comparison import comparison, run_folder
from sigma2r.studies.run import LATER, Run
from tests.report.conftest import make_record


def test_a_weight_may_follow_the_name_of_the_loss():
    run = Run(loss="center@0.4")
    assert (run.loss, run.loss_weight, run.loss_name) == ("center", 0.4, "center@0.4")
    assert run == Run(loss="center", loss_weight=0.4)


def test_what_data_set_and_model_decide_is_filled_in():
    run = Run(dataset="fashion-mnist", model="resnet18")
    assert run.feature_dim == 512
    assert run.augmentation == Augmentation(crop=2, rotation=10.0, horizontal_flip=0.5)


def test_cross_entropy_alone_is_the_same_run_whatever_the_weight_of_other_losses():
    assert Run(loss="cross-entropy", loss_weight=0.5).run_id == Run(loss="cross-entropy").run_id


def test_every_field_decides_the_name_of_a_run():
    changed = {
        "dataset": "fashion-mnist", "image_size": 16, "model": "resnet18", "feature_dim": 3, "loss": "center",
        "loss_weight": 0.5, "loss_options": {"neighbors": 3}, "center_init": "class-means", "epochs": 3,
        "batch_size": 64, "optimizer": "sgd", "lr": 0.4, "loss_lr": 0.5, "weight_decay": 0.1,
        "precision": "bf16-mixed", "augmentation": Augmentation(crop=1), "validation_fraction": 0.1,
        "gray": True, "pixel_range": (0.0, 1.0),
        "missing_classes": True, "measure_every": 2, "init_seed": 1, "data_seed": 1, "threads": 2, "warmup_epochs": 3,
        "images_per_class": 5, "sampling": "cover", "resize": "crop", "test_fraction": 0.3, "test_seed": 1,
        "accumulate": 2, "ema": 0.9, "patience": 3,
    }  # fmt: skip
    names = {Run(**{key: value}).run_id for key, value in changed.items()}
    assert len({*names, Run().run_id}) == len(changed) + 1
    of_timm = {"pretrained": True, "weights": "a.pth", "freeze": 2, "backbone_lr": 0.1}
    names = {Run(model="timm:test_resnet", **{key: value}).run_id for key, value in of_timm.items()}
    assert len({*names, Run(model="timm:test_resnet").run_id}) == len(of_timm) + 1
    assert {*changed, *of_timm, "layers"} == {field.name for field in dataclasses.fields(Run)}
    tapped = {Run(loss="contrastive", layers=layers).run_id for layers in ((), ("body.2",), ("body.2", "body.5"))}
    assert len(tapped) == 3


def test_fields_that_came_later_move_no_name_and_no_byte_of_a_run_without_them():
    """Digests of what the version before those fields wrote."""
    assert Run(feature_dim=2, epochs=2).run_id == "5f28f91588a3ba95"
    text = json.dumps(make_record("sigma2r@0.01").as_dict(), indent=1, allow_nan=False) + "\n"
    digest = "f4b1f29b443e4bd45b1883692d8dc6cc084e4c0d900d9fb66ebb7fa7c0a51b12"
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    assert set(Run().as_dict()) - set(Run().as_written()) == set(LATER)
    used = Run(accumulate=3)
    assert set(used.as_written()) - set(Run().as_written()) == {"accumulate"}
    assert Run.from_dict(json.loads(json.dumps(used.as_written()))) == used


def test_a_model_with_weights_decides_the_size_of_images_that_have_none():
    model = {"model": "timm:test_resnet", "pretrained": True}
    assert Run(dataset="folder:photos", **model).image_size == 160
    assert Run(dataset="folder:photos", image_size=64, **model).image_size == 64
    assert Run(dataset="folder:photos", model="timm:test_resnet").image_size is None
    assert Run(dataset="cifar10", **model).image_size is None
    assert Run(dataset="cifar10", model="timm:test_resnet", weights="a.pth").weights == "a.pth"


def test_to_freeze_for_all_epochs_is_to_freeze_for_all():
    runs = [Run(model="timm:x", epochs=5, freeze=freeze) for freeze in (5, 9, "all")]
    assert {run.freeze for run in runs} == {"all"}
    assert len({run.run_id for run in runs}) == 1
    assert Run(model="timm:x", epochs=5, freeze=4).freeze == 4


def test_a_model_of_timm_is_no_code_of_ones_own():
    run = Run(model="timm:test_resnet.r160_in1k")
    assert run.own_code == {}
    assert Run(model="timm_like:Net").own_code == {"model": "timm_like:Net"}
    run.check_own_code()
    with pytest.raises(ValueError, match=r"unknown model of timm 'resnet17'"):
        Run(model="timm:resnet17").check_own_code()


def test_layers_that_the_loss_sees_are_named():
    run = Run(loss="soft-nearest-neighbor@-0.1", layers=("body.2", "body.5"))
    assert run.loss_name == "soft-nearest-neighbor@-0.1[layers=body.2+body.5]"
    assert run.spelled_loss == "soft-nearest-neighbor@-0.1"
    again = Run.from_dict(json.loads(json.dumps(run.as_dict())))
    assert again == run
    assert again.run_id == run.run_id
    assert Run(loss="cross-entropy", layers=("body.2",)).layers == ()


def test_a_description_survives_json():
    run = Run(loss="sigma2r@0.02", loss_options={"spread": "std"}, augmentation=Augmentation(crop=3))
    again = Run.from_dict(json.loads(json.dumps(run.as_dict())))
    assert again == run
    assert again.run_id == run.run_id
    assert again.loss_name == "sigma2r@0.02[spread=std]"


def test_whole_numbers_and_floats_mean_the_same_rate():
    assert Run(lr=1).run_id == Run(lr=1.0).run_id


def test_options_may_follow_the_weight_in_brackets():
    run = Run(loss="git@0.02[push_weight=0.5,negatives=other-class,normalize=true]")
    assert (run.loss, run.loss_weight) == ("git", 0.02)
    assert run.loss_options == {"push_weight": 0.5, "negatives": "other-class", "normalize": True}
    assert Run(loss=run.loss_name).run_id == run.run_id
    assert Run(loss="sigma2r[neighbors=3]").loss_options == {"neighbors": 3}


def test_a_weight_that_warms_up_is_named():
    assert Run(loss="center@0.4", warmup_epochs=5).loss_name == "center@0.4[warmup_epochs=5]"
    assert Run(loss="cross-entropy", warmup_epochs=5).run_id == Run(loss="cross-entropy").run_id


@pytest.mark.message
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"dataset": "fuzzy"},
            r"unknown data set 'fuzzy'; known: fuzzy-rgb, fashion-mnist, cifar10, cifar100, folder",
        ),
        ({"model": "lennet"}, r"unknown model 'lennet'; .*Did you mean lenet\?"),
        ({"loss": "sigma"}, r"unknown loss 'sigma'; .*Did you mean sigma2r\?"),
        ({"loss": "center@much"}, r"weight after the @ must be a number, as in sigma2r@0.01; got 'center@much'"),
        ({"loss_options": {"neighbours": 3}}, r"unknown option of the loss sigma2r 'neighbours'.*mean neighbors"),
        ({"loss_options": {"neighbors": 0}}, r"neighbors must be a whole number of at least 1; got 0"),
        ({"loss": "git@0.1[push_weight]"}, r"options of a loss are spelled OPTION=VALUE; got 'push_weight'"),
        ({"loss": "center@1[normalize=yes,normalize=no]"}, r"stand once; 'normalize' stands twice in 'center@1\[norm"),
        ({"loss": "center@1[normalize=yes, normalize =yes]"}, r"an option of a loss must stand once; 'normalize'"),
        ({"loss": "m.n:Loss@1[a=1,b=2,a=1]"}, r"an option of a loss must stand once; 'a' stands twice"),
        ({"loss": "git@0.1[push=1]"}, r"unknown option of the loss git 'push'; .*push_weight"),
        ({"loss": "git@0.1]x"}, r"weight after the @ must be a number"),
        ({"epochs": 0}, r"Run: epochs must be a whole number of at least 1; got 0"),
        ({"images_per_class": 0}, r"Run: images_per_class must be a whole number of at least 1; got 0"),
        ({"loss": "center@-0.1"}, r"Run: loss_weight must be a finite number of at least 0; got -0.1"),
        ({"loss": "soft-nearest-neighbor@nan"}, r"weight after the @ must be a number"),
        ({"loss": "label-smoothing@1"}, r"label-smoothing must lie in \[0, 1\); got 1.0"),
        ({"loss": "label-smothing@0.1"}, r"Did you mean label-smoothing\?"),
        (
            {"loss": "center@0.1", "layers": ("body.2",)},
            r"layers are for losses that learn nothing for a class; center",
        ),
        ({"batch_size": 0}, r"Run: batch_size must be a whole number of at least 1"),
        ({"lr": -1.0}, r"Run: lr must be a finite number of at least 0; got -1"),
        ({"lr": float("nan")}, r"Run: lr must be a finite number of at least 0; got nan"),
        ({"init_seed": -1}, r"Run: init_seed must be a whole number from 0 to 10\*\*12"),
        ({"epochs": "3"}, r"Run: epochs must be a whole number of at least 1; got '3'"),
        ({"epochs": 2.5}, r"Run: epochs must be a whole number of at least 1; got 2.5"),
        ({"epochs": True}, r"Run: epochs must be"),
        ({"batch_size": 1e20}, r"Run: batch_size must be a whole number of at most"),
        ({"image_size": 2_000_000_000}, r"Run: image_size must be a whole number from 1 to 16384"),
        ({"threads": 10**6}, r"Run: threads must be a whole number from 1 to 1024"),
        ({"loss": None}, r"Run: loss must be"),
        ({"layers": None}, r"Run: layers must be"),
        ({"layers": 3}, r"Run: layers must be"),
        ({"loss_options": {1: 2}}, r"Run: loss_options must be"),
        ({"loss_options": None}, r"Run: loss_options must be"),
        ({"optimizer": "adamw"}, r'Run: optimizer must be "adam" or "sgd"; got .adamw.'),
        ({"center_init": "zeros"}, r"Run: center_init must be"),
        ({"precision": "16"}, r"Run: precision must be"),
        ({"lr": "fast"}, r"Run: lr must be"),
        ({"lr": float("inf")}, r"Run: lr must be a finite number of at least 0; got inf"),
        ({"augmentation": 3}, r"Run: augmentation must be"),
        ({"dataset": 3}, r"Run: dataset must be"),
        ({"loss": "sigma2r@0.01[ceiling=abc]"}, r"sigma2r: ceiling must be"),
        ({"loss": "sigma2r@0.01[neighbors=1e20]"}, r"sigma2r: neighbors must be a whole number of at most"),
        ({"loss": "center@0.1[normalize=maybe]"}, r"center: normalize must be"),
        ({"loss": "center@0.1[reduction=none]"}, r"reduction must be mean or sum"),
        ({"freeze": "some", "model": "timm:x"}, r'Run: freeze must .*be "all"; got .some.'),
        ({"freeze": 2.5, "model": "timm:x"}, r"Run: freeze must be a whole number of at least 0"),
        ({"freeze": 1}, r"Run: freeze and backbone_lr are for models with a backbone, .*; lenet starts anew"),
        ({"backbone_lr": 0.1, "model": "resnet18"}, r"Run: freeze and backbone_lr .*; resnet18 starts anew as a whole"),
        ({"backbone_lr": -0.1, "model": "timm:x"}, r"Run: backbone_lr must be a finite number of at least 0"),
        ({"backbone_lr": 0.1, "model": "timm:x", "freeze": "all"}, r"Run: backbone_lr is for a backbone that is train"),
        ({"backbone_lr": 0.1, "model": "timm:x", "freeze": 10}, r"Run: backbone_lr is for a backbone that is trained"),
        ({"pretrained": True}, r"Run: pretrained and weights are for models of timm, timm:NAME; got lenet"),
        ({"weights": "a.pth", "model": "resnet18"}, r"Run: pretrained and weights are for .*; got resnet18"),
        ({"weights": "a.pth", "pretrained": True, "model": "timm:x"}, r"of a hub or of a file; got pretrained and wei"),
        ({"weights": 3, "model": "timm:x"}, r"Run: weights must be a text; got 3"),
        ({"pretrained": "maybe", "model": "timm:x"}, r"Run: pretrained must be True or False; got 'maybe'"),
        ({"model": "timm:"}, r"unknown model 'timm:'; known: lenet, resnet18, timm:NAME\."),
        ({"accumulate": 0}, r"Run: accumulate must be a whole number of at least 1; got 0"),
        ({"ema": 1}, r"Run: ema must lie in \(0, 1\); 0.999 averages over some 1000 steps; got 1"),
        ({"ema": 0}, r"Run: ema must lie in \(0, 1\)"),
        ({"patience": 0}, r"Run: patience must be a whole number of at least 1; got 0"),
        ({"patience": 2, "measure_every": 0}, r"Run: patience wants measures within the training; measure_every 0"),
        ({"validation_fraction": 1.0}, r"validation_fraction must lie in \[0, 1\).*got 1.0"),
    ],
    ids=str,
)
def test_a_description_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Run(**values)


@pytest.mark.parametrize("word", ["no", "No", "off", "false", "0", False, 0])
def test_a_word_that_means_no_means_no_wherever_it_stands(word):
    assert Run(loss=f"center@0.1[normalize={word}]") == Run(loss="center@0.1")
    assert Run(loss="center@0.1", loss_options={"normalize": word}) == Run(loss="center@0.1")
    assert Run(loss="center@0.1[normalize=yes]").loss_options == {"normalize": True}


@pytest.mark.parametrize(
    ("spelled", "plain"),
    [
        ("sigma2r@0.01[neighbors=7]", "sigma2r@0.01"),
        ("sigma2r@0.01[neighbors=3.0]", "sigma2r@0.01[neighbors=3]"),
        ("sigma2r@0.01[ceiling=40]", "sigma2r@0.01"),
        ("sigma2r@0.010[ceiling=10]", "sigma2r@1e-2[ceiling=10.0]"),
        ("git@1[push_weight=1,center_weight=1.0]", "git@1.0"),
        ("soft-nearest-neighbor@0.1[temperature=1]", "soft-nearest-neighbor@0.1"),
        ("sigma2r@0.1[max_per_class=none,fixed_growth=None]", "sigma2r@0.1"),
    ],
)
def test_what_means_the_same_is_one_run_however_it_is_spelled(spelled, plain):
    assert Run(loss=spelled) == Run(loss=plain)
    assert Run(loss=spelled).run_id == Run(loss=plain).run_id


def test_weights_that_differ_in_late_digits_have_names_of_their_own():
    assert Run(loss="center@0.01").loss_name == "center@0.01"
    assert Run(loss="center@0.0100000001").loss_name == "center@0.0100000001"
    assert Run(loss=Run(loss="center@0.0100000001").loss_name) == Run(loss="center@0.0100000001")


@pytest.mark.message
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "a description must be a mapping of its fields; got NoneType"),
        ([], "must be a mapping"),
        ({"epoks": 3}, r"unknown field of a run 'epoks'; .*Did you mean epochs\?"),
        ({"augmentation": {"flip": 1}}, r"unknown setting of augmentation 'flip'"),
        ({"augmentation": {"crop": "x"}}, r"Augmentation: crop must be"),
    ],
    ids=str,
)
def test_a_description_from_elsewhere_is_refused_in_a_sentence(values, message):
    with pytest.raises(ValueError, match=message):
        Run.from_dict(values)


def test_a_comparison_varies_losses_and_first_weights_and_keeps_the_data():
    runs = list(comparison(Run(data_seed=5), ["cross-entropy", "center@0.4"], 2))
    assert [(r.loss_name, r.init_seed, r.data_seed) for r in runs] == [
        ("cross-entropy", 0, 5), ("cross-entropy", 1, 5), ("center@0.4", 0, 5), ("center@0.4", 1, 5)
    ]  # fmt: skip
    assert len({run_folder(__import__("pathlib").Path(), run) for run in runs}) == 4


def test_options_reach_the_loss_that_they_belong_to():
    runs = list(comparison(Run(loss_options={"neighbors": 3}), ["center@0.1", "sigma2r@0.1"], 1))
    assert [run.loss_options for run in runs] == [{}, {"neighbors": 3}]


def test_layers_reach_the_losses_that_may_stand_there():
    losses = ["cross-entropy", "center@0.1", "contrastive@0.1", "soft-nearest-neighbor@-0.1"]
    runs = list(comparison(Run(), losses, 1, layers=["body.2"]))
    assert [run.layers for run in runs] == [(), (), ("body.2",), ("body.2",)]


@pytest.mark.message
def test_a_setting_that_no_loss_takes_is_refused():
    with pytest.raises(ValueError, match=r"layers are for losses that learn nothing for a class; there is none among"):
        list(comparison(Run(), ["cross-entropy", "center@0.1"], 1, layers=["body.2"]))
    with pytest.raises(ValueError, match=r"loss_options are those of sigma2r, which is not among the losses"):
        list(comparison(Run(loss_options={"neighbors": 3}), ["center@0.1"], 1))


@pytest.mark.message
def test_a_comparison_of_no_seed_is_refused():
    with pytest.raises(ValueError, match="compare: seeds must be at least 1; got 0"):
        list(comparison(Run(), ["center"], 0))
