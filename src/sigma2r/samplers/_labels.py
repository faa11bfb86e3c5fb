"""The class of each sample, from whatever holds labels: read by position, never by an index that came along."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from sigma2r._arrays import refuse_masked

_NUMBER_THEM = "names = sorted(set(labels)); labels = [names.index(name) for name in labels]"
_OF_THE_SET = (
    "Give the labels of the data set that the loader reads; for a Subset those of its indices alone, or the Subset"
)


class HasArray(Protocol):
    """A numpy array, a column of pandas or polars, or another thing that turns into an array."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any: ...


Labels = Tensor | Sequence[int] | HasArray | Dataset[Any]


def by_class(who: str, labels: Labels) -> tuple[Tensor, Tensor, Tensor]:
    """Samples put in the order of their classes, and how many each class has.

    Args:
        who: Who speaks in errors.
        labels: Integers, one per sample, in any form; or a data set that knows them.

    Returns:
        The labels as int64, shape ``(N,)``, on the CPU; sample numbers, class by class, shape ``(N,)``; and counts,
        shape ``(C,)``. Linear in N unless labels lie far apart.

    Raises:
        ValueError: If labels are not one integer per sample.
    """
    found = _as_tensor(who, labels)
    if found.ndim != 1 or found.shape[0] == 0:
        hint = " Did you mean labels.squeeze(1)?" if found.ndim == 2 and found.shape[1] == 1 else ""
        raise ValueError(f"{who}: labels must hold one class for each of at least one sample, shape (N,); got "
                         f"{tuple(found.shape)}.{hint}")  # fmt: skip
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise ValueError(f"{who}: labels must be integers; got {found.dtype}.")
    found = found.detach().cpu().long()
    low, high = (int(end) for end in found.aminmax())
    if high - low > 4 * found.shape[0]:  # counting would take more memory than sorting
        order, counts = found.argsort(stable=True), torch.unique(found, return_counts=True)[1]
    else:
        key = (found - low).int() if high - low < 2**31 else found - low
        order, counts = key.argsort(stable=True), torch.bincount(key)
    return found, order.int() if order.shape[0] < 2**31 else order, counts[counts > 0]


def _as_tensor(who: str, given: Any) -> Tensor:
    if isinstance(given, Tensor):
        return given
    if isinstance(given, Subset):
        return _as_tensor(who, given.dataset).cpu()[_as_tensor(who, given.indices).cpu().long()]
    if isinstance(given, ConcatDataset):
        return torch.cat([_as_tensor(who, part).cpu() for part in given.datasets])
    if isinstance(given, TensorDataset):
        return given.tensors[-1]
    refuse_masked(who, "labels", given)
    if hasattr(given, "to_numpy"):
        return _of_array(who, given.to_numpy())
    if hasattr(given, "__array__"):
        return _of_array(who, given.__array__())
    for name in ("targets", "labels"):  # torchvision's names, and this package's
        if hasattr(given, name):
            return _of_all_samples(who, given, _as_tensor(who, getattr(given, name)))
    # A column of another library has a length and positions; a set, a loader or a sampler has not both. What is no
    # sequence either may be a data set, which would open its files: only its first row is looked at.
    is_column = hasattr(given, "__len__") and hasattr(given, "__getitem__") and not isinstance(given, Mapping | Dataset)
    if not is_column or not (isinstance(given, Sequence) or (len(given) and _is_integer(given[0]))):
        raise ValueError(
            f"{who}: labels must be a tensor, an array, a column or a sequence of integers, or a data set that has "
            f"them as .targets or .labels; got {_shown(given)}. {_OF_THE_SET} itself."
        )
    return _of_sequence(who, given)


def _of_all_samples(who: str, dataset: Any, labels: Tensor) -> Tensor:
    """Refuse labels that a data set hands on from another with more or fewer samples."""
    if hasattr(dataset, "__len__") and labels.ndim and len(dataset) != labels.shape[0]:
        raise ValueError(
            f"{who}: labels must be one for each sample; the {type(dataset).__name__} has {len(dataset)} samples and "
            f"{labels.shape[0]} labels. {_OF_THE_SET} itself."
        )
    return labels


def _of_array(who: str, array: Any) -> Tensor:
    """An array of numpy; a copy, because torch takes neither reversed, read-only nor big-endian ones."""
    if array.dtype.kind in "iu":
        return torch.from_numpy(array.astype("int64"))
    if array.dtype.kind in "OSUT":
        return _of_sequence(who, array.tolist())
    raise ValueError(f"{who}: labels must be integers; got an array of {array.dtype}.")


def _of_sequence(who: str, given: Any) -> Tensor:
    each = given if isinstance(given, list) else list(given)
    if not each or not isinstance(each[0], str | bytes):  # torch would go into a text, letter by letter
        try:
            return torch.as_tensor(each)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            pass
    odd = next((one for one in each if not _is_integer(one)), each[0])
    if isinstance(odd, str | bytes):
        raise ValueError(
            f"{who}: labels must be integers, the same that the loss gets; got names such as {odd!r}. "
            f"Number them first: {_NUMBER_THEM}."
        )
    raise ValueError(f"{who}: labels must be one integer of at most 64 bits for each sample; got {_shown(odd)}.")


def _is_integer(one: Any) -> bool:
    return hasattr(one, "__index__") and -(2**63) <= int(one) < 2**63


def _shown(odd: Any) -> str:
    """A value, if it is short and plain; otherwise its type."""
    plain = odd is None or isinstance(odd, int | float | str | bytes | list | tuple)
    return repr(odd) if plain and len(repr(odd)) < 60 else f"a {type(odd).__name__}"
