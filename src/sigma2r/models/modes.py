"""Looking at a model without changing it: evaluation mode, and back to whatever each module was in."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode; afterwards every module is in its own mode again.

    ``model.train()`` would wake modules that were put to evaluation one by one, such as frozen batch norms.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
