"""Rows of all processes as one tensor, and sums over processes, with the gradients that data parallelism wants.

A wrapper such as DistributedDataParallel divides the sum of all gradients by the number of processes W. So what a
process sends back to its own rows is multiplied by W: their network then gets the gradient of one process that has all.

Axes: W processes, N samples of one process, M of all, D feature dimensions.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rows_of_all(own: Tensor, counts: list[int], group: dist.ProcessGroup | None) -> Tensor:
    """The rows of every process, in the order of ranks, (M, ...); the gradient of the own ones comes back times W.

    Args:
        own: Shape ``(N, ...)``; N may differ from process to process, and be 0.
        counts: N of each process.
        group: The processes.
    """
    rows: Tensor = _Rows.apply(own, counts, group)
    return rows


def sum_of_all(own: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    """The sum over all processes of one number each; the gradient of the own one comes back times W."""
    total: Tensor = _Sum.apply(own, group)
    return total


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, counts: list[int], group: dist.ProcessGroup | None) -> Tensor:
        rank, most = dist.get_rank(group), max(counts)
        ctx.start, ctx.count, ctx.processes = sum(counts[:rank]), counts[rank], len(counts)
        padded = own.new_zeros(most, *own.shape[1:])
        padded[: counts[rank]] = own
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded, group=group)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad[ctx.start : ctx.start + ctx.count] * ctx.processes, None, None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.processes = dist.get_world_size(group)
        total = own.clone()
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.processes, None
