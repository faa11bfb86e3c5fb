"""The laws that every loss obeys. A new loss joins by a case in ``cases.py``."""

import copy
import io
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from sigma2r import functional
from tests.losses.cases import CASES, C, Case, D, N, every_loss, make_batch

HELPERS = {"growth_rate", "sigma_squared_r_gate"}  # functions that are no losses: tested in test_sigma2r.py


def test_every_public_loss_is_under_contract():
    assert {case.function.__name__ for case in CASES} == set(functional.__all__) - HELPERS


@every_loss
def test_each_value_matches_the_reference(case: Case):
    batch = make_batch()
    expected = case.expected(batch)
    assert expected.unique().numel() == N  # the example can tell right from wrong
    assert_close(case.value(batch, reduction="none"), expected)


@every_loss
def test_each_gradient_matches_the_reference(case: Case):
    batch = make_batch(grad=True)
    gradients = torch.autograd.grad(case.value(batch, reduction="sum"), case.differentiable(batch))
    expected = case.gradients(*(t.tolist() for t in case.tensors(batch)), **case.settings)
    for got, wanted in zip(gradients, expected, strict=True):
        wanted = torch.tensor(wanted, dtype=torch.float64)
        assert wanted.abs().min() > 0
        assert_close(got, wanted)


@every_loss
def test_gradients_match_finite_differences(case: Case):
    batch = make_batch(grad=True)
    literal = {"through_spread": True} if case.constant_spread else {}
    labels = batch["labels"]

    def function(features, *learned):
        return case.function(features, labels, *learned, **case.settings, **literal, reduction="none")

    assert torch.autograd.gradcheck(function, case.differentiable(batch))


@every_loss
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_composition_of_the_batch_matches_the_reference(case: Case, data: st.DataObject):
    num_classes = data.draw(st.integers(1, 30))
    labels = data.draw(st.lists(st.integers(0, num_classes - 1), max_size=24))
    feature_dim, seed = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 99))
    batch = make_batch(labels, num_classes=num_classes, feature_dim=feature_dim, seed=seed)
    assert_close(case.value(batch, reduction="none"), case.expected(batch), rtol=1e-6, atol=1e-9)


@every_loss
def test_reductions_agree(case: Case):
    batch = make_batch()
    each = case.value(batch, reduction="none")
    assert each.shape == (N,)
    assert_close(case.value(batch, reduction="sum"), each.sum())
    assert_close(case.value(batch, reduction="mean"), each.mean())
    assert_close(case.value(batch), each.mean())


@every_loss
def test_the_order_of_the_batch_does_not_matter(case: Case):
    batch = make_batch()
    order = torch.randperm(N)
    moved = {**batch, "features": batch["features"][order], "labels": batch["labels"][order]}
    assert_close(case.value(moved, reduction="none"), case.value(batch, reduction="none")[order])


@every_loss
def test_the_names_of_classes_do_not_matter(case: Case):
    batch = make_batch()
    order = torch.randperm(C)
    renamed = {**batch, "labels": order.argsort()[batch["labels"]]}
    renamed |= {name: batch[name][order] for name in ("centers", "growth")}
    assert_close(case.value(renamed, reduction="none"), case.value(batch, reduction="none"))


@every_loss
def test_moving_features_and_centers_together_changes_nothing(case: Case):
    batch = make_batch()
    step = torch.randn(D, dtype=torch.float64)
    moved = {**batch, "features": batch["features"] + step, "centers": batch["centers"] + step}
    assert_close(case.value(moved, reduction="none"), case.value(batch, reduction="none"))


@every_loss
def test_turning_features_and_centers_together_changes_nothing(case: Case):
    batch = make_batch()
    turn = torch.linalg.qr(torch.randn(D, D, dtype=torch.float64)).Q
    turned = {**batch, "features": batch["features"] @ turn, "centers": batch["centers"] @ turn}
    assert_close(case.value(turned, reduction="none"), case.value(batch, reduction="none"))


@every_loss
def test_the_module_equals_the_function(case: Case):
    module = case.module(C, D, **case.settings)
    batch = make_batch(dtype=torch.float32) | {name: p.detach() for name, p in module.named_parameters()}
    assert_close(module(batch["features"], batch["labels"]), case.value(batch))


@every_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_losses_are_float32_or_wider_and_parameters_keep_their_dtype(case: Case, dtype: torch.dtype):
    batch = make_batch(dtype=dtype, grad=True)
    loss = case.value(batch)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    loss.backward()
    assert all(t.grad is not None and t.grad.dtype == dtype for t in case.differentiable(batch))
    exact = {k: t.detach().double() if t.is_floating_point() else t for k, t in batch.items()}
    assert_close(loss.detach().double(), case.value(exact), rtol=1e-5, atol=1e-5)


