"""The two searches for neighbours, class by class and masked: one result, the cheaper taken, either compiled."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.testing import assert_close

from sigma2r import functional
from sigma2r.losses import _groups
from tests.losses.cases import Batch, make_batch
from tests.losses.memory import Memory

every_reading = pytest.mark.parametrize("spread", ["distance-std", "std", "rms"])
BALANCED = [i % 10 for i in range(250)]
LONG_TAIL = [0] * 40 + [1] * 12 + [2] * 3 + [3] * 2 + [4] + [5]
ONE_LARGE = [0] * 128 + list(range(1, 129))


def groups_of(labels: list[int], num_classes: int, feature_dim: int, *promised: int | None) -> _groups.ClassGroups:
    return _groups.group_by_class("test", torch.tensor(labels), num_classes, feature_dim, 7, *(promised or (None,)))


def layout(labels: list[int], num_classes: int, feature_dim: int, max_per_class: int | None = None) -> str:
    groups = groups_of(labels, num_classes, feature_dim, max_per_class)
    return "masked" if groups.members is None else "grouped"


def value_and_gradients(batch: Batch, function=functional.sigma_squared_r_loss, **settings):
    inputs = [batch[key] for key in ("features", "centers", "growth")]
    loss = function(inputs[0], batch["labels"], *inputs[1:], **settings)
    return [loss, *torch.autograd.grad(loss, inputs)]


@pytest.fixture
def hide_values(monkeypatch: pytest.MonkeyPatch):
    """Labels as on an accelerator: reading them would stall, so nobody looks."""
    return lambda: monkeypatch.setattr(_groups, "values_are_readable", lambda tensor: False)


@every_reading
@pytest.mark.parametrize("through_spread", [False, True])
@pytest.mark.parametrize("num_classes", [6, 100], ids=["few classes", "more classes than samples"])
def test_both_searches_give_the_same_value_and_gradient(hide_values, spread, through_spread, num_classes):
    labels = [i % 5 for i in range(30)]
    batch = make_batch(labels, num_classes=num_classes, feature_dim=16, grad=True)
    settings = {"spread": spread, "through_spread": through_spread, "neighbors": 4}
    assert layout(labels, num_classes, 16) == "grouped"
    grouped = value_and_gradients(batch, **settings)
    hide_values()
    assert layout(labels, num_classes, 16) == "masked"
    masked = value_and_gradients(batch, **settings)
    if num_classes == 6:  # where nobody may count, 100 classes might all be among 30 samples: too much padding
        assert layout(labels, num_classes, 16, max_per_class=7) == "grouped"
    promised = value_and_gradients(batch, max_per_class=7, **settings)
    for a, b, c in zip(grouped, masked, promised, strict=True):
        assert_close(a, b)
        assert_close(a, c)


@every_reading
def test_the_masked_search_of_very_unequal_classes_equals_searching_each_class_alone(spread):
    batch = make_batch(LONG_TAIL, num_classes=6, feature_dim=16, grad=True)
    assert layout(LONG_TAIL, 6, 16) == "masked"
    whole = value_and_gradients(batch, spread=spread, reduction="sum")
    parts = []
    for k in range(6):
        own = batch["labels"] == k
        assert layout([0] * int(own.sum()), 1, 16) == "grouped"
        inputs = [batch["features"], batch["centers"], batch["growth"]]
        alone = functional.sigma_squared_r_loss(
            inputs[0][own], torch.zeros(int(own.sum()), dtype=torch.int64), inputs[1][k : k + 1], inputs[2][k : k + 1],
            spread=spread, reduction="sum",
        )  # fmt: skip
        parts.append([alone, *torch.autograd.grad(alone, inputs)])
    for together, apart in zip(whole, zip(*parts, strict=True), strict=True):
        assert_close(together, sum(apart))


def test_the_cheaper_layout_is_chosen():
    assert layout(BALANCED, 10, 512) == "grouped"
    assert layout(LONG_TAIL, 6, 16) == "masked"
    assert layout(ONE_LARGE, 129, 512) == "masked"
    assert layout([0], 1, 8, max_per_class=100) == "grouped"  # on the CPU the promise is checked, the count is used


@every_reading
@pytest.mark.parametrize(
    ("labels", "feature_dim", "rows"),
    [
        (BALANCED, 512, 10 * (25 + 1)),  # a center beside each class
        (ONE_LARGE, 512, 256 + 129),  # samples and centers; padding would take 129 * 128 rows
        ([i % 100 for i in range(1000)], 128, 100 * (10 + 1)),
        (LONG_TAIL, 64, 59 + 6),
    ],
    ids=["balanced", "one class of 128 among 128 singles", "100 classes", "long tail"],
)
def test_no_tensor_is_larger_than_one_row_of_features_for_each_sample_and_center(spread, labels, feature_dim, rows):
    batch = make_batch(labels, num_classes=max(labels) + 1, feature_dim=feature_dim, dtype=torch.float32, grad=True)
    with Memory() as memory:
        value_and_gradients(batch, spread=spread)
    assert batch["features"].nbytes <= memory.largest <= 4 * rows * feature_dim


@pytest.mark.parametrize(
    ("spread", "peak"), [("distance-std", 4), ("rms", 4), ("std", 7.5)]
)  # measured 3.1, 3.1, 6.4; N x N x D would be 250
def test_a_balanced_batch_needs_a_few_times_the_memory_of_its_features(spread, peak):
    batch = make_batch(BALANCED, num_classes=10, feature_dim=512, dtype=torch.float32, grad=True)
    with Memory() as memory:
        value_and_gradients(batch, spread=spread)
    assert batch["features"].nbytes < memory.peak < peak * batch["features"].nbytes


@every_reading
@pytest.mark.parametrize(
    ("classes", "largest", "num_samples", "feature_dim"),
    [(12, 17, 150, 512), (32, 13, 117, 64), (23, 21, 308, 512), (20, 30, 400, 256), (6, 60, 200, 64)],
)
def test_padding_never_costs_more_memory_than_the_masked_search(
    hide_values, spread, classes, largest, num_samples, feature_dim
):
    others = classes - 1
    labels = [0] * largest + [1 + i % others for i in range(num_samples - largest)]
    batch = make_batch(labels, num_classes=classes, feature_dim=feature_dim, dtype=torch.float32, grad=True)
    with Memory() as chosen:
        value_and_gradients(batch, spread=spread)
    hide_values()
    with Memory() as masked:
        value_and_gradients(batch, spread=spread)
    assert chosen.peak <= 1.05 * masked.peak


@pytest.mark.usefixtures("fresh_compiler")
@every_reading
@pytest.mark.parametrize(("path", "max_per_class"), [("masked", None), ("grouped", 9)])
def test_compiled_code_equals_eager_code_and_is_compiled_once_for_all_compositions(
    hide_values, spread, path, max_per_class
):
    settings = {"spread": spread, "neighbors": 4, "max_per_class": max_per_class}
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(functional.sigma_squared_r_loss, fullgraph=True, backend=counter)
    for labels in (
        [i % 5 for i in range(30)],
        [4] * 9 + [1] * 9 + [2] * 9 + [3] * 3,
        [2, 3, 1, 0, 1, 4] * 4 + [0] * 5 + [2],
    ):
        batch = make_batch(labels, num_classes=5, feature_dim=4, grad=True)
        got = value_and_gradients(batch, compiled, **settings)
        for a, b in zip(got, value_and_gradients(batch, **settings), strict=True):
            assert_close(a, b)
    assert counter.frame_count == 1
    hide_values()  # compiled code sees no values either
    assert layout(labels, 5, 4, max_per_class) == path


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("max_per_class", [None, 6], ids=["masked", "grouped"])
def test_inductor_equals_eager_code(max_per_class):
    batch = make_batch([i % 5 for i in range(30)], num_classes=5, feature_dim=16, dtype=torch.float32, grad=True)
    compiled = torch.compile(functional.sigma_squared_r_loss, fullgraph=True)
    got = value_and_gradients(batch, compiled, max_per_class=max_per_class)
    for a, b in zip(got, value_and_gradients(batch), strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-4)  # float32 sums in another order


def test_where_nobody_checks_the_promise_the_surplus_of_a_class_keeps_a_half_open_gate(hide_values):
    batch = make_batch([0] * 5 + [1] * 3, num_classes=2, feature_dim=64)
    inputs = [batch[key] for key in ("features", "labels", "centers", "growth")]
    full = functional.sigma_squared_r_gate(*inputs)
    hide_values()
    cut = functional.sigma_squared_r_gate(*inputs, max_per_class=3)
    assert_close(cut[5:], full[5:])
    assert (cut[3:5] == 20.0).all()
    assert cut.isfinite().all()


@every_reading
@pytest.mark.parametrize("num_classes", [12, 40, 41, 1000])
@pytest.mark.parametrize("ignored", [False, True], ids=["all count", "some are ignored"])
def test_only_classes_that_are_present_get_a_block(spread, num_classes, ignored):
    labels = [(3 * i) % 8 + 3 for i in range(40)]
    assert groups_of(labels, num_classes, 16).counts.tolist() == [5] * 8
    batch = make_batch(labels, num_classes=num_classes, feature_dim=16, grad=True)
    if ignored:
        batch["labels"][::7] = -100
    whole = value_and_gradients(batch, spread=spread, reduction="sum")
    few = {**batch, "labels": torch.where(batch["labels"] < 0, -100, batch["labels"] - 3)}
    few.update({name: batch[name][3:11].detach().requires_grad_() for name in ("centers", "growth")})
    alone = value_and_gradients(few, spread=spread, reduction="sum")
    for together, apart in zip(whole[:2], alone[:2], strict=True):
        assert_close(together, apart)
    for together, apart in zip(whole[2:], alone[2:], strict=True):
        assert_close(together[3:11], apart)
        assert not together[:3].any()
        assert not together[11:].any()


@every_reading
@pytest.mark.parametrize("ignored", [False, True], ids=["all count", "some are ignored"])
@pytest.mark.parametrize("max_per_class", [None, 7], ids=["masked", "grouped"])
@pytest.mark.parametrize("num_classes", [9, 100])
def test_a_promise_of_classes_serves_where_nobody_may_count(hide_values, spread, ignored, max_per_class, num_classes):
    labels = [(4 * i) % 9 for i in range(30)]
    batch = make_batch(labels, num_classes=num_classes, feature_dim=16, grad=True)
    if ignored:
        batch["labels"][::7] = -100
    settings = {"spread": spread, "neighbors": 4}
    counted = value_and_gradients(batch, **settings, classes_per_batch=9)
    hide_values()
    for promised in (9, 20):
        got = value_and_gradients(batch, **settings, max_per_class=max_per_class, classes_per_batch=promised)
        for a, b in zip(counted, got, strict=True):
            assert_close(a, b)
    blocks = groups_of(labels, num_classes, 16, max_per_class, 9).counts.shape[0]
    assert blocks == 9 + (num_classes > 9)  # and one for what is beyond the promise


@pytest.mark.parametrize("max_per_class", [None, 3], ids=["masked", "grouped"])
def test_where_nobody_checks_the_promise_surplus_classes_keep_a_half_open_gate(hide_values, max_per_class):
    batch = make_batch([0] * 3 + [2] * 3 + [3] * 3 + [5] * 2, num_classes=9, feature_dim=64)
    inputs = [batch[key] for key in ("features", "labels", "centers", "growth")]
    full = functional.sigma_squared_r_gate(*inputs)
    assert (full[:9] != 20.0).all()
    hide_values()
    cut = functional.sigma_squared_r_gate(*inputs, max_per_class=max_per_class, classes_per_batch=2)
    assert_close(cut[:6], full[:6])
    assert (cut[6:] == 20.0).all()


def test_more_classes_than_were_promised_are_refused_where_they_can_be_counted():
    batch = make_batch([0, 0, 1, 1, 2, 2], num_classes=9, feature_dim=4)
    inputs = [batch[key] for key in ("features", "labels", "centers", "growth")]
    message = (
        r"no more than classes_per_batch=2 classes; this one holds 3\. Give classes_per_batch=3, or leave it out\.$"
    )
    for function in (functional.sigma_squared_r_loss, functional.sigma_squared_r_gate):
        with pytest.raises(ValueError, match=message):
            function(*inputs, classes_per_batch=2)
        assert_close(function(*inputs, classes_per_batch=3), function(*inputs))


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("max_per_class", [None, 4], ids=["masked", "grouped"])
def test_code_compiled_with_a_promise_of_classes_equals_eager_code(max_per_class):
    settings = {"neighbors": 3, "max_per_class": max_per_class, "classes_per_batch": 5}
    compiled = torch.compile(functional.sigma_squared_r_loss, fullgraph=True, backend="aot_eager")
    batch = make_batch([3 * (i % 5) for i in range(20)], num_classes=50, feature_dim=4, grad=True)
    for a, b in zip(
        value_and_gradients(batch, compiled, **settings), value_and_gradients(batch, neighbors=3), strict=True
    ):
        assert_close(a, b)
