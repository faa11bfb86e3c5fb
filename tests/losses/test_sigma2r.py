"""What belongs to σ²R alone: its search, its gate, its parameters, and what its readings of sigma can see."""

import copy
import math

import pytest
import torch
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from sigma2r import SigmaSquaredRLoss, check_values, functional
from sigma2r.losses import _groups
from tests.losses.cases import make_batch
from tests.reference import sigma2r as reference

READINGS = ("distance-std", "std", "rms")
every_reading = pytest.mark.parametrize("spread", READINGS)
LONG_TAIL = [0] * 40 + [1] * 12 + [2] * 3 + [3] * 2 + [4] + [5]


def value_and_gradients(batch, **settings):
    inputs = [batch[key] for key in ("features", "centers", "growth")]
    loss = functional.sigma_squared_r_loss(inputs[0], batch["labels"], *inputs[1:], **settings)
    return [loss, *torch.autograd.grad(loss, inputs)]


def layout(labels, num_classes, feature_dim, max_per_class=None):
    groups = _groups.group_by_class("test", torch.tensor(labels), num_classes, feature_dim, max_per_class)
    return "masked" if groups.members is None else "grouped"


@every_reading
@pytest.mark.parametrize("through_spread", [False, True])
@pytest.mark.parametrize("num_classes", [6, 100], ids=["few classes", "more classes than samples"])
def test_both_searches_give_the_same_value_and_gradient(monkeypatch, spread, through_spread, num_classes):
    labels = [i % 5 for i in range(30)]
    batch = make_batch(labels, num_classes=num_classes, feature_dim=64, grad=True)
    assert layout(labels, num_classes, 64) == "grouped"
    settings = {"spread": spread, "through_spread": through_spread, "neighbors": 4}
    grouped = value_and_gradients(batch, **settings)
    monkeypatch.setattr(_groups, "values_are_readable", lambda tensor: False)
    assert layout(labels, num_classes, 64) == "masked"
    masked = value_and_gradients(batch, **settings)
    if num_classes == 6:  # where nobody may count, 100 classes might all be among 30 samples: too much padding
        assert layout(labels, num_classes, 64, max_per_class=7) == "grouped"
    promised = value_and_gradients(batch, max_per_class=7, **settings)
    for a, b, c in zip(grouped, masked, promised, strict=True):
        assert_close(a, b)
        assert_close(a, c)


def test_very_unequal_classes_are_searched_without_padding():
    assert layout(LONG_TAIL, 6, 16) == "masked"
    assert layout([0] * 64 + list(range(1, 65)), 65, 512) == "masked"
    assert layout([i % 10 for i in range(250)], 10, 512) == "grouped"


class Largest(TorchDispatchMode):
    """Records the most elements that any operation returned."""

    def __init__(self):
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


@every_reading
@pytest.mark.parametrize(
    ("labels", "bound"),
    [
        ([i % 10 for i in range(260)], 10 * 27 * 512),  # padded features
        ([0] * 128 + list(range(1, 129)), (256 + 129) * 512),  # samples and centers; padding would take 129 * 128 * 512
    ],
    ids=["balanced", "one class of 128 among 128 singles"],
)
def test_no_tensor_is_larger_than_its_layout_needs(spread, labels, bound):
    batch = make_batch(labels, num_classes=max(labels) + 1, feature_dim=512, dtype=torch.float32, grad=True)
    with Largest() as largest:
        value_and_gradients(batch, spread=spread)
    assert 0 < largest.elements <= max(bound, batch["features"].numel())


