"""Freezing, rates, accumulation, averaged weights: equal to a plain loop of torch, alone and together."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from sigma2r.data import Augmentation
from sigma2r.studies.fit import fit
from sigma2r.studies.where import Where
from tests.studies.plain_loop import trained

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


@pytest.fixture
def base(tiny_run):
    """Four batches an epoch, three epochs, 64 bits, images as they are."""
    return dataclasses.replace(
        tiny_run, model="timm:test_resnet", feature_dim=None, loss="center@0.1", loss_options={}, epochs=3,
        batch_size=18, lr=5e-3, loss_lr=0.05, optimizer="sgd", augmentation=Augmentation(), precision="64-true",
        measure_every=0,
    )  # fmt: skip


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_each_way_of_training_is_that_of_a_plain_loop(base, way, optimizer):
    run = dataclasses.replace(base, **WAYS[way], optimizer=optimizer)
    fitted, (wanted, _, _) = fit(run, QUIET), trained(run)
    got = fitted.model.state_dict()
    assert got.keys() == wanted.state_dict().keys()
    for name, value in wanted.state_dict().items():
        assert_close(got[name], value, rtol=1e-7, atol=1e-9, msg=lambda said, name=name: f"{name}: {said}")