@every_loss
def test_autocast_does_not_lower_the_precision(case: Case):
    batch = make_batch(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = case.value(batch, reduction="none")
    assert inside.dtype == torch.float32
    assert torch.equal(inside, case.value(batch, reduction="none"))


@every_loss
def test_an_empty_batch_costs_nothing_and_stays_in_the_graph(case: Case):
    batch = make_batch([], grad=True)
    assert case.value(batch, reduction="none").shape == (0,)
    loss = case.value(batch)
    assert loss == 0
    for gradient in torch.autograd.grad(loss, case.differentiable(batch)):
        assert (gradient == 0).all()


@every_loss
@pytest.mark.parametrize("labels", [[1], [1, 1, 1, 1, 1], [0, 2], [0, 0, 0, 0, 0, 0, 0, 2]], ids=str)
def test_few_samples_and_absent_classes_match_the_reference(case: Case, labels: list[int]):
    batch = make_batch(labels, grad=True)
    assert_close(case.value(batch, reduction="none"), case.expected(batch))
    for name, gradient in zip(
        ("features", *case.learned), torch.autograd.grad(case.value(batch), case.differentiable(batch)), strict=True
    ):
        assert gradient.isfinite().all()
        if name != "features":
            absent = [k for k in range(C) if k not in labels]
            assert (gradient[absent] == 0).all()


@every_loss
def test_coincident_points_have_finite_gradients(case: Case):
    batch = make_batch(grad=True)
    with torch.no_grad():
        batch["features"].copy_(batch["centers"][batch["labels"]])
    literal = {"through_spread": True} if case.constant_spread else {}
    loss = case.value(batch, **literal)
    assert loss == 0
    for gradient in torch.autograd.grad(loss, case.differentiable(batch)):
        assert gradient.isfinite().all()


@every_loss
def test_an_offset_of_ten_thousand_costs_no_digits(case: Case):
    batch = make_batch(dtype=torch.float32)
    near = 0.01 * batch["features"] + batch["centers"][batch["labels"]]
    batch |= {"features": near + 1e4, "centers": batch["centers"] + 1e4}
    exact = {k: t.double() if t.is_floating_point() else t for k, t in batch.items()}
    assert_close(case.value(batch, reduction="none").double(), case.value(exact, reduction="none"), rtol=1e-4, atol=0)


@every_loss
@pytest.mark.parametrize("scale", [1e-20, 1e-10, 1e10, 1e18])
def test_tiny_and_huge_features_equal_float64(case: Case, scale: float):
    batch = make_batch(dtype=torch.float32)
    batch |= {"features": batch["features"] * scale, "centers": batch["centers"] * scale}
    exact = {k: t.double() if t.is_floating_point() else t for k, t in batch.items()}
    wanted = case.value(exact, reduction="none").float()
    assert_close(case.value(batch, reduction="none"), wanted, rtol=1e-4, atol=1e-37)


@every_loss
def test_features_that_overflow_when_squared_give_infinity_and_no_nan(case: Case):
    batch = make_batch(dtype=torch.float32, grad=True)
    with torch.no_grad():
        batch["features"].mul_(1e25)
    loss = case.value(batch, reduction="none")
    assert not loss.isnan().any()
    assert loss.isinf().any()


@every_loss
def test_state_survives_pickle_copy_and_state_dict(case: Case):
    module, batch = case.module(C, D, **case.settings), make_batch(dtype=torch.float32)
    expected = module(batch["features"], batch["labels"])
    buffer = io.BytesIO()
    torch.save(module.state_dict(), buffer)
    buffer.seek(0)
    fresh = case.module(C, D, **case.settings)
    assert fresh(batch["features"], batch["labels"]) != expected
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    for twin in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module), fresh):
        assert torch.equal(twin(batch["features"], batch["labels"]), expected)


@every_loss
def test_parameter_groups_hold_every_parameter_without_weight_decay(case: Case):
    module = case.module(C, D, **case.settings)
    groups = module.param_groups(lr=0.25)
    assert {id(p) for g in groups for p in g["params"]} == {id(p) for p in module.parameters()}
    assert all(g["lr"] == 0.25 and g["weight_decay"] == 0 for g in groups)
    batch = make_batch([0, 0, 0, 0], dtype=torch.float32)
    optimizer = torch.optim.SGD(groups, weight_decay=0.5)
    before = [p.detach().clone() for p in module.parameters()]
    module(batch["features"], batch["labels"]).backward()
    optimizer.step()
    for parameter, start in zip(module.parameters(), before, strict=True):
        assert torch.equal(parameter[1:], start[1:])  # classes 1 and 2 are absent
        assert not torch.equal(parameter[0], start[0])


@every_loss
def test_compiled_code_equals_eager_code(case: Case):
    batch = make_batch(dtype=torch.float32, grad=True)
    labels = batch["labels"]

    def loss(features, *learned):
        return case.function(features, labels, *learned, **case.settings)

    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    inputs = case.differentiable(batch)
    assert_close(compiled(*inputs), loss(*inputs))
    for got, wanted in zip(
        torch.autograd.grad(compiled(*inputs), inputs), torch.autograd.grad(loss(*inputs), inputs), strict=True
    ):
        assert_close(got, wanted)
