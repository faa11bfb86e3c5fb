"""Intervals: draws against copies, sums against loops, ends against scipy, and how often they hold the truth."""

import pytest
import torch
from scipy import stats
from torch.testing import assert_close

from sigma2r.evaluation import Bootstrap, _ranged
from sigma2r.evaluation import bootstrap as module
from sigma2r.evaluation.bootstrap import Grouped, mean_over_classes, weighted_mean


def all_of(bootstrap, width=0):
    return torch.cat(list(bootstrap.weights(width)))


def test_each_draw_has_as_many_images_as_there_are():
    weights = all_of(Bootstrap(30, resamples=50))
    assert weights.shape == (50, 30)
    assert (weights.sum(1) == 30).all()
    assert weights.mean() == 1
    assert weights.var(1).mean().item() == pytest.approx(1, abs=0.1)  # multinomial: 1 - 1 / 30


def test_images_of_a_class_are_drawn_together():
    classes = torch.tensor([4, 4, 0, 9, 0, 4])
    weights = all_of(Bootstrap(6, classes, resamples=40))
    assert torch.equal(weights[:, 0], weights[:, 1])
    assert torch.equal(weights[:, 2], weights[:, 4])
    of_each = weights[:, [0, 2, 3]]
    assert (of_each.sum(1) == 3).all()  # as many classes as there are
    assert of_each.unique(dim=0).shape[0] > 5


def test_draws_depend_on_the_seed_alone(monkeypatch):
    bootstrap = Bootstrap(20, resamples=64)
    weights = all_of(bootstrap)
    assert torch.equal(all_of(bootstrap, width=10**7), weights)
    monkeypatch.setattr(module, "_AT_ONCE", 45)
    assert torch.equal(all_of(bootstrap), weights)
    assert not torch.equal(all_of(Bootstrap(20, resamples=64, seed=1)), weights)
    torch.manual_seed(5)
    assert torch.equal(all_of(bootstrap), weights)


def test_the_interval_of_a_mean_is_that_of_copies(generator):
    values = torch.randn(12, 2, generator=generator, dtype=torch.float64)
    values[3, 1] = torch.nan  # has no value there
    bootstrap = Bootstrap(12, resamples=99, confidence=0.8)
    means = torch.stack([values.repeat_interleave(weights.long(), 0).nanmean(0) for weights in all_of(bootstrap)])
    want = torch.quantile(means, torch.tensor([0.1, 0.9], dtype=torch.float64), dim=0)
    assert_close(torch.stack(bootstrap.of_mean(values)), want)
    assert_close(torch.stack(bootstrap.of_mean(values[:, 0])), want[:, 0])


def test_the_interval_of_a_mean_is_about_that_of_scipy(generator):
    values = torch.randn(80, generator=generator, dtype=torch.float64)
    low, high = Bootstrap(80, resamples=9999).of_mean(values)
    rival = stats.bootstrap(
        (values.numpy(),), lambda x, axis: x.mean(axis), n_resamples=9999, method="percentile", rng=0
    ).confidence_interval
    assert (low.item(), high.item()) == pytest.approx((rival.low, rival.high), abs=0.01)


def test_means_keep_their_digits_far_from_zero():
    values = 1e12 + torch.arange(4, dtype=torch.float64)
    weights = torch.tensor([[1.0, 1.0, 1.0, 1.0], [4.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    assert (weighted_mean(weights, values) - 1e12).tolist() == [1.5, 0.0]


def test_an_interval_holds_the_truth_about_as_often_as_it_says():
    """300 samples of 60: 95 % but for the interval's own error and chance, which leave it in [0.89, 0.99]."""
    generator = torch.Generator().manual_seed(0)
    held = 0
    for seed in range(300):
        values = torch.rand(60, generator=generator, dtype=torch.float64)
        low, high = Bootstrap(60, resamples=300, seed=seed).of_mean(values)
        held += bool(low < 0.5 < high)
    assert 0.89 < held / 300 < 0.99


def test_without_draws_there_is_no_interval():
    low, high = Bootstrap(5, resamples=0).of_mean(torch.randn(5, 3))
    assert low.shape == high.shape == (3,)
    assert low.isnan().all()


def test_draws_without_the_figure_are_left_out():
    low, high = Bootstrap(2, resamples=50).of_mean(torch.tensor([1.0, torch.nan]))
    assert (low.item(), high.item()) == (1.0, 1.0)


def test_sums_by_class_match_loops(generator):
    index = torch.tensor([2, 0, 2, 4, 0, 2])
    weights = torch.rand(3, 6, generator=generator, dtype=torch.float64)
    grouped = Grouped(index, 5)
    want = torch.stack([weights[:, index == k].sum(1) for k in range(5)], dim=1)
    assert_close(grouped.sums(weights), want)
    assert grouped.sums(torch.ones(1, 6)).tolist() == [[2, 0, 3, 0, 1]]
    drawn = torch.tensor([[3.0, 2.0, 3.0, 0.0, 2.0, 3.0]])
    assert grouped.multiplicity(drawn, by_class=True).tolist() == [[2, 0, 3, 0, 0]]
    assert grouped.multiplicity(drawn, by_class=False).tolist() == [[1, 0, 1, 0, 0]]


def test_means_over_classes_leave_out_classes_without_a_value():
    values = torch.tensor([[1.0, torch.nan, 4.0]])
    assert mean_over_classes(values, torch.tensor([[1.0, 5.0, 1.0]])).item() == 2.5
    assert mean_over_classes(values, torch.tensor([[3.0, 0.0, 1.0]])).item() == 1.75
    assert mean_over_classes(values, torch.tensor([[0.0, 1.0, 0.0]])).isnan()


@pytest.mark.parametrize("most", [torch.inf, 1.0])
def test_an_interval_within_a_range_is_less_its_bias_and_holds_its_figure(most):
    """Draws that are even on the scale of the figure; halves are off by 0.2 there, as the figure is from the truth."""
    there, back = (torch.log, torch.exp) if most == torch.inf else (torch.logit, torch.sigmoid)
    value = torch.tensor(0.4, dtype=torch.float64)
    even = torch.linspace(-0.5, 0.5, 1001, dtype=torch.float64)
    drawn, of_halves = back(there(value) + even), back(there(value) + torch.tensor([0.1, 0.3], dtype=torch.float64))
    found = _ranged.interval(Bootstrap(1, confidence=0.5), value, drawn, of_halves, most)
    assert_close(torch.stack(found), back(there(value) + torch.tensor([-0.45, 0.05], dtype=torch.float64)))
    narrow = _ranged.interval(Bootstrap(1, confidence=0.1), value, drawn, of_halves, most)
    assert narrow[1] == value  # it would end at -0.15
    for far in (of_halves.new_tensor([0.9]), of_halves * torch.nan):
        assert _ranged.interval(Bootstrap(1), value, drawn, far, most) is None


def test_halves_are_of_every_class_and_together_all():
    labels = torch.tensor([3, 0, 3, 3, 0, 7, 3, 3])
    found = list(_ranged.halves(labels, torch.Generator().manual_seed(0)))
    assert len(found) == 4
    for first, second in (found[:2], found[2:]):
        assert sorted(labels[first].tolist()) == [0, 3, 3, 3, 7]
        assert sorted(labels[second].tolist()) == [0, 3, 3, 7]
        assert set(first.tolist()) | set(second.tolist()) == set(range(8))
    assert found[0].tolist() != found[2].tolist()
