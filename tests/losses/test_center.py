"""What belongs to the center loss alone, and how centers start."""

import pytest
import torch
from torch.testing import assert_close

from sigma2r import CenterLoss, SigmaSquaredRLoss
from sigma2r.functional import center_loss
from tests.losses.cases import make_batch
from tests.losses.memory import Memory

both_modules = pytest.mark.parametrize("module", [CenterLoss, SigmaSquaredRLoss])


def test_the_value_is_half_the_mean_squared_distance_to_the_own_center():
    features, centers = torch.tensor([[2.0, 0.0], [4.0, 0.0], [0.0, 8.0]]), torch.tensor([[0.0, 0.0], [0.0, 6.0]])
    labels = torch.tensor([0, 0, 1])
    assert center_loss(features, labels, centers, reduction="none").tolist() == [2.0, 8.0, 2.0]
    assert center_loss(features, labels, centers) == 4.0
    assert center_loss(features, labels, centers, reduction="sum") == 12.0


def test_a_gradient_step_moves_a_center_by_the_sum_of_its_offsets_over_the_batch_size():
    loss = CenterLoss(2, 2, center_std=0.0)
    features, labels = torch.tensor([[2.0, 0.0], [4.0, 0.0], [0.0, 8.0], [9.0, 9.0]]), torch.tensor([0, 0, 0, 1])
    loss(features, labels).backward()
    assert_close(loss.centers.grad, torch.tensor([[-6.0, -8.0], [-9.0, -9.0]]) / 4)


def test_features_on_their_centers_cost_exactly_nothing_at_any_offset(generator):
    centers, labels = torch.randn(5, 64, generator=generator) + 1e4, torch.arange(20) % 5
    assert center_loss(centers[labels], labels, centers) == 0


def test_the_value_needs_no_memory_for_classes_that_are_absent():
    batch = make_batch([0, 99_999] * 8, num_classes=100_000, feature_dim=8, dtype=torch.float32)
    with Memory() as memory:
        value = center_loss(batch["features"], batch["labels"], batch["centers"])
    assert value > 0
    assert memory.largest <= batch["features"].nbytes


@both_modules
def test_centers_can_start_at_class_means_and_absent_classes_stay(module):
    loss = module(3, 2)
    start, parameter = loss.centers.detach().clone(), loss.centers
    loss.init_centers(torch.tensor([[1.0, 2.0], [3.0, 6.0], [-1.0, 0.0]]), torch.tensor([0, 0, 2]))
    assert loss.centers is parameter
    assert loss.centers.requires_grad
    assert_close(loss.centers.detach(), torch.stack([torch.tensor([2.0, 4.0]), start[1], torch.tensor([-1.0, 0.0])]))


@both_modules
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_class_means_are_summed_in_float64_whatever_the_dtypes(module, dtype, generator):
    features = (torch.randn(3000, 3, generator=generator) + 100).to(torch.bfloat16)
    labels = torch.arange(3000) % 2
    loss = module(2, 3).to(dtype)
    loss.init_centers(features, labels)
    means = torch.stack([features[labels == k].double().mean(0) for k in range(2)])
    assert loss.centers.dtype == dtype
    assert torch.equal(loss.centers.detach(), means.to(dtype))


def test_the_same_generator_gives_the_same_centers(generator):
    first = CenterLoss(20, 3, generator=generator)
    again = CenterLoss(20, 3, generator=generator.manual_seed(0))
    assert torch.equal(first.centers, again.centers)
    wide = CenterLoss(20, 3, center_std=3.0, generator=generator.manual_seed(0))
    assert_close(wide.centers.detach(), 3 * first.centers.detach())
    assert (CenterLoss(20, 3, center_std=0.0).centers == 0).all()
