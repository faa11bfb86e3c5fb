"""A batch against the rows of a table that its labels name, in pieces that stay in a processor's cache.

Tensors of the size of the batch that live for one step only cost more than the arithmetic: an allocator hands their
pages back, and the next call faults them in again. So they are made piece by piece, in one buffer; each number is
computed as it would be for the batch as a whole, to the same bits.

Axes: N samples, C classes, D feature dimensions.
"""

from typing import Any

import torch
from torch import Tensor

from sigma2r.losses._centers import rows_of, sparse_sum
from sigma2r.losses._func import is_functional
from sigma2r.losses._precision import without_autocast

_PIECE = 2**17  # numbers


def pieces(count: int, size: int, device: torch.device) -> list[slice]:
    """The range of ``count`` things of ``size`` numbers, in parts for a cache; in one that fits or is elsewhere."""
    most = max(1, _PIECE // max(size, 1))
    if count <= most or device.type != "cpu":
        return [slice(0, count)]
    return [slice(start, min(start + most, count)) for start in range(0, count, most)]


def squared_to_rows(x: Tensor, table: Tensor, labels: Tensor, sparse_grad: bool = False) -> Tensor:
    """||x_i - table[y_i]||², (N,), in the dtype of ``x`` (N, D), by direct difference; in the graph.

    Args:
        x: The batch.
        table: Shape (C, D); with ``sparse_grad`` rows that no label names get no gradient.
        labels: Shape (N,).
        sparse_grad: See ``table``.
    """
    if is_functional() or not table.requires_grad:  # a table that is not learned may move before the backward pass
        offset = x - rows_of(table, labels, sparse_grad).to(x.dtype)
        squared: Tensor = torch.linalg.vecdot(offset, offset)
    else:
        squared = _SquaredToRows.apply(x, table, labels, sparse_grad)
    return squared


def squares(x: Tensor, table: Tensor, labels: Tensor) -> Tensor:
    """:func:`squared_to_rows` outside the graph."""
    parts = pieces(x.shape[0], x.shape[1], x.device)
    if len(parts) == 1:
        offset = _offset(x, table, labels)
        return offset.mul_(offset).sum(1)
    squared = x.new_empty(x.shape[0])
    buffer = x.new_empty(parts[0].stop, x.shape[1])
    for part in parts:
        offset = _offset(x[part], table, labels[part], buffer)
        torch.sum(offset.mul_(offset), 1, out=squared[part])
    return squared


def pulls(x: Tensor, table: Tensor, labels: Tensor, factor: Tensor) -> Tensor:
    """factor_i (x_i - table[y_i]), (N, D); in the graph where gradients are enabled."""
    if torch.is_grad_enabled() or is_functional():
        return factor.unsqueeze(1) * (x - table.index_select(0, labels).to(x.dtype))
    parts, factor = pieces(x.shape[0], x.shape[1], x.device), factor.unsqueeze(1)
    if len(parts) == 1:
        return _offset(x, table, labels).mul_(factor)
    pull = torch.empty_like(x, memory_format=torch.contiguous_format)
    for part in parts:
        _offset(x[part], table, labels[part], pull[part]).mul_(factor[part])
    return pull


def summed(table: Tensor, labels: Tensor, rows: Tensor, sign: int, sparse: bool) -> Tensor:
    """The sum of ``rows`` by class, in the shape and dtype of ``table``; sparse: only the classes that have some."""
    if sparse:
        return sparse_sum((sign * rows).to(table.dtype), labels, table.shape)
    add = torch.Tensor.index_add if is_functional() or torch.is_grad_enabled() else torch.Tensor.index_add_
    return add(torch.zeros_like(table, dtype=rows.dtype), 0, labels, rows, alpha=sign).to(table.dtype)


def _offset(x: Tensor, table: Tensor, labels: Tensor, out: Tensor | None = None) -> Tensor:
    """Features less their rows, (N, D), written into the first rows of ``out``, if that is given."""
    if table.dtype != x.dtype:
        rows = table.index_select(0, labels).to(x.dtype)
        return torch.sub(x, rows, out=rows if out is None else out[: x.shape[0]])
    rows = table.index_select(0, labels) if out is None else torch.index_select(table, 0, labels, out=out[: x.shape[0]])
    return torch.sub(x, rows, out=rows)


class _SquaredToRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, table: Tensor, labels: Tensor, sparse_grad: bool) -> Tensor:
        ctx.save_for_backward(x, table, labels)
        ctx.sparse_grad = sparse_grad
        return squares(x, table, labels)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, table, labels = ctx.saved_tensors
        with without_autocast(x):
            pull = pulls(x, table, labels, 2 * grad)
            for_table = summed(table, labels, pull, -1, ctx.sparse_grad) if ctx.needs_input_grad[1] else None
        return pull, for_table, None, None
