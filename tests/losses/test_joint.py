"""Eq. 11: cross-entropy plus lambda times a loss on the features."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sigma2r import CenterLoss, ContrastiveLoss, JointLoss, SigmaSquaredRLoss, SoftNearestNeighborLoss, WarmUp
from sigma2r.losses import joint as joint_module
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


def test_several_losses_are_added_each_with_its_weight():
    features, logits, labels = example()
    losses = [CenterLoss(3, 2).double(), SigmaSquaredRLoss(3, 2).double(), torch.nn.Module()]
    losses[2].forward = lambda x, y: x.square().sum()
    joint = JointLoss(losses, [0.1, 0.02, 0.5])
    cross, each = joint.terms(features, logits, labels)
    assert [float(v.detach()) for v in each] == [float(loss(features, labels).detach()) for loss in losses]
    assert_close(joint(features, logits, labels), cross + 0.1 * each[0] + 0.02 * each[1] + 0.5 * each[2])
    groups = joint.param_groups(lr=0.1)
    assert [group["name"] for group in groups] == ["centers", "centers-2", "growth"]
    assert "weight=[0.1, 0.02, 0.5]" in repr(joint)


def test_each_loss_may_see_features_of_its_own():
    features, logits, labels = example()
    losses = [CenterLoss(3, 2).double(), CenterLoss(3, 4).double()]
    wide = torch.cat([features, features.square()], dim=1)
    joint = JointLoss(losses, [0.1, 0.2])
    cross, each = joint.terms([features, wide], logits, labels)
    assert each == [losses[0](features, labels), losses[1](wide, labels)]
    assert_close(joint([features, wide], logits, labels), cross + 0.1 * each[0] + 0.2 * each[1])


def test_a_weight_may_follow_the_epoch():
    features, logits, labels = example()
    joint = JointLoss([CenterLoss(3, 2).double(), SigmaSquaredRLoss(3, 2).double()], [WarmUp(0.4, 4), 0.01])
    seen = []
    for epoch in range(6):
        joint.set_epoch(epoch)
        seen.append(list(joint.weights))
        cross, each = joint.terms(features, logits, labels)
        assert_close(joint(features, logits, labels), cross + seen[-1][0] * each[0] + 0.01 * each[1])
    assert [a for a, _ in seen] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    assert [b for _, b in seen] == [0.01] * 6
    assert WarmUp(0.4, 0)(0) == WarmUp(0.4, 1)(0) == 0.4


@pytest.mark.parametrize("readable", [True, False], ids=["labels are looked at", "labels stay unseen"])
def test_ignored_rows_have_no_part_in_the_joint_loss_and_weights_reach_both_terms(readable, monkeypatch):
    monkeypatch.setattr(joint_module, "values_are_readable", lambda tensor: readable)
    features, logits, labels = example()
    joint = JointLoss(SigmaSquaredRLoss(3, 2).double(), 0.1)
    kept = torch.tensor([1, 1, 0, 1, 1, 0], dtype=torch.bool)
    ignoring = joint(features, logits, labels.masked_fill(~kept, -100))
    assert_close(ignoring, joint(features[kept], logits[kept], labels[kept]))
    assert_close(joint(features, logits, labels, weights=torch.full((6,), 2.0)), joint(features, logits, labels))
    heavier = torch.tensor([1.0, 1.0, 3.0, 1.0, 1.0, 1.0])
    cross, each = joint.terms(features, logits, labels, weights=heavier)
    alone = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    assert_close(cross, (alone * heavier).sum() / 8)
    assert_close(each[0], joint.auxiliary(features, labels, weights=heavier))
    nothing = joint(features, logits, torch.full((6,), -100))
    assert nothing == 0
    nothing.backward()
    assert (features.grad == 0).all()


@pytest.mark.message
def test_losses_weights_and_features_must_be_as_many():
    features, logits, labels = example()
    with pytest.raises(ValueError, match=r"^JointLoss: .* a weight for each; got 2 and 1\."):
        JointLoss([CenterLoss(3, 2), CenterLoss(3, 2)], [0.1])
    with pytest.raises(ValueError, match=r"^JointLoss: .* a weight for each; got 0 and 0\."):
        JointLoss([], [])
    with pytest.raises(ValueError, match=r"^JointLoss: features must be one tensor, or one for each of the 1 .*got 2"):
        JointLoss(CenterLoss(3, 2), 0.1)([features, features], logits, labels)
    with pytest.raises(ValueError, match=r"^JointLoss: weight must be a finite number of at least 0; got -2"):
        JointLoss(CenterLoss(3, 2), lambda epoch: -2.0)


@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_joint_loss_equals_eager_code_and_follows_its_schedule():
    features, logits, labels = example()
    joint = JointLoss([CenterLoss(3, 2).double(), SigmaSquaredRLoss(3, 2).double()], [WarmUp(0.4, 2), 0.01])
    compiled = torch.compile(joint, fullgraph=True, backend="aot_eager")
    for epoch in (0, 1):
        joint.set_epoch(epoch)
        assert_close(compiled(features, logits, labels), joint(features, logits, labels))


class Network(torch.nn.Module):
    """Features and logits, as from a body and a head."""

    def __init__(self, cut=lambda features: features):
        super().__init__()
        self.body, self.head, self.cut = torch.nn.Linear(4, 2), torch.nn.Linear(2, 3), cut

    def forward(self, rows):
        features = self.body(rows)
        return self.cut(features), self.head(features)


def without_gradients(features):
    with torch.no_grad():
        return features * 1


ROWS, LABELS = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 3
cuts = pytest.mark.parametrize(
    "cut",
    [torch.Tensor.detach, without_gradients, lambda f: f.data, lambda f: torch.tensor(f.tolist()), torch.zeros_like],
    ids=["detach", "no_grad", "data", "numbers", "others"],
)
NO_GRAPH = (
    r"^JointLoss: in training features must carry the graph of the network.*; features of shape \(6, 2\) carry none"
)


@pytest.mark.message
@cuts
def test_features_without_a_graph_are_refused_in_training_and_the_remedy_is_said(cut):
    criterion, network = JointLoss(CenterLoss(3, 2), 0.1), Network(cut)
    with pytest.raises(ValueError, match=NO_GRAPH) as refused:
        criterion(*network(ROWS), LABELS)
    assert "frozen_features=True" in str(refused.value)
    with pytest.raises(ValueError, match=NO_GRAPH):
        criterion.terms(*network(ROWS), LABELS)


@pytest.mark.message
def test_of_features_of_several_layers_the_one_without_a_graph_is_named():
    criterion = JointLoss([CenterLoss(3, 2), SigmaSquaredRLoss(3, 2)], [0.1, 0.1])
    features, logits = Network()(ROWS)
    with pytest.raises(ValueError, match=r"; features\[1\] of shape \(6, 2\) carry none"):
        criterion([features, features.detach()], logits, LABELS)


@cuts
def test_features_without_a_graph_are_taken_wherever_no_network_is_trained(cut):
    criterion, network = JointLoss(CenterLoss(3, 2), 0.1), Network(cut)
    expected = criterion(*Network.forward(network.requires_grad_(False), ROWS), LABELS)  # nothing has a graph
    network.requires_grad_(True)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert_close(criterion(*network(ROWS), LABELS), expected.detach())
    assert_close(criterion.eval()(*network(ROWS), LABELS).detach(), expected.detach())


def test_a_frozen_backbone_is_said_and_then_its_head_and_the_centers_learn():
    criterion, network = JointLoss(CenterLoss(3, 2), 0.1, frozen_features=True), Network(torch.Tensor.detach)
    criterion(*network(ROWS), LABELS).backward()
    assert network.head.weight.grad.abs().max() > 0
    assert criterion.auxiliary.centers.grad.abs().max() > 0


@pytest.mark.usefixtures("fresh_compiler")
def test_the_graph_is_looked_for_in_compiled_code_too():
    criterion = JointLoss(CenterLoss(3, 2), 0.1)

    def objective(network):
        return criterion(*network(ROWS), LABELS)

    compiled = torch.compile(objective, fullgraph=True, backend="aot_eager")
    network = Network()
    assert_close(compiled(network), objective(network))
    network.cut = torch.Tensor.detach
    with pytest.raises((RuntimeError, ValueError), match="in training features must carry the graph"):
        compiled(network)


@pytest.mark.parametrize("ignored", [-1, 255, 2])
def test_the_joint_loss_ignores_what_its_losses_ignore(ignored):
    features, logits, labels = example()
    criterion = JointLoss(
        [SigmaSquaredRLoss(3, 2, ignore_index=ignored).double(), ContrastiveLoss(ignore_index=ignored)], [0.1, 0.2]
    )
    assert criterion.ignore_index == ignored
    kept = torch.tensor([1, 1, 0, 1, 1, 0], dtype=torch.bool)
    some = labels.masked_fill(~kept, ignored)
    assert_close(criterion(features, logits, some), criterion(features[kept], logits[kept], labels[kept]))
    assert JointLoss(CenterLoss(3, 2, ignore_index=ignored), 0.1, ignore_index=ignored).ignore_index == ignored
    wrapped = torch.nn.Sequential(CenterLoss(3, 2, ignore_index=ignored))
    assert JointLoss(wrapped, 0.1).ignore_index == ignored
    assert JointLoss(torch.nn.Module(), 0.1, ignore_index=ignored).ignore_index == ignored
    assert JointLoss(torch.nn.Module(), 0.1).ignore_index == -100


@pytest.mark.message
@pytest.mark.parametrize(
    ("losses", "asked", "told"),
    [
        ([CenterLoss(3, 2)], -1, r"ignore_index=-1 beside -100 \(CenterLoss\)"),
        ([CenterLoss(3, 2, ignore_index=-1)], -100, r"ignore_index=-100 beside -1 \(CenterLoss\)"),
        ([SoftNearestNeighborLoss()], 255, r"ignore_index=255 beside -100 \(SoftNearestNeighborLoss\)"),
        ([torch.nn.Sequential(CenterLoss(3, 2))], -1, r"ignore_index=-1 beside -100 \(CenterLoss\)"),
        (
            [CenterLoss(3, 2, ignore_index=-1), SigmaSquaredRLoss(3, 2)],
            None,
            r"ignore_index=-1 \(CenterLoss\), -100 \(SigmaSquaredRLoss\)",
        ),
        (
            [CenterLoss(3, 2), CenterLoss(3, 2, ignore_index=0)],
            0,
            r"ignore_index=0 beside -100 \(CenterLoss\), 0 \(CenterLoss\)",
        ),
    ],
)
def test_losses_that_ignore_other_labels_are_refused_when_the_joint_loss_is_built(losses, asked, told):
    with pytest.raises(
        ValueError, match=rf"^JointLoss: all losses and the cross-entropy must .*; got {told}\. Give each"
    ):
        JointLoss(losses, [0.1] * len(losses), ignore_index=asked)


class _Others(torch.nn.Module):
    """A loss of another library: every label is a class."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, features, labels, weights=None):
        self.seen.append((features.shape[0], labels.tolist(), None if weights is None else weights.tolist()))
        return features.square().sum() if weights is None else (features.square().sum(1) * weights).sum()


