"""What a joint loss takes beside class indices: soft targets, arrays; and what it says of arguments that do not fit."""

import math

import pytest
import torch
from torch.nn.functional import one_hot
from torch.testing import assert_close

from sigma2r import CenterLoss, ContrastiveLoss, JointLoss, SigmaSquaredRLoss
from tests.losses.test_joint import cross_entropy, example


def soft_cross_entropy(logits: list[list[float]], targets: list[list[float]]) -> float:
    """Mean over samples of -sum of share times log softmax, in loops."""
    total = 0.0
    for row, shares in zip(logits, targets, strict=True):
        normalizer = math.log(sum(math.exp(value) for value in row))
        total += sum(share * (normalizer - value) for share, value in zip(shares, row, strict=True))
    return total / len(targets)


def mixture(seed: int = 1) -> torch.Tensor:
    """Shares of three classes for six samples."""
    return torch.rand(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).softmax(1)


def test_targets_are_for_the_cross_entropy_and_labels_for_the_losses_beside_it():
    features, logits, labels = example()
    joint = JointLoss([CenterLoss(3, 2).double(), ContrastiveLoss()], [0.25, 0.5])
    soft, other = mixture(), (labels + 1) % 3
    cross, each = joint.terms(features, logits, labels, targets=soft)
    assert cross.item() == pytest.approx(soft_cross_entropy(logits.tolist(), soft.tolist()), rel=1e-12)
    assert each == [loss(features, labels) for loss in joint.auxiliaries]
    assert joint(features, logits, labels, targets=soft) == joint.total(cross, each)
    hard, each = joint.terms(features, logits, labels, targets=other)
    assert hard.item() == pytest.approx(cross_entropy(logits.tolist(), other.tolist()), rel=1e-12)
    assert each == [loss(features, labels) for loss in joint.auxiliaries]
    hot = one_hot(labels, 3)
    for targets in (hot, hot.half(), hot.double()):
        assert_close(joint(features, logits, labels, targets=targets), joint(features, logits, labels))


def test_targets_have_their_gradient_and_rows_of_no_class_keep_theirs():
    features, logits, labels = example()
    joint = JointLoss(CenterLoss(3, 2).double(), 0.25)
    soft, mixed = mixture().requires_grad_(), torch.tensor([0, 1, 1, 0, 0, 1], dtype=torch.bool)
    joint(features, logits, labels.masked_fill(mixed, -100), targets=soft).backward()
    assert_close(logits.grad, ((logits.softmax(1) - soft) / 6).detach(), atol=1e-12, rtol=1e-9)
    assert_close(soft.grad, (-logits.log_softmax(1) / 6).detach())
    assert (features.grad[mixed] == 0).all()
    assert (features.grad[~mixed] != 0).all()


def test_weights_and_precision_of_soft_targets_are_those_of_hard_ones():
    features, logits, labels = example()
    joint, hot, weights = JointLoss(CenterLoss(3, 2).double(), 0.25), one_hot(labels, 3), torch.arange(6.0)
    weighted = joint(features, logits, labels, targets=hot, weights=weights)
    assert_close(weighted, joint(features, logits, labels, weights=weights))
    empty = joint(features[:0], logits[:0], labels[:0], targets=hot[:0])
    assert empty == 0
    empty.backward()
    assert (logits.grad == 0).all()
    narrow = JointLoss(CenterLoss(3, 2), 0.25)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = narrow(features.float(), logits.bfloat16(), labels, targets=mixture())
    assert inside.dtype == torch.float32
    assert torch.equal(inside, narrow(features.float(), logits.bfloat16().float(), labels, targets=mixture().float()))


def test_mixup_is_the_same_as_the_shares_of_two_losses():
    """lambda times the loss of one label and the rest times that of the other, as mixup is often written."""
    features, logits, labels = example()
    joint, other, share = JointLoss(CenterLoss(3, 2).double(), 0.25), (labels + 1) % 3, 0.3
    targets = share * one_hot(labels, 3) + (1 - share) * one_hot(other, 3)
    cross, _ = joint.terms(features, logits, labels, targets=targets)
    expected = share * joint.terms(features, logits, labels)[0] + (1 - share) * joint.terms(features, logits, other)[0]
    assert_close(cross, expected)


