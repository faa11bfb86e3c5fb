"""The laws that every loss obeys: values, gradients, compositions of the batch and symmetries.

A new loss joins by a case in ``cases.py``. Precision is in ``test_numerics.py``, state in ``test_modules.py``.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from sigma2r import functional
from tests.losses.cases import (
    CASES,
    C,
    Case,
    D,
    N,
    as_lists,
    as_tensor,
    changed,
    every_class_loss,
    every_loss,
    make_batch,
)
from tests.reference import rejection

HELPERS = {
    "average_step",
    "growth_rate",
    "sigma_squared_r_gate",
}  # functions that are no losses: tested in test_sigma2r.py, test_center.py


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
    expected = case.expected_gradient(batch)
    assert all(gradient.abs().min() > 0 for gradient in expected.values())
    for name, gradient in case.gradient(batch).items():
        assert_close(gradient, expected[name])


@every_class_loss
def test_each_distance_its_gradient_and_the_nearest_center_match_the_reference(case: Case):
    batch = make_batch(grad=True)
    loss = case.build(C, D).double()
    with torch.no_grad():
        loss.centers.copy_(batch["centers"])
    features, centers = as_lists([batch["features"], batch["centers"]])
    found = loss.distances(batch["features"])
    assert_close(found, as_tensor(rejection.distances(features, centers)))
    factors = torch.arange(1.0, N * C + 1, dtype=torch.float64).view(N, C)  # so that no two are alike
    wanted = rejection.distance_gradients(features, centers, factors.tolist())
    got = torch.autograd.grad((factors * found).sum(), [batch["features"], loss.centers])
    assert_close(got, tuple(map(as_tensor, wanted)))
    classes = rejection.nearest(features, centers)
    assert set(classes) == set(range(C))  # the example can tell right from wrong
    assert loss.predict(batch["features"]).tolist() == classes


@every_loss
def test_with_nothing_held_constant_first_and_second_derivatives_match_finite_differences(case: Case):
    batch = make_batch(grad=True)

    def function(features, *learned):
        return case.function(features, batch["labels"], *learned, **case.settings, **case.literal, reduction="none")

    assert torch.autograd.gradcheck(function, case.differentiable(batch))
    assert torch.autograd.gradgradcheck(function, case.differentiable(batch))


@pytest.mark.parametrize("case", [case for case in CASES if case.frozen], ids=lambda case: case.name)
def test_with_a_part_held_constant_the_gradient_is_the_slope_of_the_formula_with_that_part_frozen(case: Case):
    batch, step = make_batch(grad=True), 1e-6
    frozen = case.frozen(*as_lists(case.tensors(batch)), **case.settings)
    for name, gradient in case.gradient(batch).items():
        slopes = []
        for i in range(gradient.numel()):
            ends = []
            for sign in (1, -1):
                moved = batch[name].detach().clone()
                moved.view(-1)[i] += sign * step
                ends.append(math.fsum(case.expected(changed(batch, **{name: moved}), **frozen).tolist()))
            slopes.append((ends[0] - ends[1]) / (2 * step))
        assert_close(gradient, as_tensor(slopes).view(gradient.shape), rtol=1e-6, atol=1e-6)


def test_growth_is_reached_by_the_true_gradient_even_where_sigma_is_held_constant():
    for case in CASES:
        if "growth" in case.learned:
            batch = make_batch(grad=True)
            fixed = {name: t.detach() for name, t in batch.items()}

            def function(growth, case=case, fixed=fixed):
                return case.value(fixed | {"growth": growth}, reduction="none")

            assert torch.autograd.gradcheck(function, batch["growth"])
            assert torch.autograd.gradgradcheck(function, batch["growth"])


@every_loss
@pytest.mark.parametrize("lattice", [False, True], ids=["scattered", "on a coarse lattice, with coincident points"])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_composition_of_the_batch_matches_the_reference(case: Case, lattice: bool, data: st.DataObject):
    num_classes = data.draw(st.integers(1, 5) | st.integers(20, 30), label="num_classes")
    labels = data.draw(st.lists(st.integers(0, num_classes - 1), max_size=24), label="labels")
    feature_dim = data.draw(st.integers(1, 4), label="feature_dim")
    seed = data.draw(st.integers(0, 99), label="seed")
    drawn = {name: data.draw(strategy, label=name) for name, strategy in case.drawn.items()}
    batch = make_batch(labels, num_classes=num_classes, feature_dim=feature_dim, seed=seed, grad=True)
    # Between float64 and float64: rounding, and for coincident points the root of rounding.
    near = {"rtol": 1e-6, "atol": 1e-9}
    if lattice:
        batch = changed(batch, **{name: batch[name].round() for name in ("features", "centers")})
        near = {"rtol": 1e-4, "atol": 1e-4}
        if case.chooses:  # ties: which of two equally near neighbours is taken changes the value, so take them all
            drawn["neighbors"] = 24
    assert_close(case.value(batch, reduction="none", **drawn), case.expected(batch, **drawn), **near)
    if lattice and case.kinks:  # ties: either of two gradients is one
        return
    if case.kinks:  # directions between two samples: that of a pair 1e-4 apart is known to eps / 1e-8
        near["atol"] = 1e-6
    expected = case.expected_gradient(batch, **drawn)
    for name, gradient in case.gradient(batch, **drawn).items():
        assert_close(gradient, expected[name], **near)


@every_loss
@pytest.mark.parametrize("labels", [[1], [1, 1, 1, 1, 1], [0, 2], [0, 0, 0, 0, 0, 0, 0, 2]], ids=str)
def test_one_sample_one_class_and_absent_classes_match_the_reference(case: Case, labels: list[int]):
    batch = make_batch(labels, grad=True)
    assert_close(case.value(batch, reduction="none"), case.expected(batch))
    absent, expected = [k for k in range(C) if k not in labels], case.expected_gradient(batch)
    for name, gradient in case.gradient(batch).items():
        assert_close(gradient, expected[name])
        if name != "features" and case.alone:
            assert (gradient[absent] == 0).all()


@every_loss
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_an_empty_batch_costs_nothing_and_stays_in_the_graph(case: Case, reduction: str):
    batch = make_batch([], grad=True)
    assert case.value(batch, reduction="none").shape == (0,)
    assert case.value(batch, reduction=reduction) == 0
    for name, gradient in case.gradient(batch, reduction=reduction).items():
        assert gradient.shape == batch[name].shape
        assert (gradient == 0).all()


@every_loss
def test_reductions_agree(case: Case):
    batch = make_batch()
    each = case.value(batch, reduction="none")
    assert each.shape == (N,)
    assert_close(case.value(batch, reduction="sum"), each.sum())
    assert_close(case.value(batch, reduction="mean"), each.sum() / N)
    assert_close(case.value(batch), each.sum() / N)


@every_loss
def test_the_order_of_the_batch_does_not_matter(case: Case, generator: torch.Generator):
    batch, order = make_batch(grad=True), torch.randperm(N, generator=generator)
    moved = changed(batch, features=batch["features"][order]) | {"labels": batch["labels"][order]}
    assert_close(case.value(moved, reduction="none"), case.value(batch, reduction="none")[order])
    before, after = case.gradient(batch), case.gradient(moved)
    assert_close(after.pop("features"), before.pop("features")[order])
    assert_close(after, before)


@every_loss
def test_the_names_of_classes_do_not_matter(case: Case, generator: torch.Generator):
    batch, order = make_batch(), torch.randperm(C, generator=generator)
    assert order.tolist() != list(range(C))
    renamed = batch | {"labels": order.argsort()[batch["labels"]]}
    renamed |= {name: batch[name][order] for name in ("centers", "growth")}
    assert_close(case.value(renamed, reduction="none"), case.value(batch, reduction="none"))


@every_loss
@pytest.mark.parametrize("labels", [None, [0, 0, 0, 1], [0, 1, 2], [2]], ids=str)
def test_the_mean_is_over_the_samples_that_have_a_value(case: Case, labels: list[int] | None):
    batch = make_batch(labels, grad=True)
    counted = [True] * len(batch["labels"])
    if case.has_value is not None:
        counted = case.has_value(*as_lists(case.tensors(batch)[1:]))
    each = case.value(batch, reduction="none")
    assert (each[~torch.tensor(counted)] == 0).all()
    assert_close(case.value(batch), each.sum() / max(1, sum(counted)))
    case.value(batch).backward()
    assert batch["features"].grad.isfinite().all()


@every_loss
@pytest.mark.parametrize("ignored", [1, 5, N], ids=["one", "some", "all"])
def test_rows_that_are_ignored_are_as_if_they_were_not_there(case: Case, ignored: int, generator: torch.Generator):
    batch = make_batch(grad=True)
    away = torch.randperm(N, generator=generator)[:ignored]
    kept = torch.ones(N, dtype=torch.bool)
    kept[away] = False
    labels = batch["labels"].masked_fill(~kept, -100)
    features = batch["features"].detach().masked_fill(~kept.unsqueeze(1), torch.nan)
    with_them = changed(batch, features=features) | {"labels": labels}
    without = changed(batch, features=batch["features"][kept]) | {"labels": batch["labels"][kept]}
    each = case.value(with_them, reduction="none")
    assert (each[~kept] == 0).all()
    assert_close(each[kept], case.value(without, reduction="none"))
    assert_close(case.value(with_them), case.value(without))
    got, wanted = case.gradient(with_them, reduction="mean"), case.gradient(without, reduction="mean")
    assert (got["features"][~kept] == 0).all()
    assert_close(got.pop("features")[kept], wanted.pop("features"))
    assert_close(got, wanted)
    relabelled = with_them | {"labels": labels.masked_fill(~kept, 7)}
    assert_close(case.value(relabelled, ignore_index=7), case.value(without))


@every_loss
def test_weights_multiply_each_value_and_the_mean_is_the_weighted_one(case: Case, generator: torch.Generator):
    batch, weights = make_batch(), torch.rand(N, generator=generator, dtype=torch.float64)
    each = case.value(batch, reduction="none")
    assert_close(case.value(batch, reduction="none", weights=weights), weights * each)
    assert_close(case.value(batch, reduction="sum", weights=weights), (weights * each).sum())
    assert_close(case.value(batch, weights=weights), (weights * each).sum() / weights.sum())
    assert_close(case.value(batch, weights=torch.full((N,), 3.0)), case.value(batch))
    assert case.value(batch, weights=torch.zeros(N)) == 0
    module = case.build(C, D).double()
    value = module(batch["features"], batch["labels"], weights=weights)
    assert value != module(batch["features"], batch["labels"])


@every_loss
def test_normalize_is_the_loss_of_features_of_unit_length(case: Case):
    batch = make_batch(grad=True)
    unit = batch["features"] / batch["features"].norm(dim=1, keepdim=True)
    expected = case.function(unit, *case.tensors(batch)[1:], **case.settings, reduction="none")
    assert_close(case.value(batch, normalize=True, reduction="none"), expected)
    twice = changed(batch, features=2 * batch["features"].detach())
    assert_close(case.value(twice, normalize=True), case.value(batch, normalize=True))
    assert not torch.allclose(case.value(batch, normalize=True), case.value(batch))
    tiny = changed(batch, features=torch.cat([batch["features"].detach()[:-1] * 1e-200, torch.zeros(1, D)]))
    gradient = case.gradient(tiny, normalize=True)["features"]
    assert case.value(tiny, normalize=True).isfinite()
    assert gradient[-1].isfinite().all()


@every_loss
def test_moving_features_and_centers_together_changes_nothing(case: Case, generator: torch.Generator):
    batch, step = make_batch(), torch.randn(D, dtype=torch.float64, generator=generator)
    moved = batch | {name: batch[name] + step for name in ("features", "centers")}
    assert_close(case.value(moved, reduction="none"), case.value(batch, reduction="none"))


@every_loss
def test_turning_features_and_centers_together_changes_nothing(case: Case, generator: torch.Generator):
    batch = make_batch()
    turn = torch.linalg.qr(torch.randn(D, D, dtype=torch.float64, generator=generator)).Q
    turned = batch | {name: batch[name] @ turn for name in ("features", "centers")}
    assert_close(case.value(turned, reduction="none"), case.value(batch, reduction="none"))


@every_loss
def test_the_inputs_are_left_as_they_were_and_a_second_call_gives_the_same(case: Case):
    batch = make_batch()
    before = {name: t.clone() for name, t in batch.items()}
    first, state = case.value(batch, reduction="none"), torch.get_rng_state()
    assert torch.equal(case.value(batch, reduction="none"), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(batch[name], t) for name, t in before.items())


@every_loss
def test_the_layout_of_memory_does_not_matter(case: Case):
    batch = make_batch()
    wide = torch.zeros(2 * N, dtype=torch.int64)
    wide[::2] = batch["labels"]
    strided = batch | {name: batch[name].t().contiguous().t() for name in ("features", "centers")}
    strided |= {"labels": wide[::2]}
    assert not strided["features"].is_contiguous()
    assert_close(case.value(strided, reduction="none"), case.value(batch, reduction="none"))


@every_loss
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_the_value_is_the_same(case: Case, mode: type):
    batch = make_batch(grad=True)
    with mode():
        value = case.value(batch, reduction="none")
    assert not value.requires_grad
    assert torch.equal(value, case.value(batch, reduction="none").detach())
