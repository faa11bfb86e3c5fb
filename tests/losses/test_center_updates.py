"""How centers move: by the gradient of an optimizer, by sparse gradients, by Wen et al.'s average."""

import pytest
import torch
from torch.testing import assert_close

from sigma2r import CenterLoss, JointLoss, SigmaSquaredRLoss
from sigma2r.functional import average_step

BATCH = torch.tensor([[2.0, 0.0], [4.0, 0.0], [0.0, 8.0], [9.0, 9.0]]), torch.tensor([0, 0, 0, 1])
both_modules = pytest.mark.parametrize("module", [CenterLoss, SigmaSquaredRLoss])


def wen(features, labels, centers, alpha):
    """Eq. 4 of Wen et al. 2016 and the step that follows it, one class at a time."""
    moved = []
    for j, center in enumerate(centers):
        mine = [x for x, y in zip(features, labels, strict=True) if y == j]
        delta = [sum(c - x[axis] for x in mine) / (1 + len(mine)) for axis, c in enumerate(center)]
        moved.append([c - alpha * d for c, d in zip(center, delta, strict=True)])
    return torch.tensor(moved)


def features_that_learn() -> tuple[torch.Tensor, torch.Tensor]:
    return BATCH[0].clone().requires_grad_(), BATCH[1]


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_average_moves_centers_by_the_rule_of_wen_et_al(alpha, generator):
    loss = CenterLoss(3, 2, center_update="average", alpha=alpha, generator=generator)
    expected = wen(BATCH[0].tolist(), BATCH[1].tolist(), loss.centers.tolist(), alpha)
    start = loss.centers.clone()
    features, labels = features_that_learn()
    value = loss(features, labels)
    assert torch.equal(loss.centers, start)  # not before the backward pass
    value.backward()
    assert_close(loss.centers.detach(), expected)
    assert torch.equal(loss.centers[2], start[2])  # an absent class
    assert not torch.equal(loss.centers[:2], start[:2])
    assert_close(features.grad, (features.detach() - start[labels]) / 4)  # of the centers that the forward pass saw


def test_a_center_of_three_samples_steps_three_quarters_of_the_way_to_their_mean():
    centers = torch.tensor([[0.0, 0.0], [9.0, 9.0]])
    assert_close(average_step(*BATCH, centers, 1.0), torch.tensor([[-1.5, -2.0], [0.0, 0.0]]))


@pytest.mark.parametrize("weight", [1e-6, 0.01, 100.0])
def test_average_does_not_depend_on_the_weight_of_the_loss(weight, generator):
    loss = CenterLoss(3, 2, center_update="average", generator=generator)
    expected = loss.centers.detach() - average_step(*BATCH, loss.centers, 0.5)
    features, labels = features_that_learn()
    JointLoss(loss, weight)(features, torch.zeros(4, 3, requires_grad=True), labels).backward()
    assert torch.equal(loss.centers.detach(), expected)


def test_average_does_not_move_in_evaluation_mode_nor_without_gradients_nor_without_a_backward_pass():
    loss = CenterLoss(3, 2, center_update="average")
    start = loss.centers.clone()
    features, labels = features_that_learn()
    loss(features, labels)
    with torch.no_grad():
        loss(features, labels)
    loss(BATCH[0], labels)  # nothing that learns
    loss.eval()(features, labels).backward()
    assert torch.equal(loss.centers, start)
    loss.train()(features, labels).backward()
    assert not torch.equal(loss.centers, start)


def test_average_moves_once_a_forward_pass_and_at_each_part_of_an_accumulated_batch():
    loss = CenterLoss(3, 2, center_update="average")
    features, labels = features_that_learn()
    value = loss(features, labels)
    value.backward(retain_graph=True)
    once = loss.centers.clone()
    value.backward()
    assert torch.equal(loss.centers, once)
    for part in (slice(0, 2), slice(2, 4)):
        expected = loss.centers - average_step(BATCH[0][part], labels[part], loss.centers, 0.5)
        loss(features[part], labels[part]).backward()
        assert torch.equal(loss.centers, expected)


