"""How class centers start: shared by every loss that learns them."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r.losses._batch import prepare
from sigma2r.losses._checks import check_count, check_measured, check_not_negative
from sigma2r.losses._func import is_transformed
from sigma2r.losses._precision import widest, without_autocast


def new_centers(
    who: str, num_classes: int, feature_dim: int, std: float, generator: torch.Generator | None
) -> nn.Parameter:
    """Centers (C, D) drawn from N(0, ``std``²); 0 starts them at the origin.

    Raises:
        ValueError: If a count is below 1, ``std`` is negative, or memory does not hold so many.
    """
    check_count(who, num_classes=num_classes, feature_dim=feature_dim)
    check_not_negative(who, center_std=std)
    try:
        return nn.Parameter(std * torch.randn(num_classes, feature_dim, generator=generator))
    except RuntimeError as error:
        if not any(word in str(error) for word in ("memory", "overflow")):
            raise
        raise ValueError(
            f"{who}: num_classes * feature_dim numbers must fit into memory; got {num_classes} * {feature_dim}."
        ) from error


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


def move_to_class_means(
    who: str, centers: Tensor, features: Tensor, labels: Tensor, *, ignore_index: int, normalize: bool
) -> None:
    """Set each of ``centers`` (C, D), in place, to the mean of its class; classes without a sample stay.

    Features are prepared as for the formula of a loss, rows that are not finite are left out and told, and the sums
    run in float64 where the device has it.

    Raises:
        ValueError: If features or labels do not fit, no row is finite, or a mean overflows the dtype of centers.
    """
    features, labels = check_measured(who, features, labels, feature_dim=centers.shape[1])
    with torch.no_grad(), without_autocast(features):
        x, labels, kept = prepare(who, features, labels, centers, ignore_index=ignore_index, normalize=normalize)
        device = centers.device
        wide = widest(device)
        x, labels, counted = x.to(device, wide), labels.to(device), x.isfinite().all(1).to(device)
        num_bad = int((~counted).sum())  # an ignored row is one of zeros
        if kept is not None:
            counted = counted & kept.to(device)
        sums = torch.zeros_like(centers, dtype=wide).index_add_(0, labels, x.masked_fill(~counted.unsqueeze(1), 0.0))
        count = torch.zeros(centers.shape[0], dtype=torch.long, device=device).index_add_(0, labels, counted.long())
        if num_bad and not count.any():
            raise ValueError(f"{who}: class means must be finite; features hold NaN or infinite values in every row.")
        means = (sums / count.clamp_min(1).unsqueeze(1)).to(centers.dtype)
        if not means.isfinite().all():
            raise ValueError(f"{who}: class means must be finite; they overflow the {centers.dtype} of the centers.")
        centers.copy_(torch.where(count.unsqueeze(1) > 0, means, centers))
    if num_bad:
        warnings.warn(
            f"{who}: {num_bad} of {features.shape[0]} rows of features hold NaN or infinite values and are left out of "
            "the class means.",
            stacklevel=3,
        )
