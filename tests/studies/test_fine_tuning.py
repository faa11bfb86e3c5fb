"""Freezing, rates, accumulation, averaged weights, early stop: equal to a plain loop of torch, and after a kill."""

import dataclasses
import json

import pytest
import torch
from torch.testing import assert_close

from sigma2r.data import Augmentation
from sigma2r.losses import JointLoss
from sigma2r.studies.fit import fit
from sigma2r.studies.record import Record
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from sigma2r.studies.where import Where
from sigma2r.training.module import CompactClassifier
from tests.studies.plain_loop import trained
from tests.studies.test_train import numbers

QUIET = Where(device="cpu", progress=False)
pytestmark = pytest.mark.filterwarnings("ignore:train. the backbone of timm.test_resnet is frozen with its first")

WAYS = {
    "plain": {},
    "frozen for two epochs": {"freeze": 2},
    "frozen with a layer behind": {"freeze": "all", "feature_dim": 3},
    "a rate of its own": {"backbone_lr": 1e-3},
    "accumulated": {"accumulate": 2},
    "accumulated, and one batch is left": {"accumulate": 3},
    "accumulated beyond the epoch": {"accumulate": 9},
    "averaged": {"ema": 0.7},
    "all at once": {"freeze": 1, "backbone_lr": 2e-3, "accumulate": 3, "ema": 0.5},
}
TOLD = {"frozen", "backbone_lr", "steps", "averaged", "waited"}


@pytest.fixture
def base(tiny_run) -> Run:
    """Four batches an epoch, three epochs, 64 bits, images as they are."""
    return dataclasses.replace(
        tiny_run,
        model="timm:test_resnet",
        feature_dim=None,
        loss="center@0.1",
        loss_options={},
        epochs=3,
        batch_size=18,
        lr=5e-3,
        loss_lr=0.05,
        optimizer="sgd",
        augmentation=Augmentation(),
        precision="64-true",
        measure_every=0,
    )


@pytest.mark.parametrize(
    ("way", "optimizer"),
    [*((way, "sgd") for way in WAYS), ("frozen for two epochs", "adam"), ("all at once", "adam")],
    ids=str,
)
def test_each_way_of_training_is_that_of_a_plain_loop(base, way, optimizer):
    run = dataclasses.replace(base, **WAYS[way], optimizer=optimizer)
    fitted, (wanted, centers, _) = fit(run, QUIET), trained(run)
    got = fitted.model.state_dict()
    assert got.keys() == wanted.state_dict().keys()
    for name, value in wanted.state_dict().items():
        assert_close(got[name], value, rtol=1e-7, atol=1e-9, msg=lambda said, name=name: f"{name}: {said}")
    if run.ema is None:  # those of the loop are not averaged
        assert_close(fitted.criterion.auxiliary.centers, centers, rtol=1e-7, atol=1e-9)


def test_the_history_tells_how_each_epoch_was_trained(base):
    entries = fit(dataclasses.replace(base, **WAYS["all at once"]), QUIET).record.history
    told = [{name: value for name, value in entry.items() if name in TOLD} for entry in entries]
    rates = [2e-3 * factor for factor in (1, 0.75, 0.25)]  # a cosine over three epochs
    assert [each.pop("backbone_lr") for each in told] == pytest.approx(rates)
    assert told == [{"frozen": epoch == 0, "steps": 2, "averaged": 2 * (epoch + 1)} for epoch in range(3)]
    assert TOLD.isdisjoint(fit(base, QUIET).record.history[0])


def test_losses_in_the_history_are_those_of_a_batch_however_many_are_accumulated(base):
    still = dataclasses.replace(base, lr=0.0, loss_lr=0.0, epochs=1)
    one, three = (fit(dataclasses.replace(still, accumulate=k), QUIET).record.history[0] for k in (1, 3))
    assert three["train_loss"] == one["train_loss"]
    assert three["cross_entropy"] == one["cross_entropy"]


