"""Losses compute in float32 or better, whatever reaches them and whatever autocast is on."""

import torch
from torch import Tensor


def working_dtype(*tensors: Tensor) -> torch.dtype:
    """The widest dtype among ``tensors``, and at least float32."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def without_autocast(tensor: Tensor) -> torch.autocast:
    """A context in which autocast does not lower the precision of what happens on ``tensor``'s device."""
    return torch.autocast(tensor.device.type, enabled=False)