@pytest.mark.message
def test_soft_labels_go_to_the_cross_entropy_and_losses_that_want_a_class_say_so():
    features, logits, labels = example()
    who = "center_loss"
    with pytest.raises(
        ValueError, match=rf"^{who}: labels must hold .*soft labels.*JointLoss takes shares, as targets=\.\.\."
    ):
        JointLoss(CenterLoss(3, 2), 0.1)(features, logits, mixture())
    shrink = torch.nn.Module()
    shrink.forward = lambda x, y: x.square().sum()  # does not look at labels
    cross, _ = JointLoss(shrink, 0.1).terms(features, logits, mixture())
    assert cross.item() == pytest.approx(soft_cross_entropy(logits.tolist(), mixture().tolist()), rel=1e-12)
    joint = JointLoss(CenterLoss(3, 2), 0.1)
    message = (
        r"^JointLoss: targets must be shares of classes, with the shape of logits, \(6, 3\), or class indices, shape "
    )
    for targets, shape in ((mixture()[:, :2], r"\(6, 2\)"), (mixture()[:5], r"\(5, 3\)")):
        with pytest.raises(ValueError, match=rf"{message}\(6,\); got {shape}\.$"):
            joint(features, logits, labels, targets=targets)
    with pytest.raises(
        ValueError, match=r"^JointLoss: labels must hold .* got \(6, 3\)\. Did you mean labels\.argmax\(1\)\?$"
    ):
        joint(features, logits, one_hot(labels, 3))


@pytest.mark.message
def test_exchanged_arguments_are_told_by_name():
    features, logits, labels = example()
    joint = JointLoss([ContrastiveLoss(), CenterLoss(3, 2)], [0.1, 0.1])
    for given, names in (
        ((logits, features, labels), "features and logits"),
        ((labels, logits, features), "features and labels"),
        ((features, labels, logits), "logits and labels"),
        ((labels, features, logits), "features, logits and labels"),
        ((logits, features, mixture()), "features and logits"),
        ((labels.tolist(), logits, features), "features and labels"),
        ((features, labels.numpy(), logits), "logits and labels"),
    ):
        with pytest.raises(
            ValueError, match=rf"^JointLoss: {names} are exchanged, .* The order is loss\(features, logits"
        ):
            joint(*given)


@pytest.mark.message
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, z, y: ((f, z), z, y), r"features must be one .* got 2\. Does the network return both\? Then fea"),
        (lambda f, z, y: ([f, f], z, y), r"features must be one tensor, or one for each of the 1 .* losses; got 2\.$"),
        (lambda f, z, y: (f.detach().numpy(), z, y), r"features must be a tensor; got a numpy\.ndarray .* No grad"),
        (lambda f, z, y: (f.tolist(), z, y), r"features must be a tensor; got a list of 6 lists\. No gradient runs"),
        (
            lambda f, z, y: ({"fc": f}, z, y),
            r"features must be a tensor; .* Give one of its values, such as features\['fc'\]\.$",
        ),
        (lambda f, z, y: (None, z, y), r"features must be a tensor; got None\.$"),
        (lambda f, z, y: (f, z.tolist(), y), r"logits must be a tensor; got a list of 6 lists\. No gradient runs"),
        (lambda f, z, y: (f, None, y), r"logits must be a tensor; got None\.$"),
        (
            lambda f, z, y: (f, z, None),
            r"labels must be given; got none\. The order is loss\(features, logits, labels\)\.$",
        ),
        (
            lambda f, z, y: ((f, z), y),
            r"labels must be given; .* labels\)\. Does the network return several\? Then feat",
        ),
        (lambda f, z, y: (z, y), r"labels must be given; got none\. The order is loss\(features, logits, labels\)\.$"),
        (lambda f, z, y: (f, z, ["a"] * 6), r"labels must be numbers, not texts; got a list of 6 texts\. Number the "),
        (lambda f, z, y: (f, z, y[:, None]), r"labels must .* got \(6, 1\)\. Did you mean labels\.squeeze\(1\)\?$"),
        (lambda f, z, y: (f, z[:, :2], y), r"labels must lie in \[0, 2\), one index for each column of logits, or be"),
    ],
)
def test_a_joint_loss_recognises_what_came_before_it_advises(change, message):
    with pytest.raises(ValueError, match=f"^JointLoss: {message}"):
        JointLoss(CenterLoss(3, 2).double(), 0.1)(*change(*example()))


@pytest.mark.message
def test_labels_and_weights_may_be_lists_or_arrays():
    features, logits, labels = example()
    joint, weights = JointLoss(CenterLoss(3, 2).double(), 0.1), torch.arange(6.0)
    expected = joint(features, logits, labels, weights=weights)
    for form in (torch.Tensor.tolist, torch.Tensor.numpy):
        assert joint(features, logits, form(labels), weights=form(weights)) == expected
        targeted = joint(features, logits, labels, targets=form(one_hot(labels, 3)), weights=weights)
        assert_close(targeted, expected)
    with pytest.raises(
        ValueError, match=r"^JointLoss: weights must hold .* Weights of classes\? Then weights\[labels\]\.$"
    ):
        joint(features, logits, labels, weights=[1.0, 2.0, 3.0])


@pytest.mark.usefixtures("fresh_compiler")
def test_compiled_joint_loss_takes_soft_targets():
    features, logits, labels = example()
    joint = JointLoss(SigmaSquaredRLoss(3, 2).double(), 0.1)
    compiled = torch.compile(joint, fullgraph=True, backend="aot_eager")
    assert_close(
        compiled(features, logits, labels, targets=mixture()), joint(features, logits, labels, targets=mixture())
    )


