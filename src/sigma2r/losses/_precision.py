"""Losses compute in float32 or better, whatever reaches them and whatever autocast is on."""

from typing import Any

import torch
from torch import Tensor

from sigma2r.losses._func import is_transformed


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """The widest dtype among ``tensors``, and at least float32."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def widest(device: torch.device) -> torch.dtype:
    """The widest dtype that a device computes in: float64, of which Apple's has none."""
    return torch.float32 if device.type == "mps" else torch.float64


def without_autocast(tensor: Tensor) -> torch.autocast:
    """A context in which autocast does not lower the precision of what happens on ``tensor``'s device.

    What is no tensor is refused inside, by the checks.
    """
    return torch.autocast(tensor.device.type if isinstance(tensor, Tensor) else "cpu", enabled=False)


def inner_products(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b.T`` of rows (N, D) and (M, D), in full precision on the way back as well.

    Autocast lowers matrix products wherever they run, so also those of a backward pass that is called under it.
    """
    if torch.compiler.is_compiling():  # whose backward pass is traced in here, without autocast
        return a @ b.T
    product: Tensor = (_TransformedProducts if is_transformed() else _InnerProducts).apply(a, b)
    return product


class _InnerProducts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a @ b.T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        with without_autocast(grad):
            return inner_products(grad, b.T), inner_products(grad.T, a.T)


class _TransformedProducts(torch.autograd.Function):
    """The same in the form that ``torch.func`` wants, which takes longer to call."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return a @ b.T

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        return _InnerProducts.backward(ctx, grad)

    @staticmethod
    def jvp(ctx: Any, of_a: Tensor, of_b: Tensor) -> Tensor:
        a, b = ctx.saved_tensors
        return inner_products(of_a, b) + inner_products(a, of_b)
