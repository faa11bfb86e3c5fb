"""One case a loss: what the contract suite needs to hold it to every law."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from sigma2r import CenterLoss, SigmaSquaredRLoss, functional
from tests.reference import center, sigma2r

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
        offset_rtol: The relative error allowed at offset 1e4 in float32.
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
    offset_rtol: float = 1e-6

    @property
    def name(self) -> str:
        return "-".join([self.function.__name__, *(v for v in self.settings.values() if isinstance(v, str))])

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


CASES = [
    Case(functional.center_loss, CenterLoss, center.center_loss, center.center_loss_gradients, ("centers",)),
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
            offset_rtol=1e-4,
        )
        for spread in ("distance-std", "std", "rms")
    ),
]
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