def test_accumulated_cross_entropy_is_that_of_the_batches_as_one(base):
    """Without batch norm, whose statistics are those of each batch."""
    run = dataclasses.replace(base, model="lenet", feature_dim=2, loss="cross-entropy", epochs=1)
    step, seen = CompactClassifier.training_step, []
    with pytest.MonkeyPatch.context() as patch:

        def remembers(self, batch, index):
            seen.append(batch)
            return step(self, batch, index)

        patch.setattr(CompactClassifier, "training_step", remembers)
        fit(dataclasses.replace(run, lr=0.0), QUIET)
        parts = list(seen)
        patch.setattr(CompactClassifier, "training_step", step)
    got = fit(dataclasses.replace(run, accumulate=3, lr=0.1), QUIET).model
    model = fit(dataclasses.replace(run, lr=0.0), QUIET).model  # the first weights
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for window in (parts[:3], parts[3:]):
        images, labels = (torch.cat(each) for each in zip(*window, strict=True))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(images)[1], labels).backward()
        optimizer.step()
    for mine, wanted in zip(got.parameters(), model.parameters(), strict=True):
        assert_close(mine, wanted, rtol=1e-9, atol=1e-12)


def test_a_frozen_backbone_stays_bit_for_bit_and_the_model_comes_back_as_it_was(base):
    run = dataclasses.replace(base, freeze="all", feature_dim=3, precision="32-true", optimizer="adam")
    first, last = (fit(dataclasses.replace(run, lr=lr, loss_lr=lr), QUIET).model for lr in (0.0, 0.05))
    before = first.backbone.state_dict()
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(value, before[name]) for name, value in last.backbone.state_dict().items())
    assert not torch.equal(first.projection.weight, last.projection.weight)
    assert not torch.equal(first.head.weight, last.head.weight)
    assert all(parameter.requires_grad for parameter in last.parameters())
    assert all(module.training for module in last.modules())


OWN = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, in_channels):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5),
                                      nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.backbone[0].bias.requires_grad_(False)
        self.backbone[1].eval()
        self.head = nn.Linear(16, num_classes)
    def forward(self, images):
        features = self.backbone(images)
        return features, self.head(features)

class Bare(Net):
    def __init__(self, num_classes, in_channels):
        super().__init__(num_classes, in_channels)
        self.body = self._modules.pop("backbone")
    def forward(self, images):
        features = self.body(images)
        return features, self.head(features)
