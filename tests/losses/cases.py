"""One case a loss: what the contract suite needs to hold it to every law."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from sigma2r import (
    CenterLoss,
    ContrastiveCenterLoss,
    ContrastiveLoss,
    GitLoss,
    NearestNegativeTripletLoss,
    SigmaSquaredRLoss,
    SoftNearestNeighborLoss,
    TripletCenterLoss,
    functional,
)
from tests.reference import (
    center,
    contrastive,
    contrastive_center,
    git,
    nearest_negative_triplet,
    sigma2r,
    soft_nearest_neighbor,
    triplet_center,
)

N, C, D = 14, 3, 4
Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Case:
    """A loss, its oracle and its properties.

    Args:
        function: The pure function.
        module: Its module, called with (num_classes, feature_dim).
        reference: The loops: per-sample values from lists.
        gradients: The loops for the gradient of their sum with respect to features and each learned tensor.
        learned: The learned tensors that the function takes after the labels, by name.
        settings: Keywords of the example.
        drawn: Further keywords, drawn at random where the batch is.
        literal: Keywords under which no part of the formula is held constant, so that its gradient is the
            function's own.
        frozen: Where a part is held constant: from a batch, what tells the loops to hold it at its value there.
        chooses: Whether which of two equally near neighbours is taken changes the value.
        kinks: Whether the gradient jumps where distances tie or a margin is just met.
        alone: Whether a class that is absent from the batch has no gradient.
        zero_at_centers: Whether features on their centers cost nothing, and only they.
        quadratic: Whether the value grows as the square of all lengths.
        offset_rtol: The relative error allowed at offset 1e4 in float32.
        has_value: From labels (and centers) as lists, which samples have a value; None: all.
    """

    function: Callable[..., Tensor]
    module: Callable[..., nn.Module]
    reference: Callable[..., list[float]]
    gradients: Callable[..., tuple[Any, ...]]
    learned: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    drawn: Mapping[str, st.SearchStrategy[Any]] = field(default_factory=dict)
    literal: Mapping[str, Any] = field(default_factory=dict)
    frozen: Callable[..., dict[str, Any]] | None = None
    chooses: bool = False
    kinks: bool = False
    alone: bool = True
    zero_at_centers: bool = False
    quadratic: bool = False
    offset_rtol: float = 1e-6
    has_value: Callable[..., list[bool]] | None = None

    @property
    def name(self) -> str:
        told = [f"per_class={v}" if k == "per_class" else v for k, v in self.settings.items() if k in _TOLD]
        return "-".join([self.function.__name__, *told])

    def build(self, num_classes: int, feature_dim: int, **keywords: Any) -> nn.Module:
        """The module; without sizes where it learns nothing."""
        keywords = {**self.settings, **keywords}
        return self.module(num_classes, feature_dim, **keywords) if self.learned else self.module(**keywords)

    def tensors(self, batch: Batch) -> list[Tensor]:
        """Features, labels and the learned tensors, in the function's order."""
        return [batch[key] for key in ("features", "labels", *self.learned)]

    def differentiable(self, batch: Batch) -> list[Tensor]:
        return [batch[key] for key in ("features", *self.learned)]

    def value(self, batch: Batch, **keywords: Any) -> Tensor:
        return self.function(*self.tensors(batch), **{**self.settings, **keywords})

    def gradient(self, batch: Batch, **keywords: Any) -> dict[str, Tensor]:
        """Of the sum over samples, by name."""
        inputs = self.differentiable(batch)
        value = self.value(batch, **{"reduction": "sum", **keywords})
        return dict(zip(("features", *self.learned), torch.autograd.grad(value, inputs), strict=True))

    def expected(self, batch: Batch, **keywords: Any) -> Tensor:
        """One value per sample, by the loops."""
        return as_tensor(self.reference(*as_lists(self.tensors(batch)), **{**self.settings, **keywords}))

    def expected_gradient(self, batch: Batch, **keywords: Any) -> dict[str, Tensor]:
        """Of the sum over samples, by the loops, by name."""
        gradients = self.gradients(*as_lists(self.tensors(batch)), **{**self.settings, **keywords})
        named = zip(("features", *self.learned), gradients, strict=True)
        return {name: as_tensor(gradient).reshape(batch[name].shape) for name, gradient in named}


def as_lists(tensors: list[Tensor]) -> list[Any]:
    return [t.detach().double().tolist() if t.is_floating_point() else t.tolist() for t in tensors]


def as_tensor(nested: list[Any]) -> Tensor:
    return torch.tensor(nested, dtype=torch.float64)


def frozen_spread(features: Any, labels: Any, centers: Any, growth: Any, **settings: Any) -> dict[str, Any]:
    excess = sigma2r.spread_excess(features, labels, centers, n=settings["neighbors"], spread=settings["spread"])
    return {"frozen_excess": excess}


_TOLD = ("spread", "negatives", "per_class")
_MARGIN = {"margin": st.floats(0.5, 8)}

