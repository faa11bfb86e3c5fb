"""What belongs to σ²R alone: its gate, its rates, its parameters, its gradient; Algorithm 1 as a whole."""

import copy

import pytest
import torch
from torch.testing import assert_close

from benchmarks.algorithm_1 import algorithm_1
from sigma2r import SigmaSquaredRLoss, functional
from tests.losses.cases import as_lists, as_tensor, make_batch
from tests.reference import sigma2r as reference

every_reading = pytest.mark.parametrize("spread", ["distance-std", "std", "rms"])
INPUTS = ("features", "labels", "centers", "growth")


@every_reading
def test_the_gate_is_that_of_the_equation(spread):
    batch, settings = make_batch(), {"neighbors": 3, "ceiling": 8.0, "eps": 0.5, "spread": spread}
    inputs = [batch[name] for name in INPUTS]
    expected = as_tensor(reference.sigma_squared_r_gate(*as_lists(inputs), **settings))
    assert expected.unique().numel() > 3  # not one a class; under std, samples of one neighbourhood share a gate
    assert_close(functional.sigma_squared_r_gate(*inputs, **settings), expected)
    loss = SigmaSquaredRLoss(3, 4, **settings).double()
    loss.load_state_dict({name: batch[name] for name in ("centers", "growth")})
    beta = loss.gate(batch["features"], batch["labels"])
    assert_close(beta, expected)
    assert not beta.requires_grad
    squared = (batch["features"] - batch["centers"][batch["labels"]]).square().sum(1)
    assert_close(functional.sigma_squared_r_loss(*inputs, **settings, reduction="none"), beta * squared)


def test_the_growth_rate_is_that_of_the_equation_and_stays_between_eps_and_eps_plus_ceiling():
    growth = torch.tensor([-50.0, -1.5, 0.0, 2.0, 50.0], dtype=torch.float64, requires_grad=True)
    rates = functional.growth_rate(growth, ceiling=8.0, eps=0.5)
    assert_close(rates, as_tensor(reference.growth_rate(growth.tolist(), ceiling=8.0, eps=0.5)))
    assert_close(rates[[0, 2, 4]], as_tensor([0.5, 4.5, 8.5]))
    assert torch.autograd.gradcheck(functional.growth_rate, growth)
    loss = SigmaSquaredRLoss(5, 2, ceiling=8.0, eps=0.5).double()
    loss.load_state_dict({"centers": loss.centers, "growth": growth})
    assert torch.equal(loss.growth_rate(), rates)
    assert not loss.growth_rate().requires_grad


def test_the_defaults_are_those_of_the_paper_where_it_gives_one():
    batch = make_batch(feature_dim=2)
    inputs = [batch[name] for name in INPUTS]
    written_out = {"neighbors": 7, "ceiling": 40.0, "eps": 1e-3, "spread": "distance-std", "through_spread": False}
    value = functional.sigma_squared_r_loss(*inputs)
    assert value == functional.sigma_squared_r_loss(*inputs, **written_out, max_per_class=None, reduction="mean")
    module = SigmaSquaredRLoss(3, 2)
    assert {name: getattr(module, name) for name in written_out} == written_out
    assert torch.equal(functional.growth_rate(inputs[3]), functional.growth_rate(inputs[3], ceiling=40.0, eps=1e-3))


@every_reading
def test_algorithm_1_in_loops_gives_the_same_value_and_gradient(spread):
    batch = make_batch([0] * 9 + [1] * 8 + [2, 2, 2, 4], num_classes=5, grad=True)  # class 3 is absent
    inputs = [batch[name] for name in INPUTS]
    learned = [t for t in inputs if t.requires_grad]
    looped = algorithm_1(*inputs, n=4, ceiling=5.0, eps=0.1, spread=spread)
    value = functional.sigma_squared_r_loss(*inputs, neighbors=4, ceiling=5.0, eps=0.1, spread=spread)
    assert_close(value, looped)
    for got, wanted in zip(torch.autograd.grad(value, learned), torch.autograd.grad(looped, learned), strict=True):
        assert_close(got, wanted)


@every_reading
def test_too_few_samples_of_a_class_leave_the_gate_half_open(spread):
    least = 3 if spread == "distance-std" else 2  # two neighbours besides itself, or one
    for count in (1, 2, 3, 4):
        batch = make_batch([0] * count, num_classes=1, feature_dim=2)
        beta = functional.sigma_squared_r_gate(*(batch[name] for name in INPUTS), ceiling=6.0, spread=spread)
        assert bool((beta == 3.0).all()) == (count < least)
        assert bool((beta != 3.0).all()) == (count >= least)


def test_one_neighbour_has_no_standard_deviation_of_distances():
    batch = make_batch()
    beta = functional.sigma_squared_r_gate(*(batch[name] for name in INPUTS), neighbors=1)
    assert (beta == 20.0).all()


