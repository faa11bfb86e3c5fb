"""What a network computes of images, in the arithmetic of its training, and where it stands among all rows."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r.data.preprocess import Preprocess
from sigma2r.evaluation import Rejector
from sigma2r.evaluation._inputs import prepared
from sigma2r.losses._distances import distances_between
from sigma2r.models.modes import evaluating


def precision_of(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The arithmetic of a training where the device has it; elsewhere the weights' own, which is finer.

    Args:
        precision: Lightning's name of it.
        device: Where the network computes.
    """
    kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
    if kind is None or (kind is torch.float16 and device.type == "cpu"):
        return nullcontext()
    return torch.autocast(device.type, dtype=kind)


@torch.no_grad()
def outputs_of(
    model: nn.Module, preprocess: Preprocess, pixels: Tensor, precision: AbstractContextManager[Any]
) -> tuple[Tensor, Tensor]:
    """Features (M, D) and logits (M, C) of uint8 images, of which there are some, in the precision of the weights."""
    kind = preprocess.mean
    with evaluating(model), precision:
        features, logits = model(preprocess(pixels.to(kind.device)))
    return features.to(kind), logits.to(kind)


def distances_to(centers: Tensor, features: Tensor, *, normalize: bool) -> Tensor:
    r"""The distance :math:`\lVert x - c_k \rVert_2` of each feature to each center, shape ``(N, C)``, in feature units.

    As the distances of a loss: by difference in float64, and of features of unit length where the loss had them so.

    Args:
        centers: Shape ``(C, D)``.
        features: Shape ``(N, D)``.
        normalize: Divide features by their length first, as a loss does that puts its centers there.
    """
    x = prepared(features, normalize)
    return distances_between(x, centers.to(x.device), x.dtype)


def accepts(rejector: Rejector, features: Tensor, logits: Tensor) -> Tensor:
    """Which rows a rejector accepts, shape ``(M,)``, computed where it lies."""
    where = rejector.threshold.device
    return rejector.accepts(features.to(where), logits=logits.to(where))


def in_their_rows(values: Tensor, rows: Tensor, count: int, other: float | bool) -> Tensor:
    """Values of some rows among ``count`` of them, on the CPU; the others hold another value.

    Args:
        values: Shape ``(M, ...)``.
        rows: Where each belongs, increasing, shape ``(M,)``.
        count: Of all.
        other: What the rest holds.
    """
    values = values.cpu()
    if values.shape[0] == count:
        return values
    whole = torch.full((count, *values.shape[1:]), other, dtype=values.dtype)
    whole[rows] = values
    return whole
