"""Diagnosis in training: figures in the logs, and not a bit of the training changed."""

import warnings

import pytest
import pytorch_lightning as pl
import torch

from sigma2r import CenterLoss, JointLoss, SigmaSquaredRLoss
from sigma2r.data import Augmentation
from sigma2r.data.preprocess import Preprocess
from sigma2r.models import build_model
from sigma2r.training.diagnosis import Diagnose
from sigma2r.training.module import CompactClassifier


def trained(
    callbacks: list[pl.Callback], tmp_path, *, model="lenet", loss=True, epochs=2, layers=(), criterion=None, **settings
):
    torch.manual_seed(0)
    network = build_model(model, in_channels=1, image_size=16, num_classes=3, feature_dim=2)
    if criterion is None and loss:
        criterion = JointLoss(SigmaSquaredRLoss(3, 2), 0.01)
    module = CompactClassifier(
        network, criterion, Preprocess(torch.zeros(1), torch.ones(1)), augmentation=Augmentation(), data_seed=0,
        epochs=epochs, optimizer="adam", lr=1e-3, loss_lr=0.1, weight_decay=0.0, layers=layers,
    )  # fmt: skip
    images, labels = torch.randn(48, 1, 16, 16), torch.arange(48) % 3
    batches = [(images[i : i + 12], labels[i : i + 12]) for i in range(0, 48, 12)]
    trainer = pl.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=callbacks, default_root_dir=tmp_path, **settings,
    )  # fmt: skip
    trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))
    return module, trainer


pytestmark = [
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec"),  # Lightning calls what torch will rename
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),  # the batches are in memory
    pytest.mark.filterwarnings("ignore:Trying to infer the `batch_size`"),
]


@pytest.mark.parametrize("model", ["lenet", "resnet18"])  # one with batch normalisation
def test_the_weights_are_the_same_with_and_without_and_figures_are_logged(model, tmp_path):
    plain, _ = trained([], tmp_path, model=model)
    watched, trainer = trained([Diagnose(every=2)], tmp_path, model=model)
    for (name, a), b in zip(plain.state_dict().items(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    logged = trainer.logged_metrics
    assert logged["diagnosis/drift"] > 0
    assert 0 < logged["diagnosis/mean_gate"] < 40
    assert logged["diagnosis/never_moved"] == 0
    assert {"diagnosis/feature_norm", "diagnosis/feature_std", "diagnosis/saturated_gates"} <= set(logged)


def test_cross_entropy_alone_has_nothing_to_watch(tmp_path):
    _, trainer = trained([Diagnose(every=1)], tmp_path, loss=False)
    assert not any(name.startswith("diagnosis/") for name in trainer.logged_metrics)


def test_gradients_that_are_only_added_up_give_no_false_alarm(tmp_path):
    diagnose = Diagnose(every=1, patience=2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        _, trainer = trained([diagnose], tmp_path, epochs=4, accumulate_grad_batches=4)
    assert trainer.global_step == 4
    assert diagnose._watch is not None
    assert diagnose._watch.observations == 4  # one a step of the optimizer, not one a batch
    assert [str(warning.message) for warning in told if "Watch" in str(warning.message)] == []


def test_a_loss_on_an_inner_layer_is_watched_by_the_features_that_it_sees(tmp_path):
    criterion = JointLoss([CenterLoss(3, 2), SigmaSquaredRLoss(3, 120)], [0.01, 1e-4])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        module, trainer = trained([Diagnose(every=2)], tmp_path, layers=("body.9", "body.7"), criterion=criterion)
    assert 0 < trainer.logged_metrics["diagnosis/mean_gate"] < 40
    assert [str(warning.message) for warning in told if "Watch" in str(warning.message)] == []
    assert all(not part._forward_pre_hooks for part in criterion.modules())  # none is left
    assert module.seen_by_losses(torch.zeros(12, 2))[1].shape == (12, 120)


def test_a_first_step_far_from_scale_is_told_once(tmp_path):
    criterion = JointLoss(SigmaSquaredRLoss(3, 2, center_std=100.0), 0.01)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        trained([Diagnose(every=1)], tmp_path, criterion=criterion)
    mine = [str(warning.message) for warning in told if "Watch" in str(warning.message)]
    assert len(mine) == 1
    assert mine[0].startswith("Watch: the first step is far from scale: the losses on features begin at ")
