"""Evaluation mode for a while: every module comes back to the mode that it was in, whatever happens."""

import pytest
import torch
from torch import nn

from sigma2r.data.preprocess import Preprocess
from sigma2r.models import build_model
from sigma2r.models.modes import evaluating
from sigma2r.training.measure import measure


def with_a_frozen_batch_norm() -> nn.Module:
    model = build_model("resnet18", in_channels=1, image_size=16, num_classes=3, feature_dim=2).train()
    next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d)).eval()
    return model


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def test_all_evaluate_within_and_are_as_before_afterwards():
    model = with_a_frozen_batch_norm()
    before = modes(model)
    assert {True, False} == set(before)
    with evaluating(model):
        assert not any(modes(model))
    assert modes(model) == before


def test_also_after_an_error():
    model = with_a_frozen_batch_norm()
    before = modes(model)
    with pytest.raises(RuntimeError, match="broken"), evaluating(model):
        raise RuntimeError("broken")
    assert modes(model) == before


def test_measuring_wakes_no_frozen_batch_norm_and_moves_no_statistic():
    model = with_a_frozen_batch_norm()
    before, state = modes(model), {name: value.clone() for name, value in model.state_dict().items()}
    images, labels = torch.randint(0, 256, (12, 1, 16, 16), dtype=torch.uint8), torch.arange(12) % 3
    preprocess = Preprocess(torch.zeros(1), torch.ones(1))
    measure(model, preprocess, [(images, labels)], 3, torch.device("cpu"), lambda: torch.autocast("cpu", enabled=False))
    assert modes(model) == before
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