def test_average_leaves_out_ignored_rows_and_gives_the_optimizer_nothing():
    loss, twin = (
        CenterLoss(3, 2, center_update="average", generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    features, labels = features_that_learn()
    loss(features, labels.masked_fill(torch.tensor([0, 1, 0, 0]).bool(), -100)).backward()
    twin(features[[0, 2, 3]], labels[[0, 2, 3]]).backward()
    assert torch.equal(loss.centers, twin.centers)
    assert loss.param_groups(lr=0.1) == []
    assert set(loss.state_dict()) == {"centers"}


def moved_while_absent(optimizer_of, steps_before: int) -> bool:
    """Whether the center of a class moves in a step on a batch without it, after some steps on batches with it."""
    loss = CenterLoss(3, 2, generator=torch.Generator().manual_seed(0))
    optimizer = optimizer_of(loss)
    labels = [torch.tensor([0, 1, 2, 2])] * steps_before + [torch.tensor([0, 1, 1, 0])]
    for batch in labels:
        before = loss.centers[2].detach().clone()
        optimizer.zero_grad()
        loss(BATCH[0], batch).backward()
        optimizer.step()
    return not torch.equal(loss.centers[2].detach(), before)


@pytest.mark.parametrize(
    ("name", "optimizer_of", "never_seen", "seen_before"),
    [
        ("SGD", lambda loss: torch.optim.SGD(loss.param_groups(lr=0.1)), False, False),
        ("momentum", lambda loss: torch.optim.SGD(loss.param_groups(lr=0.1), momentum=0.9), False, True),
        ("Adam", lambda loss: torch.optim.Adam(loss.param_groups(lr=0.1)), False, True),
        ("AdamW", lambda loss: torch.optim.AdamW(loss.param_groups(lr=0.1), weight_decay=0.1), False, True),
        ("decay", lambda loss: torch.optim.SGD(loss.parameters(), lr=0.1, weight_decay=0.1), True, True),
    ],
    ids=["SGD", "momentum", "Adam", "AdamW with param_groups", "weight decay without param_groups"],
)
def test_what_optimizers_do_to_a_class_that_is_absent(name, optimizer_of, never_seen, seen_before):
    assert moved_while_absent(optimizer_of, 0) == never_seen
    assert moved_while_absent(optimizer_of, 2) == seen_before


@both_modules
@pytest.mark.parametrize("optimizer", [torch.optim.SparseAdam, torch.optim.SGD])
def test_with_sparse_gradients_absent_rows_stay_bit_for_bit(module, optimizer, generator):
    loss = module(50, 4, sparse_grad=True, generator=generator)
    steps = optimizer(loss.param_groups(lr=0.1)) if optimizer is torch.optim.SGD else optimizer(loss.parameters(), 0.1)
    present = torch.tensor([3, 7, 7, 7, 3, 3, 3, 7] * 2)
    for batch in (torch.arange(16), present, present):  # classes 0 to 15 have a history
        before = [p.detach().clone() for p in loss.parameters()]
        steps.zero_grad()
        loss(torch.randn(16, 4, generator=generator), batch).backward()
        assert all(p.grad.is_sparse for p in loss.parameters())
        steps.step()
    absent = [k for k in range(50) if k not in (3, 7)]
    for parameter, start in zip(loss.parameters(), before, strict=True):
        assert torch.equal(parameter.detach()[absent], start[absent])
        assert not torch.equal(parameter.detach()[[3, 7]], start[[3, 7]])


@both_modules
@pytest.mark.parametrize("through_spread", [False, True])
def test_sparse_gradients_are_the_dense_ones(module, through_spread, generator):
    settings = {"through_spread": through_spread} if module is SigmaSquaredRLoss else {}
    dense, sparse = (
        module(20, 4, sparse_grad=s, generator=generator.manual_seed(0), **settings) for s in (False, True)
    )
    features, labels = torch.randn(24, 4, generator=generator), torch.arange(24) % 3
    assert dense(features, labels) == sparse(features, labels)
    for loss in (dense, sparse):
        loss(features, labels).backward()
    for a, b in zip(dense.parameters(), sparse.parameters(), strict=True):
        assert a.grad.abs().max() > 0
        assert_close(b.grad.to_dense(), a.grad)


@both_modules
def test_the_step_of_a_sparse_gradient_needs_no_memory_for_absent_classes(module):
    from tests.losses.memory import Memory

    loss = module(100_000, 8, sparse_grad=True)
    features, labels = torch.randn(64, 8), torch.arange(64) % 4 * 1000
    with Memory() as memory:
        loss(features, labels).backward()
    assert features.nbytes <= memory.peak < loss.centers.nbytes / 50


@both_modules
@pytest.mark.parametrize("optimizer_type", [torch.optim.Adam, torch.optim.SGD, torch.optim.Adagrad])
def test_classes_can_be_added_and_removed_and_the_rest_trains_on(module, optimizer_type, generator):
    loss = module(3, 2, generator=generator)
    held = list(loss.parameters())
    optimizer = optimizer_type(loss.param_groups(lr=0.1))

    def step(labels):
        optimizer.zero_grad()
        loss(torch.randn(8, 2, generator=generator), torch.tensor(labels) % loss.num_classes).backward()
        optimizer.step()

    step([0, 1, 2, 0, 1, 2, 0, 1])
    before = [p.detach().clone() for p in held]
    remembered = optimizer.state[held[0]].get("exp_avg", torch.zeros(3, 2)).clone()
    loss.add_classes(2, optimizer=optimizer, generator=generator)
    assert [p.shape[0] for p in loss.parameters()] == [5] * len(held)
    assert all(a is b for a, b in zip(loss.parameters(), held, strict=True))  # so the optimizer still has them
    assert all(torch.equal(p.detach()[:3], b) for p, b in zip(held, before, strict=True))
    assert loss.centers[3:].abs().min() > 0
    if optimizer_type is torch.optim.Adam:
        assert_close(optimizer.state[held[0]]["exp_avg"], torch.cat([remembered, torch.zeros(2, 2)]))
    step([0, 1, 2, 3, 4, 0, 3, 4])
    before = [p.detach().clone() for p in held]
    loss.remove_classes([1, 3], optimizer=optimizer)
    assert all(torch.equal(p.detach(), b[[0, 2, 4]]) for p, b in zip(held, before, strict=True))
    assert (loss.num_classes, loss.feature_dim) == (3, 2)
    assert f"({loss.num_classes}, " in repr(loss)
    step([0, 1, 2, 0, 1, 2, 0, 1])
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 3\)"):
        loss(torch.zeros(1, 2), torch.tensor([3]))
