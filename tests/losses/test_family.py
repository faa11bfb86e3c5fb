"""What belongs to single losses of the family: their pushes, their searches, what they hold in memory."""

import pytest
import torch
from torch.testing import assert_close

from sigma2r import functional
from sigma2r.losses import triplet_center
from tests.losses.cases import make_batch
from tests.losses.memory import Memory


def test_what_the_paper_prints_as_a_simplification_of_git_is_minus_the_gradient_of_its_push():
    """Eq. 4 of arXiv 2009.08796: 2 (x_i - c_{y_j}) / (1 + (x_i - c_{y_j})^2)^2, summed over j != i."""
    batch = make_batch(grad=True)
    x, y, c = (batch[name] for name in ("features", "labels", "centers"))
    push = functional.git_loss(x, y, c, center_weight=0.0, push_weight=1.0, reduction="sum")
    (gradient,) = torch.autograd.grad(push, x)
    printed = torch.zeros_like(x)
    for i in range(len(y)):
        for j in range(len(y)):
            if i != j:
                apart = x[i] - c[y[j]]
                printed[i] += 2 * apart / (1 + apart.square().sum()) ** 2
    assert gradient.abs().min() > 0
    assert_close(gradient, -printed)


@pytest.mark.parametrize("chunk", [1, 7, 40, 10_000])
def test_the_nearest_other_center_is_found_in_chunks_of_any_size(chunk, monkeypatch):
    batch = make_batch([i % 9 for i in range(30)], num_classes=9)
    inputs = [batch[name] for name in ("features", "labels", "centers")]
    distances = torch.cdist(inputs[0], inputs[2])
    distances[torch.arange(30), inputs[1]] = torch.inf
    monkeypatch.setattr(triplet_center, "_CHUNK", chunk)
    assert torch.equal(triplet_center.nearest_other_center(*inputs), distances.argmin(1))


def test_the_nearest_other_center_is_sought_among_classes_that_are_absent_from_the_batch():
    features, labels = torch.zeros(2, 2), torch.tensor([0, 1])
    centers = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.5, 0.0]])
    nearest = triplet_center.nearest_other_center(features, labels, centers)
    assert nearest.tolist() == [2, 2]
    value = functional.triplet_center_loss(features, labels, centers, margin=5.0, reduction="none")
    assert_close(value, torch.tensor([5 + 0.5 - 0.125, 5 + 4.5 - 0.125]))


def test_a_hinge_that_is_met_costs_nothing_and_has_no_gradient():
    features = torch.tensor([[0.1, 0.0], [9.9, 0.0]], requires_grad=True)
    labels, centers = torch.tensor([0, 1]), torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    value = functional.triplet_center_loss(features, labels, centers, margin=5.0)
    assert value == 0
    value.backward()
    assert (features.grad == 0).all()


def test_contrastive_center_holds_no_distances_of_samples_to_classes():
    batch = make_batch([i % 500 for i in range(64)], num_classes=500, feature_dim=4, dtype=torch.float32)
    inputs = [batch[name] for name in ("features", "labels", "centers")]
    with Memory() as memory:
        functional.contrastive_center_loss(*inputs)
    assert memory.largest <= inputs[2].nbytes < 4 * 64 * 500


def test_contrastive_center_falls_with_the_number_of_classes_unless_it_is_taken_per_class():
    generator = torch.Generator().manual_seed(0)
    values = {}
    for num_classes in (10, 1000):
        features, labels = torch.randn(50, 8, generator=generator), torch.arange(50) % 10
        centers = torch.randn(num_classes, 8, generator=generator)
        for per_class in (False, True):
            values[num_classes, per_class] = float(
                functional.contrastive_center_loss(features, labels, centers, per_class=per_class)
            )
    assert values[10, False] / values[1000, False] == pytest.approx(999 / 9, rel=0.3)
    assert values[10, True] / values[1000, True] == pytest.approx(1, rel=0.3)


def test_git_holds_distances_to_the_centers_of_the_batch_alone():
    batch = make_batch(list(range(32)), num_classes=5000, feature_dim=4, dtype=torch.float32)
    inputs = [batch[name] for name in ("features", "labels", "centers")]
    with Memory() as memory:
        functional.git_loss(*inputs, center_weight=1.0, push_weight=1.0)
    assert memory.largest <= inputs[2].nbytes < 4 * 32 * 5000


def test_soft_nearest_neighbor_keeps_value_and_gradient_where_everything_underflows():
    features = torch.tensor([[0.0], [40.0], [41.0]], requires_grad=True)
    value = functional.soft_nearest_neighbor_loss(features, torch.tensor([0, 0, 1]), reduction="none")
    assert_close(value.detach(), torch.tensor([0.0, 1599.0, 0.0]), rtol=1e-6, atol=1e-6)
    value[1].backward()
    assert features.grad.abs().max() > 70


def test_soft_nearest_neighbor_keeps_the_digits_of_a_value_near_zero():
    features, labels = torch.tensor([[0.0], [0.1], [5.0], [5.1]], dtype=torch.float64), torch.tensor([0, 0, 1, 1])
    exact = functional.soft_nearest_neighbor_loss(features, labels, reduction="none")
    assert exact.max() < 1e-9
    rounded = functional.soft_nearest_neighbor_loss(features.float(), labels, reduction="none")
    assert_close(rounded, exact.float(), rtol=1e-4, atol=0)
