"""The losses by the names that a user types, by that of another library, or by the path of a loss of their own."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from sigma2r._call import call_own, parameters_of
from sigma2r._kinds import REFUSED, is_doubtful, read
from sigma2r._resolve import is_path, resolve
from sigma2r._shown import shown
from sigma2r._suggest import unknown
from sigma2r._values import as_written, converted
from sigma2r.losses import (
    CenterLoss,
    ContrastiveCenterLoss,
    ContrastiveLoss,
    GitLoss,
    NearestNegativeTripletLoss,
    SigmaSquaredRLoss,
    SoftNearestNeighborLoss,
    TripletCenterLoss,
)
from sigma2r.studies.yardsticks import LABEL_SMOOTHING, PML, YARDSTICKS, theirs

CROSS_ENTROPY = "cross-entropy"

AUXILIARY_LOSSES: dict[str, Callable[..., nn.Module]] = {
    "center": CenterLoss,
    "sigma2r": SigmaSquaredRLoss,
    "soft-nearest-neighbor": SoftNearestNeighborLoss,
    "git": partial(GitLoss, center_weight=1.0, push_weight=1.0),  # the two weights relative to that of the loss
    "contrastive-center": ContrastiveCenterLoss,
    "triplet-center": TripletCenterLoss,
    "nearest-negative-triplet": NearestNegativeTripletLoss,
    "contrastive": ContrastiveLoss,
}

LOSSES = (CROSS_ENTROPY, *AUXILIARY_LOSSES)
ON_LOGITS = (CROSS_ENTROPY, LABEL_SMOOTHING)  # nothing is added to the cross-entropy on features
_ADDED: dict[str, Callable[..., nn.Module]] = {**AUXILIARY_LOSSES, **YARDSTICKS}

_SIZES = ("num_classes", "feature_dim")
_NOT_OF_A_RUN = {"generator", "ignore_index", "sparse_grad"}  # the trainer seeds, ignores none, and is dense


def own_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a loss as its constructor wants them, without those at their default.

    A text stands for a number or a truth value where one is wanted, as on a command line, so that ``neighbors=7.0``,
    ``neighbors=7`` and nothing are one description. The options of a loss by a path are what they are: its code is not
    looked at.

    Raises:
        ValueError: If there is no such loss, it does not take an option, or a value is wrong.
    """
    if options.get("reduction") == "none":
        raise ValueError(f"{name}: a run needs one number for a batch: reduction must be mean or sum; got none.")
    if _is_ones_own(name):
        taken = {key: as_written(value) for key, value in options.items()}
        for key, value in taken.items():
            if not _is_plain(value):
                raise ValueError(
                    f"{name}: {key} must be a number as in 12, 0.5 or 1e-3, a text, a truth value or a list of such; "
                    f"got {shown(value)}."
                )
        return taken
    _check_options(name, options)
    wanted = {} if name in ON_LOGITS else {p.name: p for p in _parameters(name)}
    taken = {key: _converted(name, wanted[key], value) for key, value in options.items()}
    with torch.random.fork_rng(devices=[]):  # describing a run takes no random number
        build_loss(name, 1, 1, taken)
    return {key: value for key, value in taken.items() if not _same(value, wanted[key].default)}


