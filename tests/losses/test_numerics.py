"""The precision that every loss keeps: dtypes, autocast, offsets, scales, coincident points."""

import pytest
import torch
from torch.testing import assert_close

from sigma2r import functional
from sigma2r.losses import _rows
from tests.losses.cases import CASES, Case, changed, every_loss, in_float64, make_batch

CROWD = [i % 4 for i in range(48)]  # more samples and dimensions than the example: more to add up


@every_loss
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_the_loss_is_float32_or_wider_and_gradients_have_the_dtype_of_their_tensor(case: Case, dtype: torch.dtype):
    batch = make_batch(dtype=dtype, grad=True)
    loss = case.value(batch)
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert_close(loss.double(), case.value(in_float64(batch)), rtol=1e-5, atol=0)
    for name, gradient in case.gradient(batch).items():
        assert gradient.dtype == batch[name].dtype
        exact = case.gradient(in_float64(batch))[name]
        one_rounding = torch.finfo(dtype).eps + 1e-5
        assert_close(gradient.double(), exact, rtol=one_rounding, atol=1e-5)


@every_loss
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_half_features_meet_float32_parameters(case: Case, half: torch.dtype):
    batch = make_batch(dtype=torch.float32, grad=True)
    batch = changed(batch, features=batch["features"].to(half))
    loss = case.value(batch)
    assert loss.dtype == torch.float32
    assert_close(loss.double(), case.value(in_float64(batch)), rtol=1e-5, atol=0)
    assert {name: g.dtype for name, g in case.gradient(batch).items()} == {
        name: half if name == "features" else torch.float32 for name in ("features", *case.learned)
    }


