"""One case a loss: what the contract suite needs to hold it to every law."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sigma2r import CenterLoss, SigmaSquaredRLoss, functional
from tests.reference import center, sigma2r

N, C, D = 14, 3, 4


@dataclass(frozen=True)
class Case:
    """A loss, its oracle and its properties.

    Args:
        function: The pure function.
        module: Its module, called with (num_classes, feature_dim).
        reference: The loops: per-sample values from lists.
        learned: The learned tensors that the function takes after the labels, by name.
        gradients: The loops for the gradient of the sum with respect to features and each learned tensor.
        settings: Keywords of the example.
        constant_spread: Whether a part of the formula is held constant, so that finite differences of the whole
            function are not its gradient.
    """

    function: Callable[..., Tensor]
    module: Callable[..., nn.Module]
    reference: Callable[..., list[float]]
    learned: tuple[str, ...]
    gradients: Callable[..., tuple[Any, ...]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    constant_spread: bool = False

    @property
    def name(self) -> str:
        return "-".join([self.function.__name__, *(str(v) for v in self.settings.values())])

    def tensors(self, batch: dict[str, Tensor]) -> list[Tensor]:
        """Features, labels and the learned tensors, in the function's order."""
        return [batch[key] for key in ("features", "labels", *self.learned)]

    def value(self, batch: dict[str, Tensor], **keywords: Any) -> Tensor:
        return self.function(*self.tensors(batch), **{**self.settings, **keywords})

    def expected(self, batch: dict[str, Tensor]) -> Tensor:
        lists = [tensor.double().tolist() if tensor.is_floating_point() else tensor.tolist()
                 for tensor in self.tensors(batch)]  # fmt: skip
        return torch.tensor(self.reference(*lists, **self.settings), dtype=torch.float64)

    def differentiable(self, batch: dict[str, Tensor]) -> list[Tensor]:
        return [batch[key] for key in ("features", *self.learned)]


CASES = [
    Case(functional.center_loss, CenterLoss, center.center_loss, ("centers",), center.center_gradients),
    *(
        Case(
            functional.sigma_squared_r_loss,
            SigmaSquaredRLoss,
            sigma2r.sigma_squared_r_loss,
            ("centers", "growth"),
            sigma2r.sigma_squared_r_gradients,
            {"neighbors": 3, "ceiling": 5.0, "eps": 0.01, "spread": spread},
            constant_spread=True,
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
) -> dict[str, Tensor]:
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
