"""What every loss asks of its inputs, so that all messages agree.

Shapes and dtypes are always checked: that is free. Values (is each label a class, each weight at least 0?) are checked
where reading them costs nothing, on the CPU; on an accelerator only inside :func:`check_values`, because there each
look waits for the device. Compiled code never looks at values, nor does code under ``torch.func``.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from sigma2r._arrays import as_tensor, is_array, one_of_several, spelled_as_tensor
from sigma2r._kinds import LARGEST
from sigma2r._shown import shown
from sigma2r.losses._advice import as_indices, as_matrix, as_whole, fit_together, other_order
from sigma2r.losses._func import is_transformed
from sigma2r.losses._settings import (
    check_choice,
    check_count,
    check_flag,
    check_not_negative,
    check_positive,
    check_whole,
)

__all__ = [
    "ABSENT",
    "check_centers",
    "check_choice",
    "check_count",
    "check_dense",
    "check_features",
    "check_flag",
    "check_labels",
    "check_labels_and_ignored",
    "check_measured",
    "check_not_negative",
    "check_order",
    "check_positive",
    "check_tensor",
    "check_values",
    "check_weights",
    "check_whole",
    "class_indices",
    "values_are_readable",
]

ABSENT: Any = object()  # an argument that a loss does not have; None would be a caller's mistake

_values_everywhere: ContextVar[bool] = ContextVar("sigma2r_check_values", default=False)


@contextmanager
def check_values() -> Iterator[None]:
    """Check the values of labels and weights on every device, at the price of a synchronisation with each loss.

    On the CPU they are always checked. Use this to find a wrong label on a GPU, where it otherwise shows
    as a device-side assertion far from its cause.

    Example:
        >>> import sigma2r
        >>> with sigma2r.check_values():
        ...     pass  # loss(features, labels) on any device
    """
    token = _values_everywhere.set(True)
    try:
        yield
    finally:
        _values_everywhere.reset(token)


def values_are_readable(tensor: Tensor) -> bool:
    """Whether looking into ``tensor`` is free (CPU, neither compiling nor under torch.func) or was asked for."""
    hidden = torch.compiler.is_compiling() or is_transformed()
    return not hidden and (tensor.device.type == "cpu" or _values_everywhere.get())


def check_tensor(who: str, name: str, value: object) -> None:
    """Refuse what is no tensor, as through an array or a list no gradient runs, and one that is not dense.

    Raises:
        ValueError: As above, with what came.
    """
    if isinstance(value, Tensor):
        check_dense(who, name, value)
        return
    remedy = one_of_several(value, name)
    if not remedy and (is_array(value) or isinstance(value, (tuple, list))):
        remedy = f" No gradient runs through that; for the value alone give {spelled_as_tensor(name, value)}."
    elif isinstance(value, Mapping) and value:
        remedy = f" Give one of its values, such as {name}[{next(iter(value))!r}]."
    raise ValueError(f"{who}: {name} must be a tensor; got {shown(value)}.{remedy}")


def check_dense(who: str, name: str, tensor: Tensor) -> None:
    """Refuse a tensor that does not hold its values one beside the other, as a sparse or nested one.

    Raises:
        ValueError: As above.
    """
    if tensor.is_nested:
        raise ValueError(
            f"{who}: {name} must be a dense tensor; got a nested one. Its parts in one: torch.cat({name}.unbind())."
        )
    if tensor.layout != torch.strided:
        raise ValueError(f"{who}: {name} must be a dense tensor; got {tensor.layout}. Did you mean {name}.to_dense()?")


def check_order(who: str, **given: Any) -> None:
    """Refuse tensors that would fit in another order: asked where they do not fit as they are.

    Raises:
        ValueError: Naming those that were exchanged.
    """
    if found := other_order(fit_together, given):
        raise ValueError(f"{who}: {found}")


def check_features(
    who: str,
    features: Tensor,
    feature_dim: int | None = None,
    num_classes: int | None = None,
    spelled: str = "features",
) -> None:
    """Refuse features that are not a floating-point matrix (N, D), or not of the D that was promised.

    Args:
        who: The name that the messages begin with.
        features: The batch.
        feature_dim: D, where it is known.
        num_classes: C, where it is known: logits are then told from features.
        spelled: The expression that a remedy goes on from.

    Raises:
        ValueError: As above; the message names ``who``.
    """
    check_tensor(who, "features", features)
    if features.ndim != 2:
        raise ValueError(
            f"{who}: features must be a matrix with one row per sample, shape (N, D); got shape "
            f"{tuple(features.shape)}.{as_matrix(spelled, features, feature_dim)}"
        )
    if not features.is_floating_point():
        real = "" if features.is_complex() else f" Did you mean {spelled}.float()?"
        raise ValueError(f"{who}: features must be floating-point; got {features.dtype}.{real}")
    if feature_dim is not None and features.shape[1] != feature_dim:
        logits = "Are these the logits? Else build" if features.shape[1] == num_classes else "Build"
        raise ValueError(
            f"{who}: features must have the {feature_dim} dimensions of the centers, shape (N, {feature_dim}); "
            f"got shape {tuple(features.shape)}. {logits} the loss with feature_dim={features.shape[1]}?"
        )


def check_measured(
    who: str, features: Any, labels: Any, num_classes: int | None = None, feature_dim: int | None = None
) -> tuple[Tensor, Tensor]:
    """Features and labels of a measure as tensors: arrays serve as well, because no gradient runs through it.

    Raises:
        ValueError: As :func:`check_features` and :func:`check_labels` do.
    """
    try:
        rows = as_tensor(who, "features", features)
        check_features(who, rows, feature_dim, num_classes, spelled_as_tensor("features", features))
        return rows, check_labels(who, rows, labels, num_classes)
    except ValueError:
        check_order(who, features=features, labels=labels)
        raise


def check_labels(who: str, features: Tensor, labels: Tensor, num_classes: int | None = None) -> Tensor:
    """Refuse labels that are not one class index per feature; return them as int64.

    Args:
        who: The name that the messages begin with.
        features: The batch that the labels belong to, shape ``(N, D)``.
        labels: Class indices, shape ``(N,)``, any integer dtype.
        num_classes: If given, labels must lie in ``[0, num_classes)``; looked at where
            :func:`values_are_readable`.

    Raises:
        ValueError: If shape, dtype or range is wrong.
    """
    return check_labels_and_ignored(who, features, labels, num_classes, None)[0]


def check_labels_and_ignored(
    who: str, features: Tensor, labels: Tensor, num_classes: int | None, ignore_index: int | None
) -> tuple[Tensor, Tensor | None]:
    """:func:`check_labels`, where rows labelled ``ignore_index`` are not there.

    Returns:
        Class indices, 0 for rows that are ignored; and which rows are not ignored, (N,) bool, or None where the
        host knows that none is.

    Raises:
        ValueError: If shape, dtype or range is wrong.
    """
    labels = class_indices(who, "labels", labels, features.shape[0], num_classes)
    if not labels.shape[0]:
        return labels, None
    if not values_are_readable(labels):
        kept = None if ignore_index is None else labels != ignore_index
    else:
        low, high = (int(end) for end in labels.aminmax())
        kept = None
        if ignore_index is not None and low <= ignore_index <= high:
            kept = labels != ignore_index
            inside = labels[kept]
            low, high = (int(end) for end in inside.aminmax()) if inside.shape[0] else (0, 0)
        if num_classes is not None and (low < 0 or high >= num_classes):
            remedy = "Do they start at 1, or was num_classes set too small?"
            if low < 0:
                out = "are left out beforehand" if ignore_index is None else f"are labelled ignore_index={ignore_index}"
                remedy = f"Rows that have no class {out}."
            raise ValueError(
                f"{who}: labels must lie in [0, {num_classes}), one index for each of the {num_classes} classes; "
                f"got values from {low} to {high}. {remedy}"
            )
    return (labels, None) if kept is None else (labels.masked_fill(~kept, 0), kept)


def class_indices(who: str, name: str, labels: Any, num_samples: int, num_classes: int | None = None) -> Tensor:
    """Labels as int64, (N,), where shape and dtype are those of class indices; their values are not looked at.

    Args:
        who: The name that the messages begin with.
        name: What the labels are called there.
        labels: A tensor, or what :func:`sigma2r._arrays.as_tensor` takes.
        num_samples: N.
        num_classes: C, where it is known.

    Raises:
        ValueError: As above.
    """
    indices = as_tensor(who, name, labels)
    check_dense(who, name, indices)
    spelled, readable = spelled_as_tensor(name, labels), values_are_readable(indices)
    if indices.shape != (num_samples,):
        raise ValueError(
            f"{who}: {name} must hold one class index per row of features, shape ({num_samples},); got "
            f"{tuple(indices.shape)}.{as_indices(spelled, indices, num_samples, num_classes, readable)}"
        )
    if indices.is_floating_point() or indices.is_complex() or indices.dtype == torch.bool:
        remedy = as_whole(spelled, indices, readable)
        raise ValueError(f"{who}: {name} must be integer class indices; got {indices.dtype}.{remedy}")
    if indices.dtype == torch.uint64 and readable and indices.numel() and int(indices.view(torch.int64).min()) < 0:
        raise ValueError(
            f"{who}: {name} must be class indices of at most {LARGEST}; got one of {indices.dtype} that is larger. Was "
            "-1 or -100 turned into it?"
        )
    return indices.long()


def check_weights(who: str, features: Tensor, weights: Any, num_classes: int | None = None) -> Tensor:
    """Refuse weights that are not one number per sample, finite and at least 0; return them as a tensor.

    Raises:
        ValueError: As above; what they hold is looked at where :func:`values_are_readable`.
    """
    numbers = as_tensor(who, "weights", weights)
    check_dense(who, "weights", numbers)
    if numbers.shape != features.shape[:1] or numbers.is_complex() or numbers.dtype == torch.bool:
        of_classes = " Weights of classes? Then weights[labels]." if numbers.shape == (num_classes,) else ""
        raise ValueError(
            f"{who}: weights must hold one number per row of features, shape ({features.shape[0]},); got shape "
            f"{tuple(numbers.shape)} and {numbers.dtype}.{of_classes}"
        )
    if numbers.numel() and values_are_readable(numbers):
        low, high = (float(end) for end in numbers.detach().aminmax())
        if not (low >= 0 and math.isfinite(high)):
            known = math.isfinite(low) and math.isfinite(high)
            got = f"values from {low:.4g} to {high:.4g}" if known else "NaN or infinite values"
            raise ValueError(
                f"{who}: weights must be finite and at least 0; got {got}. A row that is not to count has weight 0."
            )
    return numbers


def check_centers(who: str, centers: Tensor, growth: Tensor = ABSENT) -> None:
    """Refuse centers that are not a floating-point matrix (C, D), or growth that is not (C,).

    Raises:
        ValueError: As above.
    """
    check_tensor(who, "centers", centers)
    if centers.ndim != 2 or not centers.is_floating_point():
        raise ValueError(
            f"{who}: centers must be floating-point with one row per class, shape (C, D); got shape "
            f"{tuple(centers.shape)} and {centers.dtype}."
        )
    if growth is ABSENT:
        return
    check_tensor(who, "growth", growth)
    if growth.shape != centers.shape[:1]:
        raise ValueError(
            f"{who}: growth must hold one rate per class, shape ({centers.shape[0]},); got {tuple(growth.shape)}."
        )