"""


@pytest.mark.filterwarnings("ignore:Found 1 module.s. in eval mode at the start of training")
def test_a_model_of_ones_own_is_frozen_by_the_part_called_backbone(base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    run = dataclasses.replace(base, model="own.py:Net", feature_dim=None, loss="cross-entropy", freeze=2, lr=0.1)
    model = fit(run, QUIET).model
    learning = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    assert [name for name, learns in learning.items() if not learns] == ["backbone.0.bias"]
    modes = [module.training for module in model.backbone]
    assert modes == [True, False, True, True, True]
    for setting in ({"freeze": 1}, {"backbone_lr": 0.1, "freeze": 0}):
        with pytest.raises(ValueError, match=r"with a part called backbone; Bare has head, body\. Name it so"):
            fit(dataclasses.replace(run, model="own.py:Bare", **setting), QUIET)


def test_features_that_nothing_changes_are_said(base):
    run = dataclasses.replace(base, freeze="all", epochs=1)
    with pytest.warns(UserWarning, match=r"with freeze all the features stay .* its centers alone, if it has any"):
        moved, still = (fit(dataclasses.replace(run, loss_lr=lr), QUIET).criterion.auxiliary for lr in (0.05, 0.0))
    assert not torch.equal(moved.centers, still.centers)
    fit(dataclasses.replace(run, loss="cross-entropy"), QUIET)  # warnings are errors


def test_only_while_it_is_frozen_features_may_be_without_a_graph(base, monkeypatch):
    seen = []
    terms = JointLoss.terms
    monkeypatch.setattr(
        JointLoss, "terms", lambda self, *a, **k: (seen.append(self.frozen_features), terms(self, *a, **k))[1]
    )
    fit(dataclasses.replace(base, freeze=1, epochs=2), QUIET)
    assert seen == [True] * 4 + [False] * 4


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        ("sigma2r@1e-4[neighbors=3]", "sigma2r compares the samples of a batch"),
        ("git@0.01", "git compares the samples of a batch"),
        ("supcon@0.01", "supcon compares the samples of a batch"),
        ("center@0.01[center_update=average]", "center moves its centers with each batch"),
        ("center@0.01[reduction=sum]", "center sums over a batch"),
    ],
)
def test_losses_that_need_the_whole_batch_are_said_to_see_a_part(base, loss, why):
    run = dataclasses.replace(base, loss=loss, accumulate=2, epochs=1, precision="32-true")
    told = rf"train: accumulate 2 is not the same as batches of 36: {why}, and sees 18 images at a time\."
    with pytest.warns(UserWarning, match=told):
        fit(run, QUIET)


@pytest.mark.parametrize(
    "loss", ["cross-entropy", "center@0.1", "contrastive-center@0.1", "triplet-center@0.1", "arcface@0.1"]
)
def test_losses_of_each_sample_are_accumulated_without_a_word(base, loss):
    fit(dataclasses.replace(base, loss=loss, accumulate=2, epochs=1, precision="32-true"), QUIET)


def weights_of(folder, part="state_dict"):
    return torch.load(folder / "checkpoints/last.ckpt", weights_only=True)[part]


RESUMED = {
    **{way: changes for way, changes in WAYS.items() if way not in ("plain", "accumulated beyond the epoch")},
    "with patience": {"patience": 2, "validation_fraction": 0.25, "measure_every": 1},
    "in bfloat16": {"freeze": 1, "accumulate": 2, "ema": 0.5, "precision": "bf16-mixed", "image_size": 32},
}


@pytest.mark.parametrize(
    ("way", "killed_in"),
    [*((way, 1) for way in RESUMED), ("frozen for two epochs", 2), ("all at once", 2)],
    ids=str,
)
def test_a_run_that_was_killed_goes_on_to_the_same_bits(base, tmp_path, monkeypatch, way, killed_in):
    run = dataclasses.replace(base, **{"precision": "32-true", "optimizer": "adam", **RESUMED[way]})
    whole = train(run, tmp_path / "whole", QUIET)
    step = CompactClassifier.training_step

    def breaks(self, batch, batch_idx):
        if self.current_epoch == killed_in and batch_idx == 2:
            raise ConnectionError("power cut")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(CompactClassifier, "training_step", breaks)
        with pytest.raises(ConnectionError):
            train(run, tmp_path / "cut", QUIET)
    assert numbers(train(run, tmp_path / "cut", QUIET)) == numbers(whole)
    parts = ["state_dict"] if run.ema is None else ["state_dict", "trained_weights"]
    for part in parts:
        mine, wanted = (weights_of(tmp_path / name, part) for name in ("cut", "whole"))
        assert all(torch.equal(mine[name], value) for name, value in wanted.items())


def test_figures_checkpoints_and_model_are_of_the_averaged_weights(base, tmp_path):
    run = dataclasses.replace(base, ema=0.9, feature_dim=2, loss_lr=0.5, precision="32-true")
    record = train(run, tmp_path, QUIET)
    averaged, live = (weights_of(tmp_path, part) for part in ("state_dict", "trained_weights"))
    centers = "criterion.auxiliaries.0.centers"
    assert_close(torch.tensor(record.plane["centers"]), averaged[centers], rtol=1e-5, atol=1e-6)
    assert (averaged[centers] - live[centers]).abs().max() > 0.1
    fitted = fit(run, QUIET)
    assert all(torch.equal(value, averaged[f"model.{name}"]) for name, value in fitted.model.state_dict().items())
    features, labels = torch.tensor(record.plane["features"]).double(), torch.tensor(record.plane["labels"])
    for k in range(3):
        of_class = features[labels == k]
        spread = (of_class - of_class.mean(0)).square().sum().div(len(of_class) - 1).sqrt()
        assert_close(record.final["train"]["intra"][k], spread.item(), rtol=1e-4, atol=0)


def test_a_checkpoint_without_the_trained_weights_is_set_aside(base, tmp_path):
    run = dataclasses.replace(base, ema=0.9, epochs=1, precision="32-true")
    train(run, tmp_path, QUIET)
    path = tmp_path / "checkpoints/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["trained_weights"]
    torch.save(checkpoint, path)
    (tmp_path / "record.json").unlink()
    with pytest.warns(UserWarning, match="its part trained_weights is missing. Set aside as last.ckpt.broken-1"):
        train(run, tmp_path, QUIET)


@pytest.fixture
def patient(base) -> Run:
    """Rises, waits and rises, and is at its best before the end: the classes differ by brightness."""
    return dataclasses.replace(
        base, epochs=14, init_seed=1, loss="cross-entropy", precision="32-true", optimizer="adam", lr=3e-3,
        measure_every=1, validation_fraction=0.25,
    )  # fmt: skip


def stop_of(accuracies: list[float | None], patience: int) -> tuple[int, int] | None:
    """By hand: after which epoch enough has been waited, and for the rise in which."""
    best, since = -1.0, 0
    for epoch, accuracy in enumerate(accuracies, start=1):
        if accuracy is not None and accuracy > best:
            best, since = accuracy, epoch
        if accuracy is not None and epoch - since >= patience:
            return epoch, since
    return None


@pytest.mark.parametrize(("patience", "every"), [(1, 1), (3, 1), (3, 2)])
def test_training_ends_when_validation_has_not_risen_for_so_long(patient, tmp_path, patience, every):
    run = dataclasses.replace(patient, measure_every=every)
    long = fit(run, QUIET).record
    judged = [entry.get("validation") and entry["validation"]["accuracy"] for entry in long.history]
    wanted = stop_of(judged[:-1], patience)  # the last epoch ends the training anyway
    record = train(dataclasses.replace(run, patience=patience), tmp_path, QUIET)
    assert wanted is not None
    stopped, best = wanted
    assert len(record.history) == stopped == record.stopped["epoch"]
    assert record.stopped["best_epoch"] == best
    assert record.stopped["why"].startswith(
        f"the accuracy on validation images has not risen above the {judged[best - 1]:.4f}"
    )
    assert "tail_99" in record.final["test"]
    assert [entry["train_loss"] for entry in record.history] == [e["train_loss"] for e in long.history[:stopped]]
    assert torch.load(tmp_path / "checkpoints/best.ckpt", weights_only=True)["epoch"] == best - 1
    assert Record.read(tmp_path / "record.json") == record
    waited = [entry.get("waited") for entry in record.history]
    assert waited[-1] == stopped - best
    assert [each is not None for each in waited] == [each is not None for each in judged[:stopped]]


def test_a_stop_that_no_record_tells_is_found_in_the_checkpoint(patient, tmp_path, monkeypatch):
    run = dataclasses.replace(patient, patience=2)
    record = train(run, tmp_path, QUIET)
    (tmp_path / "record.json").unlink()
    monkeypatch.setattr(CompactClassifier, "training_step", lambda *_: pytest.fail("trained once more"))
    assert numbers(train(run, tmp_path, QUIET)) == numbers(record)


def test_a_training_that_rises_to_its_end_is_not_stopped(patient, tmp_path):
    record = train(dataclasses.replace(patient, patience=patient.epochs), tmp_path, QUIET)
    assert record.stopped is None
    assert len(record.history) == patient.epochs
    assert "stopped" not in json.loads((tmp_path / "record.json").read_text())


def test_patience_without_validation_images_is_refused_and_leaves_nothing(base, tmp_path):
    run = dataclasses.replace(base, patience=2, measure_every=1)
    with pytest.raises(ValueError, match=r"patience looks at validation images, and there are none\. --validation_fr"):
        train(run, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()
