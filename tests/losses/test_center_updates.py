"""How centers move: by the gradient of an optimizer, by sparse gradients, by Wen et al.'s average."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from sigma2r import CenterLoss, JointLoss, SigmaSquaredRLoss
from sigma2r.functional import average_step, center_loss

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


def wen_weighted(features, labels, centers, alpha, weights):
    """Eq. 4 of Wen et al. 2016 where a row counts as often as its weight says, one class at a time."""
    moved = []
    for j, center in enumerate(centers):
        mine = [(w, x) for w, x, y in zip(weights, features, labels, strict=True) if y == j]
        number = sum(w for w, _ in mine)
        delta = [sum(w * (c - x[axis]) for w, x in mine) / (1 + number) for axis, c in enumerate(center)]
        moved.append([c - alpha * d for c, d in zip(center, delta, strict=True)])
    return torch.tensor(moved, dtype=torch.float64)


@pytest.mark.parametrize(
    "weights",
    [
        [1.0, 2.0, 0.5, 3.0], [0.0, 1.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0],
        pytest.param([0, 3, 1, 2], marks=pytest.mark.message),  # annotations know tensors of real numbers alone
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [torch.tensor, pytest.param(list, marks=pytest.mark.message)])
@pytest.mark.parametrize("joint", [False, True])
def test_a_row_moves_its_center_in_proportion_to_its_weight(weights, kind, joint, generator):
    loss = CenterLoss(3, 2, center_update="average", generator=generator).double()
    start = loss.centers.clone()
    expected = wen_weighted(BATCH[0].tolist(), BATCH[1].tolist(), start.tolist(), 0.5, weights)
    features, labels = BATCH[0].double().requires_grad_(), BATCH[1]
    if joint:
        JointLoss(loss, 0.1)(features, features @ torch.ones(2, 3).double(), labels, weights=kind(weights)).backward()
    else:
        loss(features, labels, weights=kind(weights)).backward()
    assert_close(loss.centers.detach(), expected)
    assert_close(start - average_step(features, labels, start, 0.5, weights=kind(weights)), expected)
    assert torch.equal(loss.centers[2], start[2])
    assert not torch.equal(loss.centers[0], start[0])
    if not weights[3]:
        assert torch.equal(loss.centers[1], start[1])  # its only row weighs nothing


def test_weights_of_one_are_no_weights_bit_for_bit_and_a_weight_of_two_is_two_rows(generator):
    centers, rows = torch.randn(3, 2, generator=generator), torch.randn(9, 2, generator=generator)
    labels = torch.arange(9) % 3
    assert torch.equal(
        average_step(rows, labels, centers, 0.5, weights=torch.ones(9)), average_step(rows, labels, centers, 0.5)
    )
    twice = average_step(torch.cat([rows, rows[:4]]), torch.cat([labels, labels[:4]]), centers, 0.5)
    assert_close(average_step(rows, labels, centers, 0.5, weights=torch.tensor([2.0] * 4 + [1.0] * 5)), twice)


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_a_row_whose_weight_is_not_finite_and_not_looked_at_moves_no_center(weight, ignored, monkeypatch):
    from sigma2r.losses import _checks

    monkeypatch.setattr(_checks, "values_are_readable", lambda tensor: False)
    loss = CenterLoss(3, 2, center_update="average", center_std=0.0)
    features, labels = features_that_learn()
    labels = torch.tensor([0, 0, 0, -100 if ignored else 1])
    with pytest.warns(UserWarning, match="1 of 4 rows of features or weights hold NaN"):
        loss(features, labels, weights=torch.tensor([1.0, 1.0, 1.0, weight])).backward()
    assert_close(loss.centers.detach(), torch.tensor([[0.75, 1.0], [0.0, 0.0], [0.0, 0.0]]))


@pytest.mark.message
@pytest.mark.parametrize("weights", [[-1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, -0.25], [-1, 0, 0, 0]])
def test_negative_weights_are_refused_where_they_can_be_read_and_count_as_none_in_the_average_elsewhere(
    weights, monkeypatch
):
    from sigma2r.losses import _checks

    start, (features, labels) = CenterLoss(3, 2).centers.clone(), features_that_learn()
    with pytest.raises(ValueError, match=r"^average_step: weights must be finite and at least 0"):
        average_step(features, labels, start, 0.5, weights=weights)
    with pytest.raises(ValueError, match=r"^average_step: weights must hold one number per row"):
        average_step(features, labels, start, 0.5, weights=[1.0])
    monkeypatch.setattr(_checks, "values_are_readable", lambda tensor: False)
    step = average_step(features, labels, start, 0.5, weights=weights)
    assert torch.equal(step, average_step(features, labels, start, 0.5, weights=torch.tensor(weights).clamp_min(0)))


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


@pytest.mark.parametrize("sparse_grad", [False, True])
@pytest.mark.parametrize("shift", [0, 90], ids=["the first classes", "the last"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_averages_of_few_of_many_classes_move_as_if_the_others_were_not_there(dtype, shift, sparse_grad, generator):
    features = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 10, (40,), generator=generator)
    weights = torch.rand(40, generator=generator)
    labels[::9] = -100
    few = CenterLoss(10, 3, center_update="average", generator=generator).to(dtype)
    many = CenterLoss(100, 3, center_update="average", sparse_grad=sparse_grad, generator=generator).to(dtype)
    with torch.no_grad():
        many.centers[shift : shift + 10] = few.centers
    start = many.centers.detach().clone()
    for _ in range(3):
        few(features.clone().requires_grad_(), labels, weights=weights).backward()
        moved = torch.where(labels < 0, -100, labels + shift)
        many(features.clone().requires_grad_(), moved, weights=weights).backward()
    assert torch.equal(many.centers[shift : shift + 10], few.centers)
    assert not torch.equal(few.centers, start[shift : shift + 10])
    start[shift : shift + 10] = few.centers
    assert torch.equal(many.centers, start)


@pytest.mark.parametrize("center_update", ["gradient", "average"])
def test_a_step_needs_no_second_table_for_classes_that_are_absent(center_update):
    from tests.losses.memory import Memory

    loss = CenterLoss(100_000, 8, center_update=center_update)
    features, labels = torch.randn(64, 8).requires_grad_(), torch.arange(64) % 4 * 1000
    with Memory() as memory:
        loss(features, labels).backward()
    table = loss.centers.nbytes  # the gradient, or the centers themselves, which an operation in place gives back
    assert table <= memory.peak < 1.02 * table


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


BROKEN = [
    pytest.param(torch.tensor([[math.inf, 0.0]]), id="infinite"),
    pytest.param(torch.tensor([[-math.inf, math.inf]]), id="both infinities"),
    pytest.param(torch.tensor([[1.0, math.nan]]), id="NaN"),
    pytest.param(torch.tensor([[3e38, 3e38], [-3e38, 1.0], [3e38, 3e38]]), id="too large"),
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("normalize", [False, True])
def test_rows_that_are_not_finite_move_no_average_and_are_told_once(broken, normalize):
    loss, twin = (
        CenterLoss(3, 2, center_update="average", normalize=normalize, generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    rows = torch.cat([BATCH[0], broken])
    labels = torch.cat([BATCH[1], torch.tensor([1, 2, 2])[: len(broken)]])
    by_length = normalize and bool(broken.isfinite().all())  # of unit length, rows of any size count
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            loss(rows.clone().requires_grad_(), labels).backward()
    for _ in range(2):
        kept = slice(None) if by_length else slice(4)
        twin(rows[kept].clone().requires_grad_(), labels[kept]).backward()
    assert torch.equal(loss.centers, twin.centers)
    assert loss.centers.isfinite().all()
    assert len(told) == (0 if by_length else 1)
    if told:
        assert str(told[0].message).startswith(
            f"CenterLoss: {len(broken)} of {4 + len(broken)} rows of features hold NaN"
        )


@pytest.mark.parametrize("broken", BROKEN)
def test_the_step_of_the_average_leaves_out_rows_that_are_not_finite(broken):
    rows, labels = torch.cat([BATCH[0], broken]), torch.cat([BATCH[1], torch.zeros(len(broken)).long()])
    assert torch.equal(average_step(rows, labels, torch.zeros(3, 2), 0.5), average_step(*BATCH, torch.zeros(3, 2), 0.5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_averages_stay_finite_whatever_their_dtype_and_that_of_features(dtype):
    loss = CenterLoss(2, 2, center_update="average", alpha=1.0).to(dtype)
    rows = torch.tensor([[1e100, 1.0], [7e4, -7e4], [1.0, 2.0]], dtype=torch.float64)
    for _ in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss(rows.clone().requires_grad_(), torch.tensor([0, 0, 1])).backward()
    assert loss.centers.dtype == dtype
    assert loss.centers.isfinite().all()
    assert not torch.equal(loss.centers[1], torch.zeros(2, dtype=dtype))


def test_values_that_cannot_be_read_for_free_are_left_out_unseen(monkeypatch):
    from sigma2r.losses import center

    monkeypatch.setattr(center, "values_are_readable", lambda tensor: False)
    loss, twin = (
        CenterLoss(3, 2, center_update="average", generator=torch.Generator().manual_seed(3)) for _ in range(2)
    )
    rows = torch.cat([BATCH[0], torch.tensor([[math.nan, 1.0]])])
    loss(rows.requires_grad_(), torch.cat([BATCH[1], torch.tensor([0])])).backward()  # a warning would be an error
    twin(BATCH[0].clone().requires_grad_(), BATCH[1]).backward()
    assert torch.equal(loss.centers, twin.centers)


def test_a_scaler_that_skips_a_step_finds_averages_as_they_were():
    body = torch.nn.Linear(2, 2)
    loss = CenterLoss(3, 2, center_update="average")
    optimizer = torch.optim.SGD(body.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    before = body.weight.detach().clone()
    rows = torch.cat([BATCH[0], torch.tensor([[math.inf, 0.0]])])
    with pytest.warns(UserWarning, match="1 of 5 rows of features"):
        scaler.scale(loss(body(rows), torch.cat([BATCH[1], torch.tensor([2])]))).backward()
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(body.weight, before)  # skipped
    assert loss.centers.isfinite().all()


@both_modules
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_class_means_are_those_of_the_features_that_the_loss_sees(module, scale, generator):
    loss = module(3, 5, normalize=True, ignore_index=-1, generator=generator)
    features = scale * torch.randn(40, 5, generator=generator)
    labels = torch.arange(40) % 4 - 1
    loss.init_centers(features, labels)
    unit = torch.nn.functional.normalize(features.double(), dim=1, eps=0.0)
    means = torch.stack([unit[labels == k].mean(0) for k in range(3)])
    assert_close(loss.centers.detach(), means.float())
    each = center_loss(features, labels, loss.centers, normalize=True, ignore_index=-1, reduction="none")
    assert_close(each.sum(), 0.5 * (unit - means[labels]).square().sum(1)[labels >= 0].sum().float())


@both_modules
@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("normalize", [False, True])
def test_class_means_leave_out_rows_that_are_not_finite_and_say_so(module, broken, normalize):
    loss, twin = (module(4, 2, normalize=normalize, generator=torch.Generator().manual_seed(0)) for _ in range(2))
    rows = torch.cat([BATCH[0], torch.tensor([[broken, 1.0], [2.0, broken]])])
    labels = torch.cat([BATCH[1], torch.tensor([0, 2])])
    with pytest.warns(UserWarning, match=rf"^{module.__name__}: 2 of 6 rows of features hold NaN .* class means\.$"):
        loss.init_centers(rows, labels)
    twin.init_centers(*BATCH)
    assert torch.equal(loss.centers, twin.centers)  # a class of none that is finite stays
    ignoring = module(4, 2, normalize=normalize, ignore_index=9, generator=torch.Generator().manual_seed(0))
    ignoring.init_centers(rows, torch.cat([BATCH[1], torch.tensor([9, 9])]))  # not there: nothing to tell
    assert torch.equal(ignoring.centers, twin.centers)


def test_class_means_that_overflow_the_centers_are_refused():
    loss = CenterLoss(2, 2).half()
    before = loss.centers.detach().clone()
    with pytest.raises(
        ValueError, match=r"class means must be finite; they overflow the torch\.float16 of the centers"
    ):
        loss.init_centers(torch.full((3, 2), 1e5), torch.tensor([0, 1, 1]))
    assert torch.equal(loss.centers, before)


NAMED = [
    *([1, 3], (1, 3), {3, 1}, frozenset({1, 3}), range(1, 4, 2), [3, 1, 1], {1: "cat", 3: "dog"}, iter([1, 3])),
    *(torch.tensor([1, 3]), torch.tensor([3, 1], dtype=torch.int32), torch.tensor([1, 3], dtype=torch.uint8)),
    *([torch.tensor(1), torch.tensor(3)], [torch.tensor([1]), 3], np.array([1, 3]), [np.int64(1), np.uint8(3)]),
    (k for k in (1, 3)),
]


@both_modules
@pytest.mark.parametrize("named", NAMED, ids=lambda named: type(named).__name__)
def test_classes_may_be_named_by_any_collection_of_whole_numbers(module, named):
    named = iter([1, 3]) if type(named).__name__ in ("generator", "list_iterator") else named
    loss = module(5, 2)
    before = [p.detach().clone() for p in loss.parameters()]
    loss.remove_classes(named)
    assert all(torch.equal(p, b[[0, 2, 4]]) for p, b in zip(loss.parameters(), before, strict=True))


@pytest.mark.parametrize("named", [2, np.int32(2), torch.tensor(2), torch.tensor([2]), np.array(2)], ids=repr)
def test_one_class_may_be_named_by_its_number(named):
    loss = CenterLoss(3, 2)
    before = loss.centers.detach().clone()
    loss.remove_classes(named)
    assert torch.equal(loss.centers, before[:2])


def test_no_class_is_no_class():
    for named in ([], (), set(), range(0), torch.tensor([]), torch.tensor([], dtype=torch.long), np.array([])):
        loss = CenterLoss(3, 2)
        loss.remove_classes(named)
        assert loss.num_classes == 3


MASKS = [
    *(True, [True], [True, False, False], {False}, torch.tensor([True, False, False]), torch.tensor(False)),
    *([torch.tensor(True)], np.array([True, False, False]), [np.bool_(True)]),
]
NO_CLASSES = [
    *([0.5], [1.0], 1.0, None, [None], "1", ["1"], b"1", [[0, 1]], ..., slice(0, 1), [1 + 0j], {"cat": 0}),
    *(torch.tensor([0.5]), torch.tensor([1.0]), torch.tensor(1.0), torch.tensor([[0, 1]]), [torch.tensor(0.5)]),
    *([torch.tensor([0, 1])], np.array([1.0]), [np.float64(1)]),
]


@pytest.mark.message
@pytest.mark.parametrize("named", [*MASKS, *NO_CLASSES], ids=repr)
def test_what_is_no_whole_number_is_refused_as_a_class_and_nothing_is_removed(named):
    loss = SigmaSquaredRLoss(3, 2)
    with pytest.raises(
        ValueError, match=r"^SigmaSquaredRLoss: classes must be whole numbers, one or a flat collection"
    ) as told:
        loss.remove_classes(named)
    is_mask = any(named is mask for mask in MASKS)
    assert str(told.value).endswith("Did you mean mask.nonzero().flatten()?") == is_mask
    assert loss.num_classes == 3


@pytest.mark.message
@pytest.mark.parametrize("named", [[3], [-1], torch.tensor([0, 7]), range(3), {0, 1, 2}, np.array([-100])], ids=repr)
def test_classes_that_are_not_there_and_all_of_them_are_refused(named):
    loss = CenterLoss(3, 2)
    with pytest.raises(ValueError, match=r"^CenterLoss: classes must lie in \[0, 3\), and one must stay; got "):
        loss.remove_classes(named)
    assert loss.num_classes == 3


def test_the_state_of_the_optimizer_follows_classes_that_a_tensor_names():
    loss = CenterLoss(4, 2)
    optimizer = torch.optim.Adam(loss.param_groups(lr=0.1))
    loss(BATCH[0], BATCH[1]).backward()
    optimizer.step()
    remembered = optimizer.state[loss.centers]["exp_avg"].clone()
    loss.remove_classes(torch.tensor([1, 3]), optimizer=optimizer)
    assert torch.equal(optimizer.state[loss.centers]["exp_avg"], remembered[[0, 2]])
