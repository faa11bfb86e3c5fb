"""Figures 1 to 3: against Eqs. 8 and 9 in loops, and counting."""

import math

import pytest

from sigma2r.data.fuzzy_rgb import fuzzy_rgb
from sigma2r.paper.geometry import CEILING, EPS, figure_1, figure_2, figure_3
from tests.reference import sigma2r as reference


@pytest.fixture(scope="module")
def layout():
    return figure_1()


def test_the_gates_of_figure_1_are_those_of_the_equation(layout):
    points = [list(point) for point in layout.points]
    for gates in layout.gates:
        expected = reference.sigma_squared_r_gate(
            points, [0] * len(points), [[0.0, 0.0]], [-3.0], neighbors=3, ceiling=CEILING, eps=EPS, spread=gates.reading
        )
        assert gates.beta == pytest.approx(expected, rel=1e-9)
        assert gates.far_above_near == all(far > near for far in expected[:3] for near in expected[3:6])
        assert gates.isolated_above_accompanied == (expected[0] > expected[1])


def test_x1_is_isolated_x2_has_company_and_x4_to_x6_are_nearest(layout):
    lengths = sorted(range(len(layout.points)), key=lambda i: math.hypot(*layout.points[i]))
    assert set(lengths[:3]) == {3, 4, 5}

    def third(i):
        return sorted(math.dist(layout.points[i], p) for j, p in enumerate(layout.points) if j != i)[2]

    assert third(0) > 2 * third(1)
    assert min(math.hypot(*layout.points[i]) for i in range(3)) > 3


def test_the_caption_holds_under_two_readings_and_not_under_the_one_of_distances(layout):
    holds = {g.reading: (g.far_above_near, g.isolated_above_accompanied) for g in layout.gates}
    assert holds == {"distance-std": (False, True), "std": (True, True), "rms": (True, True)}


def test_the_reading_of_distances_is_blind_to_isolation_and_the_others_are_not(layout):
    excess = {g.reading: g.excess_of_outlier for g in layout.gates}
    assert layout.distances == (2.0, 5.0, 20.0)
    assert max(excess["distance-std"]) < 0.05
    for reading in ("std", "rms"):
        near, middle, far = excess[reading]
        assert near < middle < far
        assert far > 8 * near
    tight = [[x / 10 for x in point] for point in layout.points[3:12]]
    for reading in excess:
        points = [[20.0, 0.0], *tight]
        gate = reference.sigma_squared_r_gate(
            points, [0] * len(points), [[0.0, 0.0]], [-12.0], neighbors=3, ceiling=CEILING, eps=EPS, spread=reading
        )[0]
        slope = EPS + CEILING / (1 + math.exp(12.0))
        assert excess[reading][2] == pytest.approx(math.log(gate / (CEILING - gate)) / slope, rel=1e-4)


def test_the_surface_is_that_of_the_equations():
    surface = figure_2(growth=-1.0)
    slope = EPS + CEILING / (1 + math.e)
    assert surface.value.shape == (3, 31, 31)
    for i, inflection in enumerate(surface.inflections):
        for j in (0, 7, 30):
            for k in (0, 12, 30):
                spread, distance = surface.spread[j].item(), surface.distance[k].item()
                beta = CEILING / (1 + math.exp(-slope * (spread - inflection)))
                assert surface.value[i, j, k].item() == pytest.approx(beta * distance**2, rel=1e-9)
    assert surface.center_loss[30].item() == pytest.approx(2.0)
    at_the_bend = surface.spread.tolist().index(1.0)
    assert surface.value[1, at_the_bend, 30].item() == pytest.approx(CEILING / 2 * 4)


def test_no_image_of_fuzzy_rgb_is_ambiguous_and_few_are_near_to_it():
    samples, data = figure_3(), fuzzy_rgb("train")
    right, near = 0, dict.fromkeys(samples.within, 0)
    for image, label in zip(data.images[:, :, 0, 0].tolist(), data.labels.tolist(), strict=True):
        others = [value for k, value in enumerate(image) if k != label]
        right += image[label] >= max(others)
        high, middle, _ = sorted(image, reverse=True)
        for margin in near:
            near[margin] += (high - middle) / 255 <= margin + 1e-12
    assert samples.largest_is_label == right / len(data) == 1.0
    assert samples.within == {margin: count / len(data) for margin, count in near.items()}
    assert (samples.margins.diff(dim=1) <= 0).all()
    assert samples.colours.shape == (3, 10, 3)
