"""Eq. 11: cross-entropy plus lambda times a loss on the features."""

import math

import pytest
import torch
from torch.testing import assert_close

from sigma2r import CenterLoss, JointLoss, SigmaSquaredRLoss
from tests.losses.cases import as_lists
from tests.reference.center import center_loss


def cross_entropy(logits: list[list[float]], labels: list[int]) -> float:
    """Mean over samples of -log softmax, in loops."""
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        total += math.log(sum(math.exp(value) for value in row)) - row[label]
    return total / len(labels)


def example(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(6, 2, dtype=torch.float64, generator=generator)
    logits = torch.randn(6, 3, dtype=torch.float64, generator=generator)
    return features.requires_grad_(), logits.requires_grad_(), torch.arange(6) % 3


def test_the_joint_loss_is_cross_entropy_plus_weight_times_the_auxiliary_loss():
    features, logits, labels = example()
    auxiliary = CenterLoss(3, 2).double()
    each = center_loss(*as_lists([features, labels, auxiliary.centers]))
    expected = cross_entropy(logits.tolist(), labels.tolist()) + 0.25 * sum(each) / 6
    assert JointLoss(auxiliary, 0.25)(features, logits, labels).item() == pytest.approx(expected, rel=1e-12)


def test_features_and_logits_each_get_the_gradient_of_their_own_term():
    features, logits, labels = example()
    auxiliary = CenterLoss(3, 2).double()
    JointLoss(auxiliary, 0.25)(features, logits, labels).backward()
    own = auxiliary.centers.detach()[labels]
    assert_close(features.grad, 0.25 / 6 * (features.detach() - own))
    one_hot = torch.nn.functional.one_hot(labels, 3)
    assert_close(logits.grad, (logits.detach().softmax(1) - one_hot) / 6)


def test_the_terms_are_given_before_the_weight():
    features, logits, labels = example()
    joint = JointLoss(SigmaSquaredRLoss(3, 2).double(), 0.01)
    cross, auxiliary = joint.terms(features, logits, labels)
    assert cross.item() == pytest.approx(cross_entropy(logits.tolist(), labels.tolist()), rel=1e-12)
    assert auxiliary == [joint.auxiliary(features, labels)]
    assert_close(cross + 0.01 * auxiliary[0], joint(features, logits, labels))
    assert joint.total(cross, auxiliary) == joint(features, logits, labels)


def test_weight_zero_trains_the_classifier_alone():
    features, logits, labels = example()
    joint = JointLoss(CenterLoss(3, 2).double(), 0.0)
    joint(features, logits, labels).backward()
    assert (features.grad == 0).all()
    assert (logits.grad != 0).all()


def test_an_empty_batch_costs_nothing_and_stays_in_the_graph():
    features, logits, labels = example()
    joint = JointLoss(SigmaSquaredRLoss(3, 2).double(), 0.1)
    loss = joint(features[:0], logits[:0], labels[:0])
    assert loss == 0
    loss.backward()
    assert (features.grad == 0).all()
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_half_logits_are_summed_in_float32(half):
    features, logits, labels = example()
    joint = JointLoss(CenterLoss(3, 2), 0.1)
    loss = joint(features.to(half), logits.to(half), labels)
    assert loss.dtype == torch.float32
    assert_close(loss, joint(features.to(half).float(), logits.to(half).float(), labels))


def test_autocast_does_not_lower_the_precision():
    features, logits, labels = example()
    joint = JointLoss(SigmaSquaredRLoss(3, 2), 0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = joint(features.float(), logits.float(), labels)
    assert torch.equal(inside, joint(features.float(), logits.float(), labels))


def test_parameter_groups_and_parameters_are_those_of_the_auxiliary_loss():
    joint = JointLoss(SigmaSquaredRLoss(3, 2), 0.01)
    groups = joint.param_groups(lr=0.1)
    assert [group["name"] for group in groups] == ["centers", "growth"]
    assert [p for group in groups for p in group["params"]] == list(joint.parameters())
    assert JointLoss(torch.nn.Module(), 0.01).param_groups(lr=0.1) == []
    assert "weight=0.01" in repr(joint)


@pytest.mark.message
@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_a_weight_that_makes_no_sense_is_refused(weight):
    with pytest.raises(ValueError, match=rf"^JointLoss: weight must be a finite number of at least 0; got {weight}\."):
        JointLoss(CenterLoss(3, 2), weight)


@pytest.mark.message
def test_swapped_arguments_are_refused_with_the_order():
    features, logits, labels = example()
    joint = JointLoss(CenterLoss(3, 2), 0.1)
    for swapped, shape in ((labels, r"\(6,\)"), (logits[:5], r"\(5, 3\)")):
        with pytest.raises(
            ValueError, match=rf"^JointLoss: logits must .* shape \(6, C\); got {shape}\. The order is loss\(features, "
        ):
            joint(features, swapped, labels)
