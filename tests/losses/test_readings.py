"""What the three readings of sigma can see of the paper's own picture: isolation, and the statements of Figure 1."""

import math

import pytest
import torch
from torch import Tensor

from sigma2r import functional

READINGS = ("distance-std", "std", "rms")


def gates(clouds: Tensor, spread: str, **settings) -> Tensor:
    """Beta (R, P) of R clouds (R, P, D): each a class of its own with its center at the origin and growth 0."""
    num_clouds, num_points, feature_dim = clouds.shape
    labels = torch.arange(num_clouds).repeat_interleave(num_points)
    centers, growth = clouds.new_zeros(num_clouds, feature_dim), clouds.new_zeros(num_clouds)
    beta = functional.sigma_squared_r_gate(clouds.flatten(0, 1), labels, centers, growth, spread=spread, **settings)
    return beta.view(num_clouds, num_points)


def excess_of_an_outlier(distance: float, spread: str, generator: torch.Generator) -> float:
    """sigma(7, outlier) - sigma(7, center), where 24 points N(0, 0.15²) in 4 dimensions lie around the center.

    The mean over 200 clouds. It is read off the gate: with Z tiny and eps 1 the slope is 1.
    """
    clouds = 0.15 * torch.randn(200, 25, 4, generator=generator.manual_seed(0), dtype=torch.float64)
    clouds[:, 24] = torch.tensor([distance, 0.0, 0.0, 0.0])
    z = 1e-9
    return float(torch.logit(gates(clouds, spread, ceiling=z, eps=1.0)[:, 24] / z).mean())


def test_the_default_reading_is_blind_to_isolation_and_the_others_grow_with_it(generator: torch.Generator):
    excess = {s: [excess_of_an_outlier(d, s, generator) for d in (2.0, 5.0, 20.0)] for s in READINGS}
    near, middle, far = excess["distance-std"]
    assert 0.03 < near < middle < far < near + 0.002  # ten times as far away, and hardly anything to tell it by
    for spread, slope in (("std", 1 / math.sqrt(7 + 1)), ("rms", 1.0)):  # d² n / (n + 1) over n; d² n over n
        near, middle, far = excess[spread]
        assert middle - near == pytest.approx(slope * 3, rel=0.05)
        assert far - middle == pytest.approx(slope * 15, rel=0.05)


# Figure 1 with n = 3, drawn from its caption: circles of one class around their center. x4, x5, x6 lie close to the
# center, among others; x1, x2, x3 are the farthest: x1 alone, x2 in company, x3 with two beside it. Our drawing.
CORE = {"x4": (0.4, 0.3), "x5": (-0.5, 0.2), "x6": (0.1, -0.5),
        "a": (-0.3, -0.45), "b": (0.0, 0.55), "c": (0.55, -0.2), "d": (-0.1, 0.05)}  # fmt: skip
FAR = {"x1": (4.0, 3.5), "x2": (-3.0, 2.5), "x3": (3.2, -2.8), "e": (2.2, -3.9), "f": (4.4, -2.0)}
COMPANY_OF_X2 = {  # looser than the core, or denser
    "looser": {"p": (-3.9, 3.1), "q": (-2.2, 3.3), "r": (-3.6, 1.6)},
    "denser": {"p": (-3.2, 2.7), "q": (-2.8, 2.6), "r": (-3.1, 2.2)},
}


def share_of_drawings(company: str, spread: str, generator: torch.Generator) -> tuple[float, float]:
    """In how many of 300 drawings, each point moved by N(0, 0.1²), the caption's two statements hold.

    First: beta(x1), beta(x2), beta(x3) > beta(x4), beta(x5), beta(x6). Second: beta(x1) > beta(x2).
    """
    drawing = {**CORE, **FAR, **COMPANY_OF_X2[company]}
    points = torch.tensor(list(drawing.values()), dtype=torch.float64)
    moved = points + 0.1 * torch.randn(300, *points.shape, generator=generator, dtype=torch.float64)
    # A small Z keeps gates apart that would round to the same 0 or Z; it changes no order.
    beta = dict(zip(drawing, gates(moved, spread, neighbors=3, ceiling=0.1).T, strict=True))
    farthest = torch.stack([beta[x] for x in ("x1", "x2", "x3")]).amin(0)
    closest = torch.stack([beta[x] for x in ("x4", "x5", "x6")]).amax(0)
    return float((farthest > closest).double().mean()), float((beta["x1"] > beta["x2"]).double().mean())


@pytest.mark.parametrize("spread", ["std", "rms"])
def test_figure_1_holds_in_std_and_rms_where_the_company_of_x2_is_looser_than_that_of_the_center(spread, generator):
    assert share_of_drawings("looser", spread, generator) == (1.0, 1.0)


def test_figure_1_is_left_to_chance_in_the_default_reading(generator):
    """It compares how *equal* distances to neighbours are, not how long: x1's are nearly equal, because all are far."""
    far_above_close, alone_above_company = share_of_drawings("looser", "distance-std", generator)
    assert far_above_close < 0.25
    assert 0.3 < alone_above_company < 0.7


@pytest.mark.parametrize("spread", READINGS)
def test_where_the_company_of_x2_is_denser_than_that_of_the_center_x2_falls_below_x4_to_x6(spread, generator):
    """As the paper's text demands against its caption: the loss is low for neighbours denser than the center's."""
    far_above_close, alone_above_company = share_of_drawings("denser", spread, generator)
    assert far_above_close < (0.25 if spread == "distance-std" else 1e-9)
    assert (alone_above_company == 1.0) == (spread != "distance-std")
