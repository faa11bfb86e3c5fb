"""What every loss asks of its inputs, so that all messages agree.

Shapes and dtypes are always checked: that is free. Values (is each label a class?) are checked where reading
them costs nothing, on the CPU; on an accelerator only inside :func:`check_values`, because there each look
waits for the device. Compiled code never looks at values, nor does code under ``torch.func``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from sigma2r.losses._func import is_transformed

_values_everywhere: ContextVar[bool] = ContextVar("sigma2r_check_values", default=False)


@contextmanager
def check_values() -> Iterator[None]:
    """Check label values on every device, at the price of a synchronisation with each loss.

    On the CPU the values are always checked. Use this to find a wrong label on a GPU, where it otherwise shows
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


def check_features(who: str, features: Tensor, feature_dim: int | None = None) -> None:
    """Refuse features that are not a floating-point matrix (N, D), or not of the D that was promised.

    Raises:
        ValueError: As above; the message names ``who``.
    """
    if features.ndim != 2:
        raise ValueError(
            f"{who}: features must be a matrix with one row per sample, shape (N, D); got shape "
            f"{tuple(features.shape)}. Did you mean features.flatten(1)?"
        )
    if not features.is_floating_point():
        raise ValueError(
            f"{who}: features must be floating-point; got {features.dtype}. Did you mean features.float()?"
        )
    if feature_dim is not None and features.shape[1] != feature_dim:
        raise ValueError(
            f"{who}: features must have the {feature_dim} dimensions of the centers, shape (N, {feature_dim}); "
            f"got shape {tuple(features.shape)}. Build the loss with feature_dim={features.shape[1]}?"
        )


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
    num_samples = features.shape[0]
    if labels.shape != (num_samples,):
        squeezable = labels.numel() == num_samples and labels.ndim > 1
        remedy = "labels.squeeze(1)" if squeezable else "labels.argmax(1)" if labels.ndim == 2 else ""
        raise ValueError(
            f"{who}: labels must hold one class index per row of features, shape ({num_samples},); got "
            f"{tuple(labels.shape)}." + (f" Did you mean {remedy}?" if remedy else "")
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(
            f"{who}: labels must be integer class indices; got {labels.dtype}. Did you mean labels.long()?"
        )
    labels = labels.long()
    if not num_samples:
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
            raise ValueError(
                f"{who}: labels must lie in [0, {num_classes}), one index for each of the {num_classes} classes; "
                f"got values from {low} to {high}. Do they start at 1, or was num_classes set too small?"
            )
    return (labels, None) if kept is None else (labels.masked_fill(~kept, 0), kept)


def check_weights(who: str, features: Tensor, weights: Tensor) -> None:
    """Refuse weights that are not one number per sample.

    Raises:
        ValueError: As above.
    """
    if weights.shape != features.shape[:1] or weights.is_complex() or weights.dtype == torch.bool:
        raise ValueError(
            f"{who}: weights must hold one number per row of features, shape ({features.shape[0]},); got shape "
            f"{tuple(weights.shape)} and {weights.dtype}."
        )


def check_centers(who: str, centers: Tensor, growth: Tensor | None = None) -> None:
    """Refuse centers that are not a floating-point matrix (C, D), or growth that is not (C,).

    Raises:
        ValueError: As above.
    """
    if centers.ndim != 2 or not centers.is_floating_point():
        raise ValueError(
            f"{who}: centers must be floating-point with one row per class, shape (C, D); got shape "
            f"{tuple(centers.shape)} and {centers.dtype}."
        )
    if growth is not None and growth.shape != centers.shape[:1]:
        raise ValueError(
            f"{who}: growth must hold one rate per class, shape ({centers.shape[0]},); got {tuple(growth.shape)}."
        )


def check_positive(who: str, **values: float) -> None:
    """Refuse hyper-parameters that must be above zero and are not.

    Raises:
        ValueError: Naming the first that is not positive and finite.
    """
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{who}: {name} must be positive and finite; got {value!r}.")


def check_not_negative(who: str, **values: float) -> None:
    """Refuse hyper-parameters that must be at least zero and are not.

    Raises:
        ValueError: Naming the first that is negative or not finite.
    """
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise ValueError(f"{who}: {name} must be a finite number of at least 0; got {value!r}.")


def check_count(who: str, **values: int) -> None:
    """Refuse counts that are not whole numbers of at least 1.

    Raises:
        ValueError: Naming the first that is not.
    """
    for name, value in values.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 1 <= value < float("inf") or value % 1:
            raise ValueError(f"{who}: {name} must be a whole number of at least 1; got {value!r}.")