@pytest.mark.parametrize("ignored", [-100, -1, 2])
@pytest.mark.parametrize("weighed", [False, True])
def test_a_loss_that_knows_no_ignored_label_is_given_the_other_rows(ignored, weighed):
    others = _Others()
    criterion = JointLoss([others, CenterLoss(3, 2, ignore_index=ignored)], [0.5, 0.1], ignore_index=ignored)
    features, logits = torch.randn(5, 2, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    labels, weights = torch.tensor([0, ignored, 1, ignored, 1]), torch.arange(5.0) if weighed else None
    _, (value, _) = criterion.terms(features, logits, labels, weights=weights)
    assert others.seen == [(3, [0, 1, 1], [0.0, 2.0, 4.0] if weighed else None)]
    factors = weights if weighed else torch.ones(5)
    torch.testing.assert_close(value, sum(features[i].square().sum() * factors[i] for i in (0, 2, 4)))
    (of_others,) = torch.autograd.grad(value, features)
    assert not of_others[[1, 3]].any()
    _, (value, _) = criterion.terms(features, logits, torch.full((5,), ignored))
    assert len(others.seen) == 1
    assert value == 0
    assert value.requires_grad


@pytest.mark.message
@pytest.mark.parametrize(
    "container",
    [
        lambda: torch.nn.Sequential(CenterLoss(3, 4), SigmaSquaredRLoss(3, 4)),
        lambda: torch.nn.Sequential(),
        lambda: torch.nn.ModuleDict({"center": CenterLoss(3, 4)}),
        lambda: torch.nn.ModuleDict(),
        lambda: torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(2))]),
        lambda: [torch.nn.ModuleList([CenterLoss(3, 4)])],
    ],
)
def test_containers_that_cannot_be_called_are_refused_when_the_loss_is_built(container):
    with pytest.raises(
        ValueError, match=r"^JointLoss: auxiliary must be a loss that is called .*\. Give its losses in a"
    ):
        JointLoss(container(), 0.1)


