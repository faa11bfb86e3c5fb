"""How class centers start: shared by every loss that learns them."""

from typing import Any

import torch
from torch import Tensor, nn

from sigma2r.losses._checks import check_count, check_features, check_labels, check_not_negative
from sigma2r.losses._func import is_transformed


def new_centers(
    who: str, num_classes: int, feature_dim: int, std: float, generator: torch.Generator | None
) -> nn.Parameter:
    """Centers (C, D) drawn from N(0, ``std``²); 0 starts them at the origin.

    Raises:
        ValueError: If a count is below 1 or ``std`` is negative.
    """
    check_count(who, num_classes=num_classes, feature_dim=feature_dim)
    check_not_negative(who, center_std=std)
    return nn.Parameter(std * torch.randn(num_classes, feature_dim, generator=generator))


def rows_of(table: Tensor, labels: Tensor, sparse_grad: bool = False) -> Tensor:
    """The row of each label, (N,) or (N, D); with ``sparse_grad`` rows that are not asked for get no gradient."""
    if not sparse_grad:
        return table.index_select(0, labels)
    if table.ndim == 2:
        return torch.nn.functional.embedding(labels, table, sparse=True)
    if is_transformed():
        return torch.gather(table, 0, labels, sparse_grad=True)
    rows: Tensor = _SparseRows.apply(table, labels)
    return rows


def sparse_sum(rows: Tensor, labels: Tensor, shape: torch.Size) -> Tensor:
    """The sum of ``rows`` by label as a sparse tensor: only the labels that have some."""
    if torch.compiler.is_compiling():  # which warns of what comes, and then leaves it alone as it does here
        torch._dynamo.graph_break()
    return torch.sparse_coo_tensor(labels.unsqueeze(0), rows, shape, check_invariants=False)


class _SparseRows(torch.autograd.Function):
    """``torch.gather`` with a sparse gradient, which a compiler leaves alone; on torch's own it fails."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, labels: Tensor) -> Tensor:
        ctx.save_for_backward(labels)
        ctx.shape = table.shape
        return table.index_select(0, labels)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (labels,) = ctx.saved_tensors
        return sparse_sum(grad, labels, ctx.shape), None


@torch.no_grad()
def move_to_class_means(who: str, centers: Tensor, features: Tensor, labels: Tensor) -> None:
    """Set each of ``centers`` (C, D), in place, to the mean of its class; classes without a sample stay.

    The sums run in float64 where the device has it.

    Raises:
        ValueError: If features or labels do not fit, or a class mean is not finite.
    """
    check_features(who, features, centers.shape[1])
    labels = check_labels(who, features, labels, centers.shape[0]).to(centers.device)
    wide = torch.float64 if centers.device.type != "mps" else torch.float32
    sums = torch.zeros_like(centers, dtype=wide).index_add_(0, labels, features.to(centers.device, wide))
    count = torch.bincount(labels, minlength=centers.shape[0]).unsqueeze(1)
    means = (sums / count.clamp_min(1)).to(centers.dtype)
    if not means.isfinite().all():
        raise ValueError(f"{who}: class means must be finite; features hold NaN or infinite values.")
    centers.copy_(torch.where(count > 0, means, centers))
