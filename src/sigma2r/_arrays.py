"""What people have instead of a tensor: lists, arrays, columns of a table. Taken where it is plain what is meant."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sigma2r._shown import shown

_NAMES = (
    "Number the classes first, for the whole data set: "
    "numbers = {name: number for number, name in enumerate(sorted(set(names)))}."
)


def as_tensor(who: str, name: str, value: object) -> Tensor:
    """A tensor as it is; numbers in lists, in arrays or in a column of a table as a tensor, in the order of their rows.

    Arrays and columns are what has ``__array__`` or ``to_numpy()``, of numpy, pandas, polars and others. The index of a
    column does not count, so one that was shuffled keeps the order in which it is shown. Numbers keep all digits.

    Raises:
        ValueError: In one sentence, if ``value`` does not hold numbers in rows of one length.

    Example:
        >>> as_tensor("loss", "labels", [0, 2, 1])
        tensor([0, 2, 1])
    """
    if isinstance(value, Tensor):
        return value
    refuse_masked(who, name, value)
    numbers: Any = value
    if is_array(value):
        numbers = _array(value)
        kind = getattr(getattr(numbers, "dtype", None), "kind", "")
        if kind and kind in "biufc":
            return _from_array(numbers)
        if kind in ("U", "S"):
            raise ValueError(f"{who}: {name} must be numbers, not texts; got {shown(value)}. {_NAMES}")
        numbers = numbers.tolist() if kind == "O" else None
    if isinstance(numbers, Sequence) and not isinstance(numbers, (str, bytes)):
        if any(isinstance(one, (str, bytes)) for one in numbers):
            raise ValueError(f"{who}: {name} must be numbers, not texts; got {shown(value)}. {_NAMES}")
        if all(not isinstance(one, Tensor) or not one.ndim for one in numbers):
            rows = [one.tolist() if is_array(one) and hasattr(one, "tolist") else one for one in numbers]
            try:
                tensor = torch.tensor(rows, dtype=None if rows else torch.int64)
                return torch.tensor(rows, dtype=torch.float64) if tensor.is_floating_point() else tensor
            except (TypeError, ValueError, RuntimeError, OverflowError):
                pass  # told below
    raise ValueError(
        f"{who}: {name} must be a tensor, an array, or a list of numbers or of rows of one length; got "
        f"{shown(value)}.{one_of_several(value, name)}"
    )


def refuse_masked(who: str, name: str, value: object) -> None:
    """Refuse an array with a mask, whose masked numbers would count.

    Raises:
        ValueError: In one sentence.
    """
    if hasattr(value, "filled") and hasattr(value, "mask"):
        raise ValueError(f"{who}: {name} must have a number everywhere; got {shown(value)}, masked. Fill it first.")


def one_of_several(value: object, name: str) -> str:
    """What to do with several tensors where one is wanted: its rows are put together, outputs told apart."""
    if not isinstance(value, (tuple, list)) or not value or not all(isinstance(one, Tensor) for one in value):
        return ""
    shapes = {one.shape for one in value}
    if all(one.ndim == 1 for one in value) and {one.numel() for one in value} == {1} and name != "features":
        return f" One for each sample? Then torch.cat({name})."
    if len(shapes) == 1 and value[0].ndim < 2:
        return f" One for each sample? Then torch.stack({name})."
    if len(value) > 1:
        return " Does the network return several? Then features, logits = network(images)."
    return ""


def is_array(value: object) -> bool:
    """Whether ``value`` offers itself as an array of numpy's."""
    return not isinstance(value, type) and (hasattr(value, "__array__") or hasattr(value, "to_numpy"))


def as_list(value: object) -> object:
    """An array or a column of texts or objects, such as paths, as the list that it holds; anything else as it is."""
    array: Any = _array(value) if is_array(value) else None
    return array.tolist() if getattr(getattr(array, "dtype", None), "kind", "") in ("U", "O") else value


def spelled_as_tensor(name: str, value: object) -> str:
    """The expression that makes a tensor of what came: what a remedy goes on from."""
    if isinstance(value, Tensor):
        return name
    return f"torch.tensor({name}.to_numpy())" if hasattr(value, "to_numpy") else f"torch.tensor({name})"


def _array(value: Any) -> Any:
    """The array of numpy's that ``value`` offers, or None: on another device it may refuse."""
    try:
        return value.__array__() if hasattr(value, "__array__") else value.to_numpy()
    except (TypeError, ValueError, RuntimeError):
        return None


def _from_array(array: Any) -> Tensor:
    """Without a copy where torch can share the memory."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype("f8")
    elif not (array.flags.c_contiguous and array.flags.writeable and array.dtype.isnative):
        array = array.astype(array.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(array)
