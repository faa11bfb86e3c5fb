"""Eq. 11."""

import math

import pytest
import torch
from torch.testing import assert_close

from sigma2r import CenterLoss, JointLoss, SigmaSquaredRLoss
from tests.reference.center import center_loss


def cross_entropy(logits, labels):
    """Mean over samples of -log softmax, in loops."""
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        total += math.log(sum(math.exp(value) for value in row)) - row[label]
    return total / len(labels)


def example():
    features, logits = torch.randn(6, 2, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    return features, logits, torch.arange(6) % 3


def test_the_joint_loss_is_cross_entropy_plus_weight_times_the_auxiliary_loss():
    features, logits, labels = example()
    auxiliary = CenterLoss(3, 2).double()
    each = center_loss(features.tolist(), labels.tolist(), auxiliary.centers.tolist())
    expected = cross_entropy(logits.tolist(), labels.tolist()) + 0.25 * sum(each) / 6
    assert_close(JointLoss(auxiliary, 0.25)(features, logits, labels).item(), expected)


def test_the_terms_are_given_before_the_weight():
    features, logits, labels = example()
    joint = JointLoss(SigmaSquaredRLoss(3, 2).double(), 0.01)
    cross, auxiliary = joint.terms(features, logits, labels)
    assert_close(cross + 0.01 * auxiliary, joint(features, logits, labels))


def test_half_logits_are_summed_in_float32():
    features, logits, labels = (t.to(torch.bfloat16) if t.is_floating_point() else t for t in example())
    assert JointLoss(CenterLoss(3, 2), 0.1)(features, logits, labels).dtype == torch.float32


def test_parameter_groups_are_those_of_the_auxiliary_loss():
    joint = JointLoss(SigmaSquaredRLoss(3, 2), 0.01)
    assert [group["name"] for group in joint.param_groups(lr=0.1)] == ["centers", "growth"]
    assert JointLoss(torch.nn.Module(), 0.01).param_groups(lr=0.1) == []


@pytest.mark.message
@pytest.mark.parametrize("weight", [-0.1, math.inf, math.nan])
def test_a_weight_that_makes_no_sense_is_refused(weight):
    with pytest.raises(ValueError, match=r"JointLoss: weight must be a finite number of at least 0; got"):
        JointLoss(CenterLoss(3, 2), weight)


@pytest.mark.message
def test_swapped_arguments_are_refused_with_the_order():
    features, logits, labels = example()
    with pytest.raises(ValueError, match=r"JointLoss: logits must have one row .* loss\(features, logits, labels\)"):
        JointLoss(CenterLoss(3, 2), 0.1)(features, labels, logits)