@every_loss
def test_autocast_does_not_lower_the_precision(case: Case):
    batch = make_batch(CROWD, num_classes=4, feature_dim=32, dtype=torch.float32, grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, gradients = case.value(batch, reduction="none"), case.gradient(batch)
        assert (batch["features"] @ batch["features"].T).dtype == torch.bfloat16  # autocast is on
    assert inside.dtype == torch.float32
    assert torch.equal(inside, case.value(batch, reduction="none"))
    outside = case.gradient(batch)
    assert all(torch.equal(gradients[name], outside[name]) for name in outside)


@every_loss
def test_an_offset_of_ten_thousand_costs_no_digits(case: Case):
    batch = make_batch(CROWD, num_classes=4, feature_dim=32, dtype=torch.float32, grad=True)
    centers = batch["centers"].detach() + 1e4
    noise = 0.03 * batch["features"].detach()
    batch = changed(batch, features=centers[batch["labels"]] + noise, centers=centers)
    exact = in_float64(batch)
    wanted = case.value(exact, reduction="none")
    assert wanted.min() > 1e-6  # squared distances from the origin are 1e10 times as large, and more
    assert_close(case.value(batch, reduction="none").double(), wanted, rtol=case.offset_rtol, atol=0)
    wanted = case.gradient(exact)
    for name, gradient in case.gradient(batch).items():
        largest = float(wanted[name].abs().max())
        assert_close(gradient.double(), wanted[name], rtol=0, atol=case.offset_rtol * largest)


@every_loss
@pytest.mark.parametrize("scale", [1e-20, 1e-10, 1e10, 1e18])
def test_tiny_and_huge_features_equal_float64(case: Case, scale: float):
    batch = make_batch(dtype=torch.float32, grad=True)
    batch = changed(batch, **{name: batch[name].detach() * scale for name in ("features", "centers")})
    exact = in_float64(batch)
    wanted = case.value(exact, reduction="none").float()  # infinite where float64 overflows float32
    assert (wanted != 0).any()
    subnormal = 4 * 2.0**-149  # below float32's least normal number the steps are of this size
    assert_close(case.value(batch, reduction="none"), wanted, rtol=1e-4, atol=subnormal)
    wanted = case.gradient(exact)
    for name, gradient in case.gradient(batch).items():
        largest = float(wanted[name].abs().max())
        assert_close(gradient.double(), wanted[name], rtol=1e-4, atol=1e-5 * largest + subnormal)


@every_loss
def test_squares_that_overflow_float32_are_infinite_only_where_the_value_is(case: Case):
    batch = make_batch(dtype=torch.float32, grad=True)
    batch = changed(batch, features=batch["features"].detach() * 1e25)
    wanted = case.value(in_float64(batch), reduction="none")
    assert wanted.isfinite().all()
    got = case.value(batch, reduction="none")
    assert not got.isnan().any()
    if case.frozen:  # a gate that would close does not, where the distance to its center is not a number of float32
        wanted = torch.where(got.isinf(), torch.inf, wanted)
    assert_close(got, wanted.float(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if case.quadratic], ids=lambda case: case.name)
def test_the_mean_overflows_only_where_its_float64_value_does(case: Case):
    batch = make_batch(CROWD, num_classes=4, feature_dim=32, dtype=torch.float32)
    exact = in_float64(batch)
    least = (1e38 / case.value(exact, reduction="none").max()).sqrt()  # values of up to 1e38: their sum is too large
    batch = changed(batch, **{name: batch[name] * least.float() for name in ("features", "centers")})
    exact = in_float64(batch)
    assert case.value(exact, reduction="sum") > torch.finfo(torch.float32).max
    assert case.value(exact) < torch.finfo(torch.float32).max
    assert_close(case.value(batch).double(), case.value(exact), rtol=1e-4, atol=0)


@every_loss
def test_a_nan_in_the_features_shows_in_its_sample_and_in_the_loss(case: Case):
    batch = make_batch()
    batch["features"][5, 1] = torch.nan
    assert case.value(batch, reduction="none")[5].isnan()
    assert case.value(batch).isnan()


@every_loss
@pytest.mark.parametrize("literal", [False, True], ids=["default", "literal gradient"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_coincident_points_have_finite_gradients(case: Case, literal: bool, dtype: torch.dtype):
    keywords = case.literal if literal else {}
    batch = make_batch(dtype=dtype, grad=True)
    own = batch["centers"].detach()[batch["labels"]]
    apart = batch["features"].detach()
    pairs = torch.where((torch.arange(len(apart)) % 2 == 0).unsqueeze(1), own + 1, apart)  # one place for some of each
    for name, features in {"on their centers": own, "beside their centers": own + 1, "some together": pairs}.items():
        together = changed(batch, features=features)
        loss = case.value(together, **keywords)
        assert loss.isfinite(), name
        if case.zero_at_centers:
            assert (loss == 0) == (name == "on their centers"), name
        for gradient in case.gradient(together, **keywords).values():
            assert gradient.isfinite().all(), name
            assert gradient.abs().max() < 1e3, name  # the root's slope at 0 is not let through


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("piece", [1, 24, 1000])
def test_a_batch_in_pieces_is_the_batch_bit_for_bit(piece, dtype, monkeypatch, generator):
    features = torch.randn(50, 6, generator=generator, dtype=dtype)
    labels = torch.randint(0, 9, (50,), generator=generator)
    centers = torch.randn(9, 6, generator=generator)  # of another dtype, where that of features is wide
    growth = torch.randn(9, generator=generator, dtype=dtype)

    def computed():
        found = []
        for spread in ("distance-std", "std", "rms"):
            inputs = [part.clone().requires_grad_() for part in (features, centers, growth)]
            loss = functional.sigma_squared_r_loss(inputs[0], labels, *inputs[1:], spread=spread)
            found += [loss, *torch.autograd.grad(loss, inputs)]
        inputs = [part.clone().requires_grad_() for part in (features, centers)]
        loss = functional.center_loss(inputs[0], labels, inputs[1])
        return [*found, loss, *torch.autograd.grad(loss, inputs)]

    whole = computed()
    monkeypatch.setattr(_rows, "_PIECE", piece)
    assert len(_rows.pieces(50, 6, features.device)) == {1: 50, 24: 13, 1000: 1}[piece]
    for together, apart in zip(whole, computed(), strict=True):
        assert torch.equal(together, apart)


def test_a_device_with_a_memory_of_its_own_gets_one_piece(monkeypatch):
    monkeypatch.setattr(_rows, "_PIECE", 1)
    assert _rows.pieces(50, 6, torch.device("cuda")) == [slice(0, 50)]
    assert _rows.pieces(0, 6, torch.device("cpu")) == [slice(0, 0)]
