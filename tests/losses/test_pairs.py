"""Distances between all samples: how far they may be off, and what they need."""

import pytest
import torch

from sigma2r.losses._pairs import pairs_of
from tests.losses.memory import Memory


def worst_error(features, labels, which: str) -> float:
    """The largest error of a squared distance, over the float32 rounding of the largest squared distance."""
    pairs = pairs_of(features, labels, None)
    exact = (features.double().unsqueeze(1) - features.double()).square().sum(2)
    chosen = getattr(pairs, which)
    error = (pairs.squared.double() * pairs.scale.double() ** 2 - exact).abs()[chosen]
    return float(error.max() / (torch.finfo(torch.float32).eps * exact[chosen].max()))


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_squared_distances_are_off_by_a_few_roundings_of_the_largest_of_their_kind(offset, generator):
    """Within a class that of the class, however far classes are apart; across classes that of the batch."""
    labels = torch.arange(60) % 4
    places = 50 * torch.randn(4, 32, generator=generator) + offset
    features = places[labels] + 0.05 * torch.randn(60, 32, generator=generator)
    assert 0 < worst_error(features, labels, "same") < 20
    assert worst_error(features, labels, "other") < 20


def test_coincident_samples_of_one_class_are_nearly_at_distance_zero(generator):
    features = torch.randn(6, 32, generator=generator).repeat(2, 1) + 1e4
    pairs = pairs_of(features, torch.zeros(12, dtype=torch.int64), None)
    twins = pairs.distance()[torch.arange(6), torch.arange(6) + 6]
    assert twins.max() < 2e-3 * pairs.distance().max()


def test_pairs_need_no_memory_of_samples_by_samples_by_dimensions(generator):
    features = torch.randn(64, 256, generator=generator)
    with Memory() as memory:
        pairs_of(features, torch.arange(64) % 4, None)
    assert memory.largest <= features.nbytes  # 64 times as much if pairs of vectors were held
