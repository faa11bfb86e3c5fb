"""Figures 1 to 3 of the paper: what the loss does to samples around a center, its surface, and Fuzzy-RGB's images.

Nothing is trained. What is shown is computed by the loss itself.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sigma2r.data.fuzzy_rgb import CLASS_NAMES, fuzzy_rgb
from sigma2r.functional import growth_rate, sigma_squared_r_gate
from sigma2r.losses._spread import Spread
from sigma2r.losses.sigma2r import _gate

COMPUTED = {
    "figure-1": "Weights of samples around a center",
    "figure-2": "The loss over distance and spread",
    "figure-3": "Images of Fuzzy-RGB",
}
"""What needs no training, by the names that a user types."""

READINGS: tuple[Spread, ...] = ("distance-std", "std", "rms")
CEILING, EPS = 40.0, 1e-3

LAYOUTS, JITTER = 1000, 0.15
"""How many layouts of Figure 1 are drawn, and how far a sample is moved on each axis."""

_NEIGHBORS = 3  # the figure's n
_GROWTH = -3.0  # a slope of 1.9, at which gates are told apart; their order is that of any slope
_FLAT = -12.0  # a slope of 0.001, at which no gate saturates, so that it tells the excess
# Six named samples as the caption of Figure 1 tells of them, and unnamed ones: a ring, and the company of x2.
_NAMED = {
    "x1": (4.2, 2.0),
    "x2": (-3.4, 1.6),
    "x3": (0.8, -3.4),
    "x4": (0.30, 0.12),
    "x5": (-0.22, 0.24),
    "x6": (0.02, -0.34),
}
_UNNAMED = (
    (0.95, 0.35), (-0.85, 0.55), (-0.65, -0.75), (0.70, -0.72), (0.05, 1.05), (-1.15, -0.10),
    (-4.3, 1.1), (-3.1, 2.6), (-2.5, 1.0),
)  # fmt: skip
_DISTANCES = (2.0, 5.0, 20.0)


@dataclass(frozen=True)
class Gates:
    """Figure 1 under one reading of sigma.

    Args:
        reading: Of sigma.
        beta: The gate of each sample, in the order of the layout, in [0, Z].
        far_above_near: Whether every gate of x1, x2, x3 is above every gate of x4, x5, x6, as the caption says.
        isolated_above_accompanied: Whether the gate of x1 is above that of x2, as the caption says.
        share: Of :data:`LAYOUTS` layouts, each sample moved by N(0, JITTER^2) on each axis, those in which both hold.
        excess_of_outlier: sigma(n, x) - sigma(n, C) of a lone sample at the ``distances`` of :class:`Layout`
            from a tight class.
    """

    reading: Spread
    beta: tuple[float, ...]
    far_above_near: bool
    isolated_above_accompanied: bool
    share: float
    excess_of_outlier: tuple[float, ...]


@dataclass(frozen=True)
class Layout:
    """Figure 1: samples of one class about their center at the origin.

    Args:
        points: Two coordinates each, the named first.
        names: ``x1`` to ``x6``.
        gates: One for each reading.
        distances: At which an outlier was tried.
    """

    points: tuple[tuple[float, float], ...]
    names: tuple[str, ...]
    gates: tuple[Gates, ...]
    distances: tuple[float, ...]


def figure_1() -> Layout:
    """Gates of samples around a center, n = 3, under each reading of sigma."""
    points = (*_NAMED.values(), *_UNNAMED)
    return Layout(points, tuple(_NAMED), tuple(_gates(points, reading) for reading in READINGS), _DISTANCES)


def _gates(points: tuple[tuple[float, float], ...], reading: Spread) -> Gates:
    drawn = torch.tensor(points, dtype=torch.float64)
    (beta,) = _beta(drawn.unsqueeze(0), reading).tolist()
    far, isolated = min(beta[:3]) > max(beta[3:6]), beta[0] > beta[1]
    moved = torch.randn(LAYOUTS, *drawn.shape, generator=torch.Generator().manual_seed(0), dtype=drawn.dtype)
    of_moved = _beta(drawn + JITTER * moved, reading)
    hold = (of_moved[:, :3].amin(1) > of_moved[:, 3:6].amax(1)) & (of_moved[:, 0] > of_moved[:, 1])
    excess = []
    near = torch.tensor(points[3:12], dtype=torch.float64) / 10  # a tight class: the samples about the center alone
    for distance in _DISTANCES:
        outlier = torch.tensor([[distance, 0.0]], dtype=torch.float64)
        gate = _beta(torch.cat([outlier, near]).unsqueeze(0), reading, _FLAT)[0, 0]
        slope = growth_rate(torch.tensor([_FLAT], dtype=torch.float64), ceiling=CEILING, eps=EPS)
        excess.append(float((gate / CEILING).logit() / slope))
    return Gates(reading, tuple(beta), far, isolated, float(hold.double().mean()), tuple(excess))


def _beta(layouts: Tensor, reading: Spread, w: float = _GROWTH) -> Tensor:
    """The gates (L, N) of L layouts (L, N, 2), each a class about the origin."""
    count, size, _ = layouts.shape
    labels = torch.arange(count).repeat_interleave(size)
    centers, growth = torch.zeros(count, 2, dtype=layouts.dtype), torch.full((count,), w, dtype=layouts.dtype)
    gate = sigma_squared_r_gate(
        layouts.flatten(0, 1), labels, centers, growth,
        neighbors=_NEIGHBORS, ceiling=CEILING, eps=EPS, spread=reading,
    )  # fmt: skip
    return gate.view(count, size)


@dataclass(frozen=True)
class Surface:
    """Figure 2: the loss of a sample by its distance from the center and by the spread of its neighbours.

    Args:
        distance: Shape ``(A,)``, feature units.
        spread: Shape ``(B,)``, feature units.
        inflections: sigma(n, C) of each surface.
        value: Shape ``(len(inflections), B, A)``: beta times the squared distance.
        center_loss: Shape ``(A,)``: half the squared distance.
    """

    distance: Tensor
    spread: Tensor
    inflections: tuple[float, ...]
    value: Tensor
    center_loss: Tensor


def figure_2(growth: float = -2.0) -> Surface:
    """The surface for three inflection points.

    Args:
        growth: w_K; the paper names none. -2 is a slope of 4.8, at which the bend is seen.
    """
    distance, spread = torch.linspace(0, 2, 31, dtype=torch.float64), torch.linspace(0, 2, 31, dtype=torch.float64)
    inflections = (0.5, 1.0, 1.5)
    held = torch.tensor(growth, dtype=torch.float64)
    beta = torch.stack([_gate(held, spread - inflection, CEILING, EPS) for inflection in inflections])
    return Surface(distance, spread, inflections, beta.unsqueeze(2) * distance.square(), distance.square() / 2)


@dataclass(frozen=True)
class Samples:
    """Figure 3: images of Fuzzy-RGB, from clear to hardly told apart.

    Args:
        colours: For each class, from clear to dim: shape ``(3, 10, 3)``, red, green and blue in [0, 1].
        margins: Of the same images: the largest channel less the next, in [0, 1], shape ``(3, 10)``.
        class_names: Of the rows.
        largest_is_label: Share of all training images whose largest channel is that of their class.
        within: Share of all training images whose margin is at most the key.
        ties: Training images whose two largest channels are equal.
    """

    colours: Tensor
    margins: Tensor
    class_names: tuple[str, ...]
    largest_is_label: float
    within: dict[float, float]
    ties: int


def figure_3() -> Samples:
    """Images of each class at even steps of their margin."""
    data = fuzzy_rgb("train")
    colours = data.images[:, :, 0, 0].double() / 255
    ordered = colours.sort(dim=1, descending=True).values
    margins = ordered[:, 0] - ordered[:, 1]
    rows, shown = [], []
    for k in range(len(CLASS_NAMES)):
        own = (data.labels == k).nonzero().squeeze(1)
        by_margin = own[margins[own].argsort(descending=True, stable=True)]
        picked = by_margin[torch.linspace(0, len(own) - 1, 10).round().long()]
        rows.append(colours[picked])
        shown.append(margins[picked])
    largest = float((colours.argmax(1) == data.labels).double().mean())
    within = {margin: float((margins <= margin).double().mean()) for margin in (0.02, 0.05, 0.1)}
    ties = int((margins == 0).sum())
    return Samples(torch.stack(rows), torch.stack(shown), CLASS_NAMES, largest, within, ties)
