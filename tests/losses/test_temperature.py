"""The soft nearest neighbour loss as its authors use it: a learned temperature, a negative weight, hidden layers."""

import pytest
import torch
from torch.testing import assert_close

from sigma2r import CenterLoss, JointLoss, SoftNearestNeighborLoss
from sigma2r.functional import soft_nearest_neighbor_loss
from tests.losses.cases import as_lists
from tests.reference.soft_nearest_neighbor import soft_nearest_neighbor_loss as reference


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(12, 3, dtype=torch.float64, generator=generator), torch.arange(12) % 3


def mean_at(temperature: float) -> float:
    values = reference(*as_lists(batch()), temperature=temperature)
    return sum(values) / len(values)


def learning(temperature: float) -> SoftNearestNeighborLoss:
    return SoftNearestNeighborLoss(temperature=temperature, learn_temperature=True).double()


def test_a_learned_temperature_starts_where_it_is_told():
    loss = learning(4.0)
    assert loss(*batch()).item() == pytest.approx(mean_at(4.0), rel=1e-6)
    assert "temperature=4.0" in repr(loss)
    assert "learn_temperature=True" in repr(loss)


def test_the_slope_of_the_inverse_temperature_is_that_of_the_equation():
    loss, step = learning(4.0), 1e-5
    loss(*batch()).backward()
    inverse = 1 / 4.0
    slope = (mean_at(1 / (inverse + step)) - mean_at(1 / (inverse - step))) / (2 * step)
    assert loss.log_inverse_temperature.grad.item() == pytest.approx(inverse * slope, rel=1e-4)


def test_a_tensor_as_temperature_is_the_same_number_and_carries_gradients():
    features, labels = batch()
    temperature = torch.tensor(2.5, dtype=torch.float64, requires_grad=True)
    value = soft_nearest_neighbor_loss(features, labels, temperature=temperature)
    assert_close(value, soft_nearest_neighbor_loss(features, labels, temperature=2.5))
    assert torch.autograd.gradcheck(lambda t: soft_nearest_neighbor_loss(features, labels, temperature=t), temperature)


@pytest.mark.message
def test_a_temperature_of_several_numbers_is_refused():
    features, labels = batch()
    with pytest.raises(ValueError, match=r"temperature must be one number; got shape \(2,\)"):
        soft_nearest_neighbor_loss(features, labels, temperature=torch.ones(2))


@pytest.mark.parametrize("weight", [0.5, -0.5])
def test_features_follow_the_sign_of_the_weight_and_the_temperature_always_lowers_the_loss(weight):
    features, labels = batch()
    features.requires_grad_()
    loss = learning(4.0)
    joint = JointLoss(loss, weight)
    groups = joint.param_groups(lr=0.05)
    assert groups[0].get("maximize", False) == (weight < 0)
    before = loss(features.detach(), labels).item()
    optimizer = torch.optim.Adam(groups)
    joint(features, features, labels).backward()
    joint(features.detach(), features.detach(), labels)
    optimizer.step()
    assert loss(features.detach(), labels).item() < before
    alone = features.detach().clone().requires_grad_()
    (weight * soft_nearest_neighbor_loss(alone, labels, temperature=4.0)).backward()
    logits = features.detach().clone().requires_grad_()
    torch.nn.functional.cross_entropy(logits, labels).backward()
    assert_close(features.grad - logits.grad, alone.grad)


def test_only_a_loss_that_makes_sense_raised_takes_a_negative_weight():
    JointLoss(SoftNearestNeighborLoss(), -0.1)
    for weight in (float("nan"), float("-inf"), float("inf")):
        with pytest.raises(ValueError, match="weight must be a finite number"):
            JointLoss(SoftNearestNeighborLoss(), weight)
    with pytest.raises(ValueError, match="weight must be a finite number of at least 0"):
        JointLoss(CenterLoss(3, 2), -0.1)


def test_nothing_is_learned_unless_asked():
    loss = SoftNearestNeighborLoss(temperature=2.0)
    assert list(loss.parameters()) == []
    assert loss.param_groups(lr=0.1) == []
    assert loss.temperature == 2.0