@pytest.mark.message
@pytest.mark.parametrize("name", ["labels", "targets"])
@pytest.mark.parametrize(
    ("rows", "got"),
    [
        (
            [[0.5, 0.7, -0.2]],
            r"values from -0\.2 to 1 and sums from 1 to 1\. Are these logits\? Then {name}\.softmax",
        ),
        ([[1.0, 1.0, 0.0]], r"values from 0 to 1 and sums from 1 to 2\. Samples of several classes\? Then {name} / "),
        ([[0.0, 0.0, 0.0]], r"values from 0 to 1 and sums from 0 to 1\. Samples of several classes\? .* weight 0\.$"),
        ([[2.0, 3.0, 4.0]], r"values from 0 to 4 and sums from 1 to 9\. Are these logits\?"),
        ([[0.3, 0.3, 0.3]], r"values from 0 to 1 and sums from 0\.9 to 1\. "),
        ([[math.nan, 0.5, 0.5]], r"NaN or infinite values\.$"),
        ([[math.inf, 0.0, 0.0]], r"NaN or infinite values\.$"),
        ([[-math.inf, 0.0, 0.0]], r"NaN or infinite values\.$"),
        ([[math.inf, -math.inf, 0.0]], r"NaN or infinite values\.$"),
    ],
)
def test_what_is_no_shares_is_refused_whatever_torch_makes_of_it(rows, got, name):
    joint, features, logits = JointLoss(Blind(), 0.1), torch.randn(2, 4), torch.randn(2, 3)
    wrong = torch.tensor([*rows, [0.0, 1.0, 0.0]])
    known = {"labels": wrong} if name == "labels" else {"labels": torch.tensor([0, 1]), "targets": wrong}
    told = rf"^JointLoss: {name} must be shares of classes, none below 0 .*; got {got.replace('{name}', name)}"
    with pytest.raises(ValueError, match=told):
        joint(features, logits, **known)
    if name == "targets" and wrong.isfinite().all() and torch.equal(wrong, wrong.round()):
        for whole in (wrong.long(), wrong.int().numpy(), wrong.tolist()):
            with pytest.raises(ValueError, match=told):
                joint(features, logits, labels=[0, 1], targets=whole)


class Blind(torch.nn.Module):
    """A loss that asks nothing of labels."""

    def forward(self, features, labels):
        return features.sum()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("num_classes", [3, 1000])
def test_shares_that_are_rounded_by_their_dtype_or_written_with_two_digits_are_taken(dtype, num_classes, generator):
    joint, logits = JointLoss(Blind(), 0.1), torch.randn(6, num_classes, generator=generator)
    labels = torch.arange(6) % 3
    soft = torch.randn(6, num_classes, generator=generator, dtype=torch.float64).mul(3).softmax(1).to(dtype)
    hot = one_hot(labels, num_classes).to(dtype)
    for targets in (soft, 0.9 * hot + 0.1 / num_classes, 0.3 * soft + 0.7 * hot, soft.requires_grad_(), hot.long()):
        assert joint(torch.randn(6, 4), logits, labels, targets=targets).isfinite()
    written = torch.tensor([[0.33, 0.33, 0.33]]).to(dtype)
    assert joint(torch.randn(1, 4), torch.randn(1, 3), torch.tensor([0]), targets=written).isfinite()
    with torch.no_grad():
        joint(torch.randn(0, 4), logits[:0], labels[:0], targets=soft[:0])


@pytest.mark.message
@pytest.mark.parametrize(
    "rows",
    [
        torch.ones(4, 3).long(),
        torch.zeros(4, 3).int(),
        torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]),
        torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]).bool(),
        torch.tensor([[1, 2, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]),
        torch.tensor([[0, 0, 2], [0, 0, 2], [0, 0, 2], [0, 0, 2]]),
        torch.tensor([[1, -1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]).tolist(),
    ],
    ids=["ones", "zeros", "multi-hot", "mask", "counts", "twos", "list"],
)
@pytest.mark.parametrize("loss", [CenterLoss(3, 4), JointLoss(CenterLoss(3, 4), 0.1)])
def test_rows_of_several_classes_or_none_are_not_advised_to_take_one_of_them(rows, loss):
    given = (torch.randn(4, 4), torch.randn(4, 3), rows) if isinstance(loss, JointLoss) else (torch.randn(4, 4), rows)
    with pytest.raises(
        ValueError, match=r"got \(4, 3\)\. These are no one-hot rows, .* labelled with the ignore_index\."
    ):
        loss(*given)
    hot = one_hot(torch.arange(4) % 3, 3)
    with pytest.raises(ValueError, match=r"Did you mean labels\.argmax\(1\)\?$"):
        loss(*given[:-1], hot)
    with pytest.raises(ValueError, match=r"Did you mean labels\.int\(\)\.argmax\(1\)\?$"):
        loss(*given[:-1], hot.bool())
