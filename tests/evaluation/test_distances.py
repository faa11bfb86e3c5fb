"""Distances keep their digits: against exact arithmetic, far from the origin, at several scales at once."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from sigma2r.evaluation._distances import pair_distances, squared_distances, vouched_for
from sigma2r.evaluation._points import (
    error_bound,
    exact_pairs,
    frame_of,
    full_precision,
    near_error_bound,
    near_pairs,
    points_of,
)


def exact(a, b):
    """In fractions, so without any rounding."""
    rows, columns = ([[Fraction(value) for value in point] for point in points.tolist()] for points in (a, b))
    return [[sum((p - q) ** 2 for p, q in zip(x, y, strict=True)) for y in columns] for x in rows]


def clouds(kind, generator, num=24, feature_dim=17, dtype=torch.float32):
    points = torch.randn(num, feature_dim, generator=generator, dtype=torch.float64)
    if kind == "far":
        points = 1e4 + 1e-2 * points
    elif kind == "scales":
        points = points * torch.tensor([1e-6, 1.0, 1e6]).repeat(num // 3).unsqueeze(1)
    elif kind == "twins":
        points[1::2] = points[::2] * (1 + 1e-7)
    elif kind == "clusters":
        points = 1e-4 * points + 1e3 * torch.randn(3, feature_dim, generator=generator).repeat(num // 3, 1)
    elif kind == "tiny":
        points = 1e-30 * points
    elif kind == "same":
        points = points[:1].expand(num, feature_dim).clone()
    return points.to(dtype)


KINDS = ["plain", "far", "scales", "twins", "clusters", "tiny", "same"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_squares_in_float64_are_right_to_the_digits_that_are_vouched_for(kind, dtype, generator):
    a = clouds(kind, generator, dtype=dtype)
    b = torch.cat([a[::2], clouds(kind, generator, 6, dtype=dtype)])
    found = squared_distances(a, b)
    assert found.dtype == torch.float64
    for got, want in zip(found.tolist(), exact(a, b), strict=True):
        for value, true in zip(got, want, strict=True):
            assert abs(Fraction(value) - true) <= true * Fraction(vouched_for(a.shape[1])) / 2


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_measured_as_they_are(kind, generator):
    a = clouds(kind, generator)
    rows, columns = torch.tensor([0, 3, 3]), torch.tensor([1, 3, 7])
    found = pair_distances(a, rows, a, columns)
    want = [exact(a[i : i + 1], a[j : j + 1])[0][0] for i, j in zip(rows.tolist(), columns.tolist(), strict=True)]
    for value, true in zip(found.tolist(), want, strict=True):
        assert abs(Fraction(value) - true) <= true * Fraction(2) ** -47


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feature_dim", [1, 16, 40])
def test_the_float32_distances_of_a_tile_stay_within_their_bound(kind, feature_dim, generator):
    points = clouds(kind, generator, feature_dim=feature_dim)
    order = torch.randperm(24, generator=generator)
    frame = frame_of(points)
    lifted = points_of(points, order, frame)
    tile = lifted.left(slice(0, 24)) @ lifted.lifted.T
    every = torch.arange(24)
    rows, columns = every.repeat_interleave(24), every.repeat(24)
    near, best = near_pairs(lifted, rows, lifted, columns), exact_pairs(lifted, rows, lifted, columns)
    true = exact(points[order], points[order])
    unit = Fraction(frame.unit) ** 2
    radius = lifted.radius.tolist()
    for i, j, by_product, by_difference, in_float64 in zip(
        rows.tolist(), columns.tolist(), tile.flatten().tolist(), near.tolist(), best.tolist(), strict=True
    ):
        square, reach = true[i][j] / unit, Fraction(radius[i] + radius[j]) ** 2
        spare = Fraction(2) ** -100
        assert abs(Fraction(by_product) - square) <= reach * Fraction(error_bound(feature_dim)) + spare
        assert abs(Fraction(by_difference) - square) <= reach * Fraction(near_error_bound(feature_dim)) + spare
        assert abs(Fraction(in_float64) - square) <= square * Fraction(2) ** -46


def test_the_bound_is_of_the_size_of_what_happens():
    """Not so wide that it holds whatever is computed: within a hundred times of what is seen."""
    points = torch.randn(200, 512, generator=torch.Generator().manual_seed(0))
    lifted = points_of(points, torch.arange(200), frame_of(points))
    tile = lifted.left(slice(0, 200)) @ lifted.lifted.T
    true = squared_distances(points, points) / frame_of(points).unit ** 2
    reach = (lifted.radius.unsqueeze(1) + lifted.radius).square()
    seen = ((tile - true).abs() / reach).max()
    assert error_bound(512) / 1000 < seen < error_bound(512)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 4), st.integers(0, 4), st.integers(1, 3))
def test_there_may_be_few_points_or_none(rows, columns, feature_dim):
    a, b = torch.randn(rows, feature_dim), torch.randn(columns, feature_dim)
    assert_close(squared_distances(a, b), torch.cdist(a.double(), b.double()).square())


def test_products_are_in_full_precision_whatever_was_asked_for():
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with full_precision():
                assert torch.get_float32_matmul_precision() == "highest"
                assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
