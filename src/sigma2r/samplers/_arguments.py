"""What the sampler's numbers must be, and those that follow from them."""

import operator
from typing import Any

_SAMPLES_PER_CLASS = 8  # the paper's 7 neighbours and the sample itself


def whole(who: str, name: str, value: Any, least: int = 1) -> int:
    """``value`` as an int; 4.0 is one, True and "4" are not.

    Raises:
        ValueError: If it is no whole number, or below ``least``.
    """
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    try:
        number = operator.index(number)
    except TypeError:
        number = None
    if isinstance(value, bool):
        number = None
    if number is None or number < least:
        rule = "at least 0" if number is not None and least == 0 else f"a whole number of at least {least}"
        raise ValueError(f"{who}: {name} must be {rule}; got {value!r}.")
    return number


def repeated(who: str, classes_per_batch: int | None, num_classes: int, batch_size: int) -> int:
    """P: how many classes stand in a batch.

    Raises:
        ValueError: If ``classes_per_batch`` is more than there can be.
    """
    if classes_per_batch is None:
        return num_classes if batch_size >= num_classes else max(1, batch_size // _SAMPLES_PER_CLASS)
    places = whole(who, "classes_per_batch", classes_per_batch)
    if places > min(num_classes, batch_size):
        raise ValueError(
            f"{who}: classes_per_batch must not exceed the {num_classes} classes or the batch size {batch_size}; "
            f"got {places}."
        )
    return places


def covering(who: str, classes_per_batch: int | None, num_classes: int, batch_size: int) -> tuple[int, int]:
    """P, and K: how many samples of a class come together."""
    if classes_per_batch is not None:
        places = repeated(who, classes_per_batch, num_classes, batch_size)
        return places, batch_size // places
    each = batch_size // num_classes  # fewer than two would have no neighbour
    group = min(_SAMPLES_PER_CLASS, each if each > 1 else batch_size)
    return min(num_classes, batch_size // group), group
