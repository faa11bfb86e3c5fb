"""What prototypes, scores and thresholds ask of features and names, so that their messages agree."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sigma2r._arrays import as_tensor, spelled_as_tensor
from sigma2r._shown import listed, shown
from sigma2r._text import visible
from sigma2r.losses._batch import unit_length
from sigma2r.losses._checks import check_features, check_measured
from sigma2r.losses._precision import working_dtype

_MOST = 5  # classes that a sentence names
_ROWS_FOR_NOTHING = 2**16  # that a class index may want before it is asked whether it is one
_ROWS_A_CLASS = 1000
_SQUARED = 480  # the exponent whose squares, and sums of these over all images, float64 holds


def matrix(who: str, name: str, given: Any, width: int | None = None) -> Tensor:
    """Features, logits or the like as a floating-point matrix, (N, ``width``).

    Raises:
        ValueError: If they are none, or have another width.
    """
    rows = as_tensor(who, name, given)
    if name == "features":
        check_features(who, rows, spelled=spelled_as_tensor(name, given))
    elif rows.ndim != 2 or not rows.is_floating_point():
        raise ValueError(
            f"{who}: {name} must be a floating-point matrix with one row per sample; got shape {tuple(rows.shape)} and "
            f"{rows.dtype}."
        )
    if width is not None and rows.shape[1] != width:
        raise ValueError(
            f"{who}: {name} must have shape (N, {width}), as those that it was made from; got {tuple(rows.shape)}."
        )
    return rows


def prepared(features: Tensor, normalize: bool) -> Tensor:
    """Features in float32 or wider, of unit length if that is asked for."""
    features = features.to(working_dtype(features))
    return unit_length(features) if normalize else features


def labelled(
    who: str, features: Any, labels: Any, num_classes: int | None = None, width: int | None = None
) -> tuple[Tensor, Tensor]:
    """Features and class indices of as many samples, outside the graph.

    Raises:
        ValueError: If they do not fit, or labels lie outside [0, ``num_classes``), wherever they are.
    """
    rows, known = check_measured(who, features, labels, num_classes)
    rows = matrix(who, "features", rows.detach(), width)
    if known.numel():  # on an accelerator nobody has looked yet, and an index without a row would end the process
        low, high = (int(end) for end in known.aminmax())
        if low < 0 or (num_classes is not None and high >= num_classes):
            inside = "at least 0" if num_classes is None else f"in [0, {num_classes})"
            raise ValueError(
                f"{who}: labels must be {inside}; got values from {low} to {high}. Rows that have no class are left "
                "out beforehand."
            )
    return rows, known


def told_by_labels(who: str, labels: Tensor) -> int:
    """C, where nothing but labels tells it: one more than the largest, as class indices are rows of tables.

    Raises:
        ValueError: If hardly any of so many classes has a sample: identities in place of indices, whose tables no
            machine may hold.
    """
    num_classes = int(labels.max()) + 1
    if num_classes > _ROWS_FOR_NOTHING:
        num_present = torch.unique(labels).shape[0]
        if num_classes > _ROWS_A_CLASS * num_present:
            raise ValueError(
                f"{who}: labels must be class indices without large gaps, as each class has a row of its own; got "
                f"{num_present} classes up to {num_classes - 1}. Number them: torch.unique(labels, "
                "return_inverse=True)[1]."
            )
    return num_classes


def check_finite(who: str, name: str, rows: Tensor) -> None:
    """Refuse rows with NaN or infinite values, wherever they are.

    Raises:
        ValueError: With their number.
    """
    if num_bad := int((~rows.isfinite().all(1)).sum()):
        raise ValueError(
            f"{who}: {name} must be finite; {num_bad} of {rows.shape[0]} rows hold NaN or infinite values."
        )


def check_range(who: str, name: str, rows: Tensor) -> None:
    """Refuse finite rows whose squares float64 does not hold, or holds without digits.

    Raises:
        ValueError: With the range, and the largest size of a number.
    """
    largest = max(abs(float(end)) for end in rows.aminmax()) if rows.numel() else 0.0
    if largest and not 2.0**-_SQUARED <= largest <= 2.0**_SQUARED:
        raise ValueError(
            f"{who}: the largest number in {name} must lie between 2**-{_SQUARED} and 2**{_SQUARED}, so that float64 "
            f"holds its square; got {largest:.3g}. Scale them by a power of two, which rounds nothing."
        )


def are_the_same(some: Any, others: Any) -> bool:
    """Whether two sets of images that must differ, as one is to say something of the other, are one set."""
    if not isinstance(some, Tensor) or not isinstance(others, Tensor):
        return some is others
    return some is others or (some.shape == others.shape and some.device == others.device and torch.equal(some, others))


def names_of(who: str, class_names: Any, num_classes: int) -> tuple[str, ...]:
    """A name for each class; by default its index.

    Raises:
        ValueError: If they are not as many texts as classes, or two are the same.
    """
    if class_names is None:
        return tuple(str(k) for k in range(num_classes))
    if isinstance(class_names, str) or not isinstance(class_names, Sequence):
        raise ValueError(f"{who}: class_names must be a list of texts; got {shown(class_names)}.")
    if len(class_names) != num_classes:
        raise ValueError(f"{who}: class_names must be as many as the {num_classes} classes; got {len(class_names)}.")
    for name in class_names:
        check_name(who, name)
    if twice := [name for name, times in Counter(class_names).items() if times > 1]:
        raise ValueError(f"{who}: class_names must differ; {told(twice)} stands there twice.")
    return tuple(class_names)


def check_name(who: str, name: object) -> None:
    """Refuse what is no name of a class.

    Raises:
        ValueError: If it is no text, or an empty one.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f"{who}: the name of a class must be a text with at least one letter; got {shown(name)}.")


def told(names: Sequence[str]) -> str:
    """The names of a few classes as a sentence has them."""
    few = [visible(name) for name in names[:_MOST]]
    return listed(few) if len(names) <= _MOST else f"{', '.join(few)} and {len(names) - _MOST} more"
