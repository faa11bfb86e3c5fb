"""Forward hooks that belong to one module: what copies it copies no hook that works."""

import sys
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class OwnHook:
    """A forward hook, or one before the forward pass, that speaks for one module and for no copy of it.

    torch hands a module's hooks on to whatever is made of it: deep copies (an EMA teacher, ``AveragedModel``), pickles,
    replicas. Copied or pickled, this hook becomes a :class:`SpentHook`; shared with a copy, it keeps silent there.

    Args:
        module: The one that it speaks for.
        function: Called as torch calls a hook, with the module first; what it returns is left alone.
    """

    def __init__(self, module: nn.Module, function: Callable[..., None]) -> None:
        self.module = weakref.ref(module)  # which holds this hook
        self.function = function

    def __call__(self, module: nn.Module, *call: Any) -> None:
        """What torch calls."""
        if module is self.module():
            self.function(module, *call)

    def __reduce__(self) -> tuple[type["SpentHook"], tuple[()]]:
        return SpentHook, ()


class SpentHook:
    """What a copy of a module has where the original has an :class:`OwnHook`: it goes the first time it is called."""

    def __call__(self, module: nn.Module, *call: Any) -> None:
        """Take itself off: torch goes through a list of its own, but through the table itself after an exception."""
        if torch.compiler.is_compiling() or sys.exc_info()[0] is not None:
            return
        for kind in ("_forward_hooks", "_forward_pre_hooks"):
            for key in [key for key, hook in getattr(module, kind).items() if hook is self]:
                for name, table in vars(module).items():
                    if name.startswith(kind):  # beside the hooks lie the settings of each
                        table.pop(key, None)
