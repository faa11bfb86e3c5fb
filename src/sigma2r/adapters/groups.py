"""Groups of an optimizer for what losses learn, also where another library has built the optimizer."""

import math
from typing import Any, cast

import torch
from torch import nn

from sigma2r._shown import shown
from sigma2r._values import NotNegative, converted
from sigma2r.losses._module import groups_of

_WHO = "own_groups"


def loss_groups(loss: nn.Module, *, lr: float, named: bool = False) -> list[dict[str, object]]:
    """The groups of whatever loss, at ``lr`` and without weight decay: its ``param_groups``, or one a parameter."""
    own = getattr(loss, "param_groups", None)
    if own is None:
        return groups_of(loss, lr, named=named, recurse=True)
    return cast("list[dict[str, object]]", own(lr=lr, named=True) if named else own(lr=lr))


def own_groups(optimizer: torch.optim.Optimizer, loss: nn.Module, *, lr: float) -> torch.optim.Optimizer:
    """Give what a loss learns groups of its own in an optimizer that is there already.

    Whoever builds an optimizer from ``model.parameters()`` puts centers into the groups of the network, with its rate
    and its weight decay, or forgets them. They are taken out of there, if they are in, and into groups of their own.

    Args:
        optimizer: Changed in place.
        loss: Mostly a :class:`~sigma2r.losses.JointLoss`.
        lr: The rate of all that it learns; there is no weight decay.

    Returns:
        The optimizer.

    Raises:
        ValueError: If it is no optimizer of torch, or a scheduler follows its groups already.

    Example:
        >>> from sigma2r import CenterLoss, JointLoss
        >>> network, criterion = nn.Linear(4, 3), JointLoss(CenterLoss(3, 4), 0.01)
        >>> optimizer = torch.optim.AdamW([*network.parameters(), *criterion.parameters()], weight_decay=0.01)
        >>> [(len(g["params"]), g["weight_decay"]) for g in own_groups(optimizer, criterion, lr=0.1).param_groups]
        [(2, 0.01), (1, 0.0)]
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ValueError(f"{_WHO}: optimizer must be one of torch; got {shown(optimizer)}.")
    lr = converted(_WHO, "lr", NotNegative, lr)
    if any("initial_lr" in group for group in optimizer.param_groups):
        raise ValueError(
            f"{_WHO}: groups must be made before a scheduler, which knows the rates of those that there are; a "
            "scheduler follows this optimizer already. Build the scheduler afterwards."
        )
    learned = {id(parameter) for parameter in loss.parameters()}
    for group in optimizer.param_groups:
        _take_out(group, learned)
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if group["params"]]
    is_named = any("param_names" in group for group in optimizer.param_groups)
    for group in loss_groups(loss, lr=lr, named=is_named):
        optimizer.add_param_group(group)
    return optimizer


def check_own_groups(who: str, optimizer: torch.optim.Optimizer, loss: nn.Module, *, lr: float) -> None:
    """Refuse an optimizer that does not move what a loss learns at a rate, without weight decay.

    A group that a scheduler follows has the rate that it began with.

    Raises:
        ValueError: If there is none for one of them, or it has another rate, or decays.
    """
    held = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    for wanted in loss_groups(loss, lr=lr):
        for parameter in cast("list[nn.Parameter]", wanted["params"]):
            group = held.get(id(parameter))
            rate = None if group is None else float(group.get("initial_lr", group["lr"]))
            decay = 0.0 if group is None else group.get("weight_decay", 0.0)
            if rate is None or not math.isclose(rate, lr, rel_tol=1e-6) or decay:  # that of a tensor is rounded
                got = "none that holds them" if rate is None else f"lr={rate:g} and weight_decay={decay:g}"
                raise ValueError(
                    f"{who}: an optimizer that is given must move what the losses learn, {wanted['name']}, at "
                    f"loss_lr={lr:g} without weight decay; got {got}. Build it of model.param_groups(lr=..., "
                    f"loss_lr={lr:g}), or call own_groups(optimizer, model.criterion, lr={lr:g})."
                )


def _take_out(group: dict[str, Any], learned: set[int]) -> None:
    stays = [id(parameter) not in learned for parameter in group["params"]]
    for name in ("params", "param_names"):
        if name in group:
            group[name] = [each for each, is_left in zip(group[name], stays, strict=True) if is_left]
