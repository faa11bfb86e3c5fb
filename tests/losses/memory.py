"""What a computation allocates, seen from every operation that torch dispatches."""

import weakref
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary


class Memory(TorchDispatchMode):
    """Records, in bytes, the largest tensor that an operation returned and the peak of what lived at once."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = self.peak = self.living = 0
        self.seen = WeakIdKeyDictionary()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        tree_map_only(torch.Tensor, self.record, result)
        return result

    def record(self, tensor: torch.Tensor) -> None:
        if tensor.is_sparse:  # has no storage of its own: its indices and values were seen
            return
        storage = tensor.untyped_storage()
        if storage in self.seen:
            return
        size = storage.nbytes()
        self.seen[storage] = True
        weakref.finalize(storage, self.release, size)
        self.living += size
        self.largest, self.peak = max(self.largest, size), max(self.peak, self.living)

    def release(self, size: int) -> None:
        self.living -= size