@every_reading
@pytest.mark.parametrize("max_per_class", [None, 6], ids=["masked", "grouped"])
def test_compiled_code_equals_eager_code_and_is_compiled_once(spread, max_per_class):
    settings = {"spread": spread, "neighbors": 4, "max_per_class": max_per_class}
    counter = torch._dynamo.testing.CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(functional.sigma_squared_r_loss, fullgraph=True, backend=counter)
    compositions = ([i % 5 for i in range(30)], [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6, [2, 3, 1, 1, 1] * 6)
    for labels in compositions:
        if max_per_class is not None and max(labels.count(k) for k in labels) > max_per_class:
            continue
        batch = make_batch(labels, num_classes=5, feature_dim=64, grad=True)
        inputs = [batch["features"], batch["labels"], batch["centers"], batch["growth"]]
        learned = [t for t in inputs if t.requires_grad]
        got, wanted = compiled(*inputs, **settings), functional.sigma_squared_r_loss(*inputs, **settings)
        assert_close(got, wanted)
        for a, b in zip(torch.autograd.grad(got, learned), torch.autograd.grad(wanted, learned), strict=True):
            assert_close(a, b)
    assert counter.frame_count == 1


@pytest.mark.slow
def test_inductor_equals_eager_code():
    batch = make_batch([i % 5 for i in range(30)], num_classes=5, feature_dim=16, dtype=torch.float32, grad=True)
    inputs = [batch["features"], batch["labels"], batch["centers"], batch["growth"]]
    compiled = torch.compile(functional.sigma_squared_r_loss, fullgraph=True)
    learned = [t for t in inputs if t.requires_grad]
    got, wanted = compiled(*inputs), functional.sigma_squared_r_loss(*inputs)
    assert_close(got, wanted)
    for a, b in zip(torch.autograd.grad(got, learned), torch.autograd.grad(wanted, learned), strict=True):
        assert_close(a, b, rtol=1e-4, atol=1e-4)  # float32 sums in another order


def test_a_promise_that_nobody_checks_leaves_the_surplus_half_open(monkeypatch):
    batch = make_batch([0] * 5 + [1] * 3, num_classes=2, feature_dim=64)
    inputs = [batch[key] for key in ("features", "labels", "centers", "growth")]
    full = functional.sigma_squared_r_gate(*inputs)
    monkeypatch.setattr(_groups, "values_are_readable", lambda tensor: False)
    cut = functional.sigma_squared_r_gate(*inputs, max_per_class=3)
    assert_close(cut[5:], full[5:])
    assert (cut[3:5] == 20.0).all()
    assert cut.isfinite().all()


def test_gate_and_growth_rate_are_those_of_the_equations():
    loss = SigmaSquaredRLoss(3, 4, neighbors=3, ceiling=8.0, eps=0.5).double()
    batch = make_batch()
    lists = [batch["features"].tolist(), batch["labels"].tolist(), loss.centers.tolist(), loss.growth.tolist()]
    expected = reference.gate(*lists, neighbors=3, ceiling=8.0, eps=0.5)
    assert len(set(expected)) == len(expected)
    assert_close(loss.gate(batch["features"], batch["labels"]), torch.tensor(expected, dtype=torch.float64))
    rates = torch.tensor(reference.growth_rate(loss.growth.tolist(), 8.0, 0.5), dtype=torch.float64)
    assert_close(loss.growth_rate(), rates)
    assert not loss.gate(batch["features"], batch["labels"]).requires_grad


def test_growth_rate_stays_between_eps_and_eps_plus_ceiling():
    rates = functional.growth_rate(torch.tensor([-50.0, 0.0, 50.0], dtype=torch.float64), ceiling=40.0, eps=1e-3)
    assert_close(rates, torch.tensor([1e-3, 20.001, 40.001], dtype=torch.float64))


def test_centers_and_growth_start_from_a_standard_normal(generator):
    loss = SigmaSquaredRLoss(2000, 50, generator=generator)
    for parameter in (loss.centers, loss.growth):
        assert abs(float(parameter.mean())) < 0.1
        assert abs(float(parameter.std()) - 1) < 0.05
    again = SigmaSquaredRLoss(2000, 50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.centers, loss.centers)
    assert (SigmaSquaredRLoss(3, 2, center_std=0.0).centers == 0).all()
    assert abs(float(SigmaSquaredRLoss(2000, 50, center_std=0.1).centers.std()) - 0.1) < 0.005


def test_centers_can_start_at_class_means_and_absent_classes_stay():
    loss = SigmaSquaredRLoss(3, 2)
    start = loss.centers.detach().clone()
    loss.init_centers(torch.tensor([[1.0, 2.0], [3.0, 6.0], [-1.0, 0.0]]), torch.tensor([0, 0, 2]))
    assert_close(loss.centers.detach(), torch.stack([torch.tensor([2.0, 4.0]), start[1], torch.tensor([-1.0, 0.0])]))
    assert loss.centers.requires_grad


def test_one_adam_with_two_groups_is_the_papers_two_adams_bit_for_bit():
    torch.manual_seed(0)
    network, loss = torch.nn.Linear(6, 4), SigmaSquaredRLoss(3, 4)
    twin_network, twin_loss = copy.deepcopy(network), copy.deepcopy(loss)
    one = torch.optim.Adam([{"params": network.parameters(), "lr": 1e-3}, *loss.param_groups(lr=0.1)])
    two = [torch.optim.Adam(twin_network.parameters(), lr=1e-3), torch.optim.Adam(twin_loss.parameters(), lr=0.1)]
    for step in range(5):
        images, labels = torch.randn(24, 6), torch.arange(24) % 3
        for optimizers, model, criterion in (([one], network, loss), (two, twin_network, twin_loss)):
            for optimizer in optimizers:
                optimizer.zero_grad()
            criterion(model(images), labels).backward()
            for optimizer in optimizers:
                optimizer.step()
        pairs = zip([*network.parameters(), *loss.parameters()],
                    [*twin_network.parameters(), *twin_loss.parameters()], strict=True)  # fmt: skip
        assert all(torch.equal(a, b) for a, b in pairs), f"step {step}"


@every_reading
def test_the_gradient_through_sigma_changes_the_gradient_and_not_the_value(spread):
    batch = make_batch(grad=True)
    constant = value_and_gradients(batch, spread=spread)
    through = value_and_gradients(batch, spread=spread, through_spread=True)
    assert_close(constant[0], through[0])
    assert_close(constant[3], through[3])  # growth is reached through K alone
    assert (constant[1] - through[1]).abs().max() > 1e-2
    assert (constant[2] - through[2]).abs().max() > 1e-2


def test_too_few_samples_of_a_class_leave_the_gate_half_open():
    for spread, least in (("distance-std", 3), ("std", 2), ("rms", 2)):
        for count in (1, 2, 3):
            batch = make_batch([0] * count, num_classes=1, feature_dim=2)
            beta = functional.sigma_squared_r_gate(
                batch["features"], batch["labels"], batch["centers"], batch["growth"], ceiling=6.0, spread=spread
            )
            assert bool((beta == 3.0).all()) == (count < least)


def excess_of_outlier(distance, spread):
    """sigma around an outlier minus sigma around the center of a tight class of 12 points on a circle of 0.1."""
    angles = [2 * math.pi * k / 12 for k in range(12)]
    tight = [[0.1 * math.cos(a), 0.1 * math.sin(a)] for a in angles]
    features = torch.tensor([*tight, [distance, 0.0]], dtype=torch.float64)
    labels, centers = torch.zeros(13, dtype=torch.int64), torch.zeros(1, 2, dtype=torch.float64)
    # With K = eps + Z sigmoid(0) = 1 and a small Z the gate is nearly linear: its argument can be read off it.
    beta = functional.sigma_squared_r_gate(
        features, labels, centers, torch.zeros(1).double(), ceiling=1e-6, eps=1.0, spread=spread
    )[12]
    return float(torch.logit(beta / 1e-6) / (1.0 + 0.5e-6))


def test_the_default_reading_is_blind_to_isolation_and_the_others_are_not():
    default = [excess_of_outlier(d, "distance-std") for d in (2.0, 5.0, 20.0)]
    assert max(default) < 0.1
    assert max(default) / min(default) < 1.5
    for spread in ("std", "rms"):
        near, middle, far = (excess_of_outlier(d, spread) for d in (2.0, 5.0, 20.0))
        assert middle > 2 * near
        assert far > 3 * middle


# The paper's Figure 1, n = 3: x4..x6 around the center; x1 far away and alone, x2 and x3 far away, x2 among dense
# company (its figure draws more circles than it names).
FIGURE_1 = {
    "x1": (4.0, 3.5), "x2": (-3.0, 2.5), "x3": (3.2, -2.8), "x4": (0.4, 0.3), "x5": (-0.5, 0.2), "x6": (0.1, -0.5),
    "a": (-3.2, 2.7), "b": (-2.8, 2.6), "c": (-3.1, 2.2), "d": (2.6, -3.6),
}  # fmt: skip


def figure_1_gates(spread):
    points = torch.tensor(list(FIGURE_1.values()), dtype=torch.float64)
    labels, centers = torch.zeros(len(points), dtype=torch.int64), torch.zeros(1, 2, dtype=torch.float64)
    beta = functional.sigma_squared_r_gate(
        points, labels, centers, torch.tensor([-6.0], dtype=torch.float64), neighbors=3, spread=spread
    )
    return dict(zip(FIGURE_1, beta.tolist(), strict=True))


@pytest.mark.parametrize(
    ("spread", "far_above_near", "alone_above_company"),
    [("distance-std", False, True), ("std", False, True), ("rms", False, True)],
)
def test_which_statements_of_figure_1_hold_in_each_reading(spread, far_above_near, alone_above_company):
    beta = figure_1_gates(spread)
    assert (min(beta[x] for x in ("x1", "x2", "x3")) > max(beta[x] for x in ("x4", "x5", "x6"))) == far_above_near
    assert (beta["x1"] > beta["x2"]) == alone_above_company


def test_the_search_for_neighbours_counts_where_it_may_look():
    batch = make_batch([0, 0, 0, 1], num_classes=2)
    inputs = [batch[key] for key in ("features", "labels", "centers", "growth")]
    with pytest.raises(ValueError, match=r"no class may have more than max_per_class=2 .* class 0 has 3"):
        functional.sigma_squared_r_loss(*inputs, max_per_class=2)
    with check_values():
        assert functional.sigma_squared_r_loss(*inputs, max_per_class=3) > 0
