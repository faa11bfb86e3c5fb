"""How far stragglers are from their class mean, against sorting in loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from sigma2r.metrics import class_statistics, distance_tail


def test_distances_are_to_the_mean_of_the_own_class():
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(20, 3, dtype=torch.float64, generator=generator), torch.arange(20) % 4
    statistics = class_statistics(features, labels, 4)
    expected = []
    for x, y in zip(features.tolist(), labels.tolist(), strict=True):
        own = [z for z, k in zip(features.tolist(), labels.tolist(), strict=True) if k == y]
        expected.append(math.dist(x, [sum(column) / len(own) for column in zip(*own, strict=True)]))
    assert_close(statistics.distances(features, labels), torch.tensor(expected, dtype=torch.float64))
    offset = statistics.distances(features, labels) - class_statistics(features + 1e6, labels, 4).distances(
        features + 1e6, labels
    )
    assert offset.abs().max() < 1e-8


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=300), st.floats(0.01, 1.0))
def test_a_share_of_the_samples_lies_within_the_tail(values, share):
    within, largest = (float(v) for v in distance_tail(torch.tensor(values, dtype=torch.float64), share))
    assert largest == max(values)
    assert within in values
    needed = share * len(values) - 1e-6
    assert sum(v <= within for v in values) >= needed
    smaller = [v for v in values if v < within]
    assert not smaller or sum(v <= max(smaller) for v in values) < needed + 1e-5


def test_of_a_hundred_the_second_largest_bounds_99_percent():
    distances = torch.arange(100.0).flip(0)
    assert tuple(map(float, distance_tail(distances))) == (98.0, 99.0)
    assert tuple(map(float, distance_tail(distances, 1.0))) == (99.0, 99.0)


@pytest.mark.message
@pytest.mark.parametrize(
    ("distances", "share", "message"),
    [
        (torch.zeros(0), 0.99, r"shape \(N,\) with N > 0; got \(0,\)"),
        (torch.zeros(2, 2), 0.99, r"got \(2, 2\)"),
        (torch.zeros(2), 0.0, r"share must lie in \(0, 1\]; got 0.0"),
        (torch.zeros(2), 1.5, r"share must lie in"),
    ],
)
def test_a_tail_of_nothing_is_refused(distances, share, message):
    with pytest.raises(ValueError, match=message):
        distance_tail(distances, share)


def test_distances_of_other_features_are_refused():
    statistics = class_statistics(torch.zeros(4, 3), torch.arange(4) % 2, 2)
    with pytest.raises(ValueError, match="dimensions"):
        statistics.distances(torch.zeros(4, 2), torch.arange(4) % 2)
    with pytest.raises(ValueError, match="label"):
        statistics.distances(torch.zeros(1, 3), torch.tensor([2]))
