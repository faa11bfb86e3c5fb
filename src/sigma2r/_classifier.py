"""The classifier of a model, and what it is given: the pooled features of any network that ends in one."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r._shown import shown
from sigma2r._suggest import unknown

_NAMED = 'FeatureTap.before_classifier(model, "NAME")'
_CONVOLUTION = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_WIDTHS = ("in_features", "in_channels", "num_features", "num_channels", "normalized_shape")


def find_classifier(model: nn.Module, names: Iterable[str]) -> tuple[list[dict[str, nn.Module]], bool]:
    """The classifiers, and whether they are a guess that the first pass has to confirm.

    Named layers are taken as they are. Without a name they are what the model itself says, by ``get_classifier()`` as
    timm has it; else the linear layer or convolution that was registered last.

    Returns:
        For each classifier its layers by name: one, or those of a ``ModuleList`` that see parts of the features.

    Raises:
        ValueError: If there is no such layer, or none that could be meant.
    """
    layers = dict(model.named_modules())
    if names := tuple(names):
        for name in names:
            if not isinstance(name, str) or not name or name not in layers:
                raise unknown("layer of the model", str(name), [known for known in layers if known])
        return [{name: layers[name]} for name in names], False
    known = {id(layer): name for name, layer in layers.items()}
    for part in model.modules():
        if callable(asked := getattr(part, "get_classifier", None)):
            told = asked()
            each = [_parts(one) for one in (told if isinstance(told, (tuple, list)) else [told])]
            if each and all(parts and all(known.get(id(layer)) for layer in parts) for parts in each):
                return [{known[id(layer)]: layer for layer in parts} for parts in each], False
            raise ValueError(
                f"FeatureTap: get_classifier() must give a layer of the model; that of {type(part).__name__} gave "
                f"{shown(told)}. Name the layer: {_NAMED}."
            )
    last = [name for name, layer in layers.items() if name and isinstance(layer, (nn.Linear, *_CONVOLUTION))]
    if not last:
        raise ValueError(
            f"FeatureTap: the classifier must be a linear layer or a convolution of the model; {type(model).__name__} "
            f"has none. Name the layer: {_NAMED}."
        )
    return [{last[-1]: layers[last[-1]]}], True


def _parts(told: Any) -> list[nn.Module]:
    return list(told) if isinstance(told, nn.ModuleList) else [told]


def rows_given(layer: nn.Module, given: Tensor) -> Tensor:
    """What a classifier is given as rows (N, D): places that are left are averaged, never features.

    A convolution has features behind N, a linear layer last; of a module with several layers the first that says how
    much it takes decides. Where its width is that of all axes together, it takes them flattened.
    """
    if given.ndim == 2:
        return given
    width = next((size for part in layer.modules() if (size := _width(part)) is not None), None)
    if isinstance(layer, _CONVOLUTION) or (given.shape[-1] != width and given.shape[1] == width):
        return given.flatten(2).mean(2)
    if given.shape[-1] == width:
        return given.flatten(1, -2).mean(1)
    return given.flatten(1)


def _width(part: nn.Module) -> int | None:
    """How many features a layer says that it takes."""
    told = (getattr(part, name, None) for name in _WIDTHS)
    single = (size[0] if isinstance(size, tuple) and len(size) == 1 else size for size in told)
    return next((size for size in single if isinstance(size, int) and not isinstance(size, bool)), None)


def is_part_of(tensor: Tensor | None, output: Any) -> bool:
    """Whether a tensor, or a view of it, is what a model returned, or lies in the tuple or mapping that it returned."""
    return tensor is not None and any(_is_same(tensor, each) for each in _tensors(output))


def _is_same(one: Tensor, other: Tensor) -> bool:
    return one is other or one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (Mapping, tuple, list)):
        for each in output.values() if isinstance(output, Mapping) else output:
            yield from _tensors(each)


def is_looked_at() -> bool:
    """Whether outputs may be compared: compiled code has none that lie anywhere."""
    return not torch.compiler.is_compiling()
