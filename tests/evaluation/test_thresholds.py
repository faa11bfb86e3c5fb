"""Order statistics as thresholds: the rank, what it promises, by counting and by drawing."""

import itertools
from fractions import Fraction

import pytest
import torch
from scipy.stats import beta

from sigma2r.evaluation.thresholds import class_thresholds, least_images, rank_of, rate_range
from tests.reference import rejection

RATES = ["0.01", "0.05", "0.07", "0.1", "0.29", "0.3", "1/3", "0.5", "0.9"]


@pytest.mark.parametrize("rate", RATES)
def test_the_rank_is_the_floor_of_the_exact_product(rate):
    for num_images in range(1, 400):
        exact = Fraction(rate) * (num_images + 1)
        assert rank_of(num_images, float(Fraction(rate))) == exact.numerator // exact.denominator
        assert Fraction(rank_of(num_images, float(Fraction(rate))), num_images + 1) <= Fraction(rate)


@pytest.mark.parametrize("rate", RATES)
def test_the_least_number_of_images_is_the_first_with_a_rank(rate):
    least = least_images(float(Fraction(rate)))
    ranks = [rank_of(num_images, float(Fraction(rate))) for num_images in range(least + 1)]
    assert ranks[least] >= 1
    assert not any(ranks[:least])


@pytest.mark.parametrize("scores", [(0, 1, 2, 3, 4, 5), (0, 0, 1, 1, 2, 2), (3, 3, 3, 3, 3, 3)], ids=str)
@pytest.mark.parametrize("rate", [Fraction(1, 6), Fraction(1, 5), Fraction(1, 2)], ids=str)
def test_whichever_of_exchangeable_images_is_new_it_is_rejected_as_seldom_as_promised(scores, rate):
    """All orders of six scores: five set the threshold, the last is new."""
    rejected, total = 0, 0
    for *known, new in itertools.permutations(scores):
        rank = rank_of(len(known), float(rate))
        assert sorted(known)[rank - 1] == rejection.threshold(known, rate)
        rejected += new < sorted(known)[rank - 1]
        total += 1
    promised = Fraction(rank_of(5, float(rate)), 6)
    assert Fraction(rejected, total) <= promised <= rate
    if len(set(scores)) == 6:  # no two alike: the promise is met with equality
        assert Fraction(rejected, total) == promised


@pytest.mark.parametrize(("rank", "num_images"), [(1, 19), (50, 1000), (500, 9999), (3, 4), (4, 4), (5000, 100_000)])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_the_range_of_the_rate_is_that_of_the_beta_distribution(rank, num_images, share):
    wanted = beta(rank, num_images + 1 - rank).interval(share)
    assert rate_range(rank, num_images, share) == pytest.approx(wanted, rel=1e-6)


def test_drawn_again_and_again_the_rate_has_the_mean_and_the_range_that_are_told(generator):
    """2000 times 99 uniform scores: the rate of a threshold t is t itself."""
    draws = torch.rand(2000, 99, generator=generator, dtype=torch.float64)
    rank = rank_of(99, 0.1)
    rates = draws.sort(1).values[:, rank - 1]
    deviation = (0.1 * 0.9 / 101 / 2000) ** 0.5  # of the mean of 2000 draws of Beta(10, 90)
    assert abs(float(rates.mean()) - 0.1) < 4 * deviation
    low, high = rate_range(rank, 99)
    inside = float(((rates > low) & (rates < high)).double().mean())
    assert abs(inside - 0.9) < 4 * (0.9 * 0.1 / 2000) ** 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_thresholds_of_classes_are_those_of_their_images_alone(generator, dtype):
    labels = torch.tensor([0] * 30 + [1] * 18 + [3] * 19 + [4] * 100)[torch.randperm(167, generator=generator)]
    scores = torch.randn(167, generator=generator, dtype=torch.float64).to(dtype)
    scores[5] = scores[6]
    found = class_thresholds(scores, labels, 6, 0.05, 19)
    assert found.dtype == dtype
    wanted = [rejection.threshold(scores[labels == k].tolist(), Fraction(1, 20)) for k in range(6)]
    assert [value if value == value else None for value in found.tolist()] == wanted
    assert wanted[1:4] == [None, None, scores[labels == 3].min().item()]
    larger = class_thresholds(scores, labels, 6, 0.05, 31)
    assert (~larger.isnan()).nonzero().flatten().tolist() == [4]
