"""PReLU and max pooling that cost less on a CPU, with torch's very results.

There torch's backward pass of PReLU, and its pooling of images stored channel by channel, take one pixel after another.
On other devices, in other precisions, and in code that is compiled, traced or transformed, these are torch's own.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PReLU(nn.PReLU):
    """``nn.PReLU()``, one slope for all channels, with a backward pass of whole-tensor operations."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """The input where it is positive, elsewhere times the slope."""
        if not (_is_short(input) and _is_learned_from(input)):
            return F.prelu(input, self.weight)
        activated: Tensor = _PReLU.apply(input, self.weight)
        return activated


class MaxPool2x2(nn.MaxPool2d):
    """``nn.MaxPool2d(2)``, by comparing the four corners of all windows at once."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, input: Tensor) -> Tensor:
        """The largest of each window of 2 by 2; what is left over at the right and below is dropped."""
        if not _is_short(input) or input.dim() != 4 or not input.is_contiguous() or 0 in _pooled_shape(input):
            return F.max_pool2d(input, 2)
        if not _is_learned_from(input):
            first, second, third, fourth = _corners(input)
            return torch.maximum(torch.maximum(first, second), torch.maximum(third, fourth))
        pooled: Tensor = _MaxPool2x2.apply(input)
        return pooled


def _is_learned_from(input: Tensor) -> bool:
    return input.requires_grad and torch.is_grad_enabled()


def _is_short(input: Tensor) -> bool:
    """Whether the short way is there for this tensor, and nothing else than torch looks on."""
    return (
        input.device.type == "cpu"
        and input.dtype == torch.float32
        and not torch.compiler.is_compiling()
        and torch._C._get_tracing_state() is None
        and not torch._C._are_functorch_transforms_active()
    )


def _pooled_shape(input: Tensor) -> tuple[int, int, int, int]:
    count, channels, height, width = input.shape
    return count, channels, height // 2, width // 2


def _corners(input: Tensor) -> Tensor:
    """The four pixels of each window: (4, N, ch, H // 2, W // 2)."""
    count, channels, rows, columns = _pooled_shape(input)
    windows = input[..., : 2 * rows, : 2 * columns].view(count, channels, rows, 2, columns, 2)
    return windows.permute(3, 5, 0, 1, 2, 4).reshape(4, count, channels, rows, columns)


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(input, slope)
        return F.prelu(input, slope)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        input, slope = ctx.saved_tensors
        of_slope = (input.clamp_max(0) * grad).sum().view_as(slope)
        if torch.is_grad_enabled():  # with create_graph: a derivative that can be differentiated by the slope too
            return torch.where(input > 0, grad, slope * grad), of_slope
        return torch.ops.aten.leaky_relu_backward(grad, input, float(slope), False), of_slope


class _MaxPool2x2(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:
        first, second, third, fourth = _corners(input)
        upper, lower = torch.maximum(first, second), torch.maximum(third, fourth)
        largest = torch.maximum(upper, lower)
        rows, columns, width = *largest.shape[2:], input.shape[3]
        # Which corner it was; of equal ones the first, as in torch.
        right = (first < upper).to(torch.int32)
        below = (third < lower).to(torch.int32).add_(width).sub_(right)
        places = right.add_(below.mul_(upper < largest)).to(torch.int64)
        places += torch.arange(rows).unsqueeze(1) * 2 * width + torch.arange(columns) * 2
        ctx.save_for_backward(input, places)
        return largest

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        input, places = ctx.saved_tensors
        of_input: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
            grad.contiguous(), input, [2, 2], [2, 2], [0, 0], [1, 1], False, places
        )
        return of_input
