"""What belongs to the center loss alone."""

import torch
from torch.testing import assert_close

from sigma2r import CenterLoss
from sigma2r.functional import center_loss
from tests.losses.cases import make_batch


def test_the_gradient_step_of_a_center_is_the_mean_of_its_offsets_over_the_batch():
    loss = CenterLoss(2, 2, center_std=0.0)
    features, labels = torch.tensor([[2.0, 0.0], [4.0, 0.0], [0.0, 8.0], [9.0, 9.0]]), torch.tensor([0, 0, 0, 1])
    loss(features, labels).backward()
    assert_close(loss.centers.grad, torch.tensor([[-6.0, -8.0], [-9.0, -9.0]]) / 4)


def test_features_on_their_centers_cost_exactly_nothing_at_any_offset():
    centers = torch.randn(5, 64) + 1e4
    labels = torch.arange(20) % 5
    assert center_loss(centers[labels], labels, centers) == 0


def test_memory_grows_with_the_batch_and_not_with_the_classes():
    batch = make_batch([0, 99_999], num_classes=100_000, feature_dim=8)
    assert center_loss(batch["features"], batch["labels"], batch["centers"], reduction="none").shape == (2,)


def test_centers_can_start_at_class_means():
    loss = CenterLoss(2, 1)
    loss.init_centers(torch.tensor([[1.0], [3.0], [7.0]]), torch.tensor([0, 0, 1]))
    assert_close(loss.centers.detach(), torch.tensor([[2.0], [7.0]]))


def test_a_loss_prints_its_settings():
    assert repr(CenterLoss(3, 2, reduction="sum")) == "CenterLoss(3, 2, reduction='sum')"