@pytest.mark.parametrize("kind", [int, torch.tensor, np.int64, np.int32, np.array])
def test_whatever_integer_says_which_label_a_loss_ignores_is_heard(kind):
    class Foreign(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.ignore_index = kind(-7)

        def forward(self, features, labels):
            self.seen = len(labels)
            return features.sum()

    loss = Foreign()
    joint = JointLoss(loss, 0.1)
    assert joint.ignore_index == -7
    assert type(joint.ignore_index) is int
    joint(torch.randn(4, 2), torch.randn(4, 3), torch.tensor([0, 1, -7, 2]))
    assert loss.seen == 4  # it leaves them out itself
    with pytest.raises(
        ValueError, match=r"must ignore the same label; got ignore_index=-7 \(Foreign\), -1 \(CenterLoss\)"
    ):
        JointLoss([loss, CenterLoss(3, 2, ignore_index=-1)], [0.1, 0.1])


def test_features_that_are_learned_themselves_are_taken_whatever_the_logits_are_made_of():
    features, head = torch.randn(4, 2).requires_grad_(), torch.nn.Linear(2, 3)
    JointLoss(CenterLoss(3, 2), 0.1)(features, head(features), torch.arange(4) % 3).backward()
    assert features.grad.abs().max() > 0


@pytest.mark.message
@pytest.mark.parametrize("wrapped", [lambda loss: loss, lambda loss: [CenterLoss(3, 2), loss], torch.compile])
def test_a_joint_loss_is_no_loss_beside_another(wrapped):
    inner = wrapped(JointLoss(CenterLoss(3, 2), 0.1))
    message = r"^JointLoss: auxiliary must be a loss that is called with features and labels; got a JointLoss, which"
    with pytest.raises(ValueError, match=message):
        JointLoss(inner, [0.1] * (len(inner) if isinstance(inner, list) else 1))


@pytest.mark.message
@pytest.mark.parametrize("kind", [CenterLoss, SigmaSquaredRLoss, partial(CenterLoss, center_update="average")])
def test_one_loss_twice_is_refused_and_so_are_losses_that_share_what_they_learn(kind):
    loss, other = kind(3, 2), CenterLoss(3, 2)
    sentence = (
        r"^JointLoss: no two losses may share what they learn; auxiliary\[0\] and auxiliary\[2\] share centers\. B"
    )
    with pytest.raises(ValueError, match=sentence):
        JointLoss([loss, other, loss], [0.1, 0.1, 0.1])
    twin = SigmaSquaredRLoss(3, 2)
    twin.centers = other.centers
    with pytest.raises(ValueError, match=sentence):
        JointLoss([twin, loss, other], [0.1, 0.1, 0.1])


def test_a_loss_that_learns_nothing_may_serve_two_layers_and_what_rests_may_be_shared():
    once = SoftNearestNeighborLoss()
    assert JointLoss([once, once], [0.1, 0.1]).param_groups(lr=0.1) == []
    first, second = CenterLoss(3, 2), CenterLoss(3, 2)
    second.centers = first.centers.requires_grad_(False)
    assert len(JointLoss([first, second], [0.1, 0.1]).auxiliaries) == 2