CASES = [
    Case(
        functional.center_loss,
        CenterLoss,
        center.center_loss,
        center.center_loss_gradients,
        ("centers",),
        zero_at_centers=True,
        quadratic=True,
    ),
    *(
        Case(
            functional.sigma_squared_r_loss,
            SigmaSquaredRLoss,
            sigma2r.sigma_squared_r_loss,
            sigma2r.sigma_squared_r_loss_gradients,
            ("centers", "growth"),
            settings={"neighbors": 3, "ceiling": 5.0, "eps": 0.01, "spread": spread},
            drawn={"neighbors": st.integers(1, 9), "ceiling": st.floats(0.5, 8), "eps": st.floats(1e-3, 1)},
            literal={"through_spread": True},
            frozen=frozen_spread,
            chooses=spread == "std",
            zero_at_centers=True,
            quadratic=True,
            offset_rtol=1e-4,
        )
        for spread in ("distance-std", "std", "rms")
    ),
    Case(
        functional.soft_nearest_neighbor_loss,
        SoftNearestNeighborLoss,
        soft_nearest_neighbor.soft_nearest_neighbor_loss,
        soft_nearest_neighbor.soft_nearest_neighbor_loss_gradients,
        (),
        settings={"temperature": 20.0},
        drawn={"temperature": st.floats(0.2, 50)},
        offset_rtol=1e-4,
        has_value=soft_nearest_neighbor.has_value,
    ),
    *(
        Case(
            functional.git_loss,
            GitLoss,
            git.git_loss,
            git.git_loss_gradients,
            ("centers",),
            settings={"center_weight": 0.5, "push_weight": 2.0, "negatives": negatives},
            drawn={"center_weight": st.floats(0, 2), "push_weight": st.floats(0, 2)},
            offset_rtol=1e-4,
        )
        for negatives in ("all", "other-class")
    ),
    *(
        Case(
            functional.contrastive_center_loss,
            ContrastiveCenterLoss,
            contrastive_center.contrastive_center_loss,
            contrastive_center.contrastive_center_loss_gradients,
            ("centers",),
            settings={"delta": 0.5, "per_class": per_class},
            drawn={"delta": st.floats(0.1, 2)},
            alone=False,
            zero_at_centers=True,
            offset_rtol=1e-4,
        )
        for per_class in (False, True)
    ),
    Case(
        functional.triplet_center_loss,
        TripletCenterLoss,
        triplet_center.triplet_center_loss,
        triplet_center.triplet_center_loss_gradients,
        ("centers",),
        settings={"margin": 60.0},
        drawn=_MARGIN,
        kinks=True,
        alone=False,
        offset_rtol=1e-4,
        has_value=triplet_center.has_value,
    ),
    Case(
        functional.nearest_negative_triplet_loss,
        NearestNegativeTripletLoss,
        nearest_negative_triplet.nearest_negative_triplet_loss,
        nearest_negative_triplet.nearest_negative_triplet_loss_gradients,
        (),
        settings={"margin": 20.0},
        drawn=_MARGIN,
        kinks=True,
        offset_rtol=1e-4,
        has_value=nearest_negative_triplet.has_value,
    ),
    Case(
        functional.contrastive_loss,
        ContrastiveLoss,
        contrastive.contrastive_loss,
        contrastive.contrastive_loss_gradients,
        (),
        settings={"margin": 20.0},
        drawn=_MARGIN,
        kinks=True,
        offset_rtol=1e-4,
        has_value=contrastive.has_value,
    ),
]
CLASS_CASES = [case for case in CASES if "centers" in case.learned]
every_class_loss = pytest.mark.parametrize("case", CLASS_CASES, ids=lambda case: case.name)
every_loss = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def make_batch(
    labels: list[int] | None = None,
    *,
    num_classes: int = C,
    feature_dim: int = D,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    grad: bool = False,
) -> Batch:
    """Features, labels, centers and growth of a batch; by default 14 samples of 3 classes, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.arange(N) % num_classes if labels is None else torch.tensor(labels, dtype=torch.int64)
    if labels is None:
        chosen = chosen[torch.randperm(N, generator=generator)]

    def draw(*shape: int) -> Tensor:
        drawn = torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)
        return drawn.requires_grad_(grad)

    return {
        "features": draw(len(chosen), feature_dim),
        "labels": chosen,
        "centers": draw(num_classes, feature_dim),
        "growth": draw(num_classes),
    }


def changed(batch: Batch, **tensors: Tensor) -> Batch:
    """The batch with some tensors replaced by new leaves that require gradients as the old did."""
    return batch | {name: t.detach().requires_grad_(batch[name].requires_grad) for name, t in tensors.items()}


def in_float64(batch: Batch) -> Batch:
    """The same numbers, exactly, in float64."""
    return changed(batch, **{name: t.double() for name, t in batch.items() if t.is_floating_point()})
