"""How class centers start: shared by every loss that learns them."""

import torch
from torch import Tensor, nn

from sigma2r.losses._checks import check_count, check_measured, check_not_negative


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
    if table.ndim == 1:
        return torch.gather(table, 0, labels, sparse_grad=True)
    return torch.nn.functional.embedding(labels, table, sparse=True)


@torch.no_grad()
def move_to_class_means(who: str, centers: Tensor, features: Tensor, labels: Tensor) -> None:
    """Set each of ``centers`` (C, D), in place, to the mean of its class; classes without a sample stay.

    The sums run in float64 where the device has it.

    Raises:
        ValueError: If features or labels do not fit, or a class mean is not finite.
    """
    features, labels = check_measured(who, features, labels, *centers.shape)
    labels = labels.to(centers.device)
    wide = torch.float64 if centers.device.type != "mps" else torch.float32
    sums = torch.zeros_like(centers, dtype=wide).index_add_(0, labels, features.to(centers.device, wide))
    count = torch.bincount(labels, minlength=centers.shape[0]).unsqueeze(1)
    means = (sums / count.clamp_min(1)).to(centers.dtype)
    if not means.isfinite().all():
        raise ValueError(f"{who}: class means must be finite; features hold NaN or infinite values.")
    centers.copy_(torch.where(count > 0, means, centers))
