"""A loss of one's own is tried before it is trained, so that what does not fit is told before time is spent."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r._call import call_own, parameters_of
from sigma2r._shown import shown
from sigma2r.studies.losses import build_loss


def try_own_loss(name: str, num_classes: int, feature_dim: int, options: Mapping[str, Any]) -> None:
    """Build a loss of one's own, call it once on random features, and ask it for all that training asks it for.

    It is one that is not trained: whatever a call changes in it is not met again, and no random number is taken away.

    Raises:
        ValueError: In one sentence, whatever it gives or raises.
    """
    with torch.random.fork_rng(devices=[]):
        loss = build_loss(name, num_classes, feature_dim, options)
        assert loss is not None, "a loss by a path is a module"
        features = torch.randn(2 * min(num_classes, 64), feature_dim, requires_grad=True)
        labels = torch.arange(features.shape[0]) % num_classes
        _check_value(name, call_own(name, features, labels, function=loss))
        _check_class_figures(name, loss, num_classes)
        _check_neighbors(name, loss)
        _check_param_groups(name, loss)


def _check_value(name: str, value: Any) -> None:
    if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
        raise ValueError(
            f"{name}: a loss must give one number in the graph, loss(features, labels) -> Tensor of shape (); got "
            f"{shown(value)}."
        )


def _check_class_figures(name: str, loss: nn.Module, num_classes: int) -> None:
    told = call_own(f"{name}.class_figures", function=getattr(loss, "class_figures", dict))
    fits = isinstance(told, dict) and all(_is_a_figure_of_classes(value, num_classes) for value in told.values())
    if not fits or not RESERVED.isdisjoint(told):
        raise ValueError(
            f"{name}: class_figures must give numbers in a tensor of shape ({num_classes},) for each name, none of "
            f"them {', '.join(sorted(RESERVED))}; got {shown(told)}."
        )


def _is_a_figure_of_classes(value: Any, num_classes: int) -> bool:
    """Whether a record can hold it: a number for each class."""
    numbers = isinstance(value, Tensor) and value.dtype is not torch.bool and not value.is_complex()
    return numbers and value.shape == (num_classes,)


def _check_neighbors(name: str, loss: nn.Module) -> None:
    neighbors = getattr(loss, "neighbors", 0)
    if not isinstance(neighbors, int) or neighbors < 0:
        raise ValueError(
            f"{name}: neighbors must be a whole number of at least 0, how many classmates of a sample the loss looks "
            f"at; got {shown(neighbors)}. Call it otherwise if it means something else."
        )


def _check_param_groups(name: str, loss: nn.Module) -> None:
    function = getattr(loss, "param_groups", None)
    if function is None:
        return
    if not callable(function) or not any(p.name == "lr" or p.kind is p.VAR_KEYWORD for p in parameters_of(function)):
        raise ValueError(
            f"{name}: param_groups must be a method that takes the learning rate, param_groups(self, *, lr); got "
            f"{shown(function)}."
        )
    groups = call_own(f"{name}.param_groups", function=function, lr=0.1)
    if not isinstance(groups, list) or not all(isinstance(group, dict) and "params" in group for group in groups):
        raise ValueError(
            f"{name}: param_groups must give a list of groups as an optimizer takes them, each with params; got "
            f"{shown(groups)}."
        )


RESERVED = frozenset(
    ("epoch", "lr", "loss_lr", "train_loss", "cross_entropy", "auxiliary", "train", "validation", "test", "train_s",
     "measure_s", "gate")
)  # fmt: skip
"""What the entry of an epoch holds already."""
