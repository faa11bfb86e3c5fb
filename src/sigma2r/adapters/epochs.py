"""Telling which epoch begins to losses and samplers, whatever they are wrapped in."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from sigma2r._shown import shown
from sigma2r._values import Natural, converted

_WITHIN = ("module", "_orig_mod", "dataloader", "base_dataloader", "batch_sampler", "sampler", "dataset")


def set_epoch(epoch: int, *things: Any) -> None:
    """Tell losses, samplers and loaders which epoch begins.

    What wraps them is looked into: DDP and ``torch.compile`` around a loss, a module that holds one, a ``DataLoader``
    around a sampler, and what Accelerate, Lightning and the Trainer of Hugging Face put around a loader. A loss without
    a schedule takes it and does nothing.

    Args:
        epoch: Counted from 0.
        things: Losses, samplers, loaders, or what holds them.

    Raises:
        ValueError: If nothing in one of them takes an epoch, or ``epoch`` is no whole number of at least 0.

    Example:
        >>> from sigma2r import CenterLoss, JointLoss, WarmUp
        >>> wrapped = nn.Sequential(JointLoss(CenterLoss(3, 2), WarmUp(0.4, epochs=4)))
        >>> set_epoch(1, wrapped)
        >>> wrapped[0].weight
        0.2
    """
    epoch = converted("set_epoch", "epoch", Natural, epoch)
    for thing in things:
        if not tell_epoch(epoch, thing):
            raise ValueError(
                f"set_epoch: a loss, a sampler or a loader must take an epoch, or hold one that does; got "
                f"{shown(thing)}. Leave it out."
            )


def tell_epoch(epoch: int, thing: Any) -> bool:
    """Tell it all that lies in a thing; whether anything took it."""
    told = [part for part in _parts(thing) if callable(getattr(part, "set_epoch", None))]
    for part in told:
        part.set_epoch(epoch)
    return bool(told)


def _parts(thing: Any) -> Iterator[Any]:
    """The thing and all that lies within it, what wraps first, so that the innermost has the last word."""
    seen: dict[int, Any] = {}
    waiting = [thing]
    while waiting:
        part = waiting.pop(0)
        if id(part) in seen:
            continue
        seen[id(part)] = part
        waiting += part.children() if isinstance(part, nn.Module) else []
        waiting += [inner for name in _WITHIN if (inner := _attribute(part, name)) is not None]
    yield from seen.values()


def _attribute(part: Any, name: str) -> Any:
    """What a wrapper holds under a name; not the parts of a module, which are its children."""
    return None if isinstance(part, nn.Module) else getattr(part, name, None)