@every_reading
def test_the_gradient_through_sigma_changes_the_gradient_and_not_the_value(spread):
    batch = make_batch(grad=True)
    inputs = [batch[name] for name in INPUTS]
    learned = [t for t in inputs if t.requires_grad]
    values, gradients = [], []
    for through_spread in (False, True):
        values.append(functional.sigma_squared_r_loss(*inputs, spread=spread, through_spread=through_spread))
        gradients.append(torch.autograd.grad(values[-1], learned))
    assert torch.equal(*values)
    for constant, through, changes in zip(*gradients, (True, True, False), strict=True):
        assert ((constant - through).abs().max() > 1e-2) == changes  # growth is reached through K alone
    module = SigmaSquaredRLoss(3, 4, spread=spread, through_spread=True).double()
    module.load_state_dict({"centers": inputs[2], "growth": inputs[3]})
    module(inputs[0], inputs[1]).backward()
    assert_close(module.centers.grad, gradients[1][1])


def test_centers_and_growth_start_from_a_standard_normal(generator):
    loss = SigmaSquaredRLoss(2000, 50, generator=generator)
    for parameter in (loss.centers.detach(), loss.growth.detach()):
        assert abs(float(parameter.mean())) < 4 / parameter.numel() ** 0.5
        assert abs(float(parameter.std()) - 1) < 4 / (2 * parameter.numel()) ** 0.5
    again = SigmaSquaredRLoss(2000, 50, generator=generator.manual_seed(0))
    assert torch.equal(again.centers, loss.centers)
    assert torch.equal(again.growth, loss.growth)
    other = SigmaSquaredRLoss(2000, 50, generator=generator)
    assert not torch.equal(other.centers, loss.centers)


@pytest.mark.parametrize("center_std", [0.0, 0.1, 3.0])
def test_centers_can_start_narrower_wider_or_at_the_origin(generator, center_std):
    loss = SigmaSquaredRLoss(2000, 50, center_std=center_std, generator=generator)
    assert float(loss.centers.detach().std()) == pytest.approx(center_std, rel=0.02)
    assert float(loss.growth.detach().std()) == pytest.approx(1.0, rel=0.1)


def test_one_adam_with_the_network_is_the_papers_two_adams_bit_for_bit(generator):
    network, loss = torch.nn.Linear(6, 4), SigmaSquaredRLoss(3, 4)
    twin_network, twin_loss = copy.deepcopy(network), copy.deepcopy(loss)
    one = torch.optim.Adam([{"params": network.parameters(), "lr": 1e-3}, *loss.param_groups(lr=0.1)])
    two = [torch.optim.Adam(twin_network.parameters(), lr=1e-3), torch.optim.Adam(twin_loss.parameters(), lr=0.1)]
    start = [p.detach().clone() for p in (*network.parameters(), *loss.parameters())]
    for _ in range(5):
        images, labels = torch.randn(24, 6, generator=generator), torch.arange(24) % 3
        for optimizers, model, criterion in (([one], network, loss), (two, twin_network, twin_loss)):
            for optimizer in optimizers:
                optimizer.zero_grad()
            criterion(model(images), labels).backward()
            for optimizer in optimizers:
                optimizer.step()
        ours, papers = [[*n.parameters(), *c.parameters()] for n, c in ((network, loss), (twin_network, twin_loss))]
        assert all(torch.equal(a, b) for a, b in zip(ours, papers, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(ours, start, strict=True))


def test_growth_can_be_held():
    torch.manual_seed(0)
    learned = SigmaSquaredRLoss(3, 4, neighbors=3).double()
    torch.manual_seed(0)
    held = SigmaSquaredRLoss(3, 4, neighbors=3, fixed_growth=-1.5).double()
    assert_close(held.centers, learned.centers)  # the start of the centers does not depend on it
    batch = make_batch()
    growth = torch.full((3,), -1.5, dtype=torch.float64)
    expected = as_tensor(
        reference.sigma_squared_r_loss(*as_lists([batch["features"], batch["labels"], held.centers, growth]),
                                       neighbors=3, ceiling=40.0, eps=1e-3)
    ).mean()  # fmt: skip
    value = held(batch["features"], batch["labels"])
    assert_close(value, expected)
    value.backward()
    assert held.growth.grad is None
    assert [group["name"] for group in held.param_groups(lr=0.1)] == ["centers"]
    held.add_classes(2)
    assert held.growth.tolist() == [-1.5] * 5
    assert not held.growth.requires_grad
    with pytest.raises(ValueError, match=r"fixed_growth must be a finite number.*got nan"):
        SigmaSquaredRLoss(3, 4, fixed_growth=float("nan"))