def _is_plain(value: Any) -> bool:
    """Whether a value can stand in a description as it is, and means the same to all who read it."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, str):
        return not is_doubtful(value)
    if isinstance(value, (int, float)):
        return isinstance(value, bool) or read(type(value), value, from_text=False) is not REFUSED
    return value is None


def _converted(name: str, parameter: inspect.Parameter, value: Any) -> Any:
    return converted(name, parameter.name, parameter.annotation, value, from_text=True)


def _same(value: Any, default: Any) -> bool:
    return type(value) is type(default) and value == default


def check_own_loss(name: str, options: Mapping[str, Any]) -> None:
    """Import a loss that is named by a path, and refuse options that it does not take; other losses pass.

    Raises:
        ValueError: If it cannot be imported, is no loss, or does not take these options.
    """
    if _is_ones_own(name):
        _check_options(name, options)


def loss_options(name: str) -> dict[str, Any]:
    """The options of a loss and their defaults: what its constructor takes beside sizes.

    Raises:
        ValueError: If there is no such loss; the nearest names are suggested.
    """
    if name in ON_LOGITS:
        return {}
    left_out = {*_SIZES, *_NOT_OF_A_RUN}
    return {p.name: p.default for p in _parameters(name) if p.name not in left_out and p.kind not in _VARIADIC}


def build_loss(name: str, num_classes: int, feature_dim: int, options: Mapping[str, Any]) -> nn.Module | None:
    """The loss of that name on features, drawn from torch's global generator; None where there is none.

    A loss of one's own is called with ``num_classes`` and ``feature_dim``, if it takes them, and its options.

    Raises:
        ValueError: If what a path names does not give a module.
    """
    if name in ON_LOGITS:
        return None
    sizes = dict(zip(_SIZES, (num_classes, feature_dim), strict=True))
    taken = {p.name for p in _parameters(name)}
    keywords = {**{key: size for key, size in sizes.items() if key in taken}, **options}
    if not _is_ones_own(name):
        return _constructor(name)(**keywords)
    built = call_own(name, function=_constructor(name), **keywords)
    if not isinstance(built, nn.Module):
        raise ValueError(
            f"{name}: a loss must be a torch.nn.Module, called as loss(features, labels); got {type(built).__name__}."
        )
    return built


def is_known(name: str) -> bool:
    """Whether a loss is one of ours or a yardstick, and not named by a path or mistyped."""
    return name in _ADDED or name in ON_LOGITS


def takes(name: str, option: str) -> bool:
    """Whether the constructor of a loss has an argument of that name."""
    return name not in ON_LOGITS and any(p.name == option for p in _parameters(name))


def has_classes(name: str) -> bool:
    """Whether the loss learns something for each class, and so fits one dimension of features alone."""
    return takes(name, "num_classes")


def may_be_raised(name: str) -> bool:
    """Whether a negative weight of the loss makes sense; one that is not ours is imported for it."""
    loss = _constructor(name) if _is_ones_own(name) else _ADDED.get(name)
    return bool(getattr(loss, "may_be_raised", False))


def compares_samples(name: str, options: Mapping[str, Any]) -> str | None:
    """Why a loss of several batches is not the mean of the losses of each; None where it is.

    Args:
        name: The loss.
        options: Its options.

    Example:
        >>> compares_samples("sigma2r", {}), compares_samples("center", {})
        ('compares the samples of a batch', None)
    """
    if _is_ones_own(name):
        return "may compare the samples of a batch"
    if name not in _OF_EACH_SAMPLE:
        return "compares the samples of a batch"
    if options.get("center_update") == "average":
        return "moves its centers with each batch"
    return "sums over a batch" if options.get("reduction") == "sum" else None


_OF_EACH_SAMPLE = (*ON_LOGITS, "center", "contrastive-center", "triplet-center", "arcface")


_USUAL = {"label-smoothing": 0.1, "soft-nearest-neighbor": 0.1, "arcface": 0.1, "supcon": 1.0}


def usual_weight(name: str, options: Mapping[str, Any]) -> float:
    """The weight round which that of a loss is searched; of one by a path its ``usual_weight``, if it has one.

    0.01, the paper's, for most; sigma2R, whose gates end near Z / 2, is Z times as strong as the center loss at one
    weight, so its own is that much lower. Label smoothing as its authors have it ("Rethinking the Inception
    Architecture", CVPR 2016); supcon is the whole loss at its source; arcface begins some ten times above
    cross-entropy, as its scale is 64.
    """
    if name == "sigma2r":
        return 0.01 / float({**loss_options(name), **options}["ceiling"])
    own = getattr(_constructor(name), "usual_weight", 0.01) if _is_ones_own(name) else 0.01
    return _USUAL.get(name, own)


def _is_ones_own(name: str) -> bool:
    return not is_known(name) and is_path(name)


def _constructor(name: str) -> Callable[..., nn.Module]:
    if name.startswith(PML):
        return theirs(name)
    if _is_ones_own(name):
        found = resolve("loss", name)
        if not callable(found):
            raise ValueError(f"{name}: a loss must be a class or a function that returns one; got {found!r}.")
        return found  # type: ignore[no-any-return]
    if name not in _ADDED:
        raise unknown("loss", name, (*LOSSES, LABEL_SMOOTHING, *YARDSTICKS))
    return _ADDED[name]


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _parameters(name: str) -> list[inspect.Parameter]:
    return parameters_of(_constructor(name))


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    known = loss_options(name)
    if name not in ON_LOGITS and any(p.kind is p.VAR_KEYWORD for p in _parameters(name)):
        return  # it takes whatever it is given
    for option in options:
        if option not in known:
            raise unknown(f"option of the loss {name}", option, known)
    missing = [key for key, default in known.items() if default is inspect.Parameter.empty and key not in options]
    if missing:
        if_itself = " A function that is the loss itself belongs in the forward of a torch.nn.Module."
        if_itself = "" if name.startswith(PML) else if_itself
        remedy = "" if isinstance(_constructor(name), type) else if_itself
        raise ValueError(
            f"{name}: a loss must be a class or a function that makes one; options without a default must be given; "
            f"{', '.join(missing)} is missing. Write {name}@WEIGHT[{missing[0]}=VALUE].{remedy}"
        )
