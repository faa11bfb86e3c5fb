"""Features of named layers of any model, without rewriting it: for users of timm, torchvision, their own."""

import sys
import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sigma2r._hooks import OwnHook
from sigma2r._layout import FeatureAxis, check_layout, mean_over_places
from sigma2r._suggest import unknown


class FeatureTap(Mapping[str, Tensor]):
    """What named layers of a model returned in its last forward pass, with its graph.

    A mapping from the names of layers to features ``(N, D)``. It sets a forward hook on each layer, and two on the
    model, where a pass begins and ends, and changes nothing else: weights, ``state_dict`` and outputs of the model
    stay as they are, and after :meth:`remove` no trace is left. Where a layer is called more than once in a forward
    pass, the last output counts; a layer that is called outside of one, on its own, by a model that shares it, or anew
    in the backward pass by activation checkpointing, writes nothing. Features are what the layer gave, also where
    something behind it, such as ``ReLU(inplace=True)``, then writes into its output.

    Only the tapped layers themselves are heard. A copy of the model (``copy.deepcopy``, an EMA teacher, a pickle, a
    replica) has no tap until one is set on it; a tap that is copied or pickled *together with* its model taps the copy.
    A model that was compiled and run before the tap was set does not notice it: call ``torch.compiler.reset()``.

    Args:
        model: Any module.
        names: Layers, as ``model.named_modules()`` names them.
        pool: Take the mean over places instead of flattening them, and never over features. Which axis holds those is
            given by a letter for each, ``"NCHW"``, ``"NHWC"``, ``"NCL"``, ``"NLC"`` (tokens), ``"LNC"``, or with True
            known from the layers inside; where they do not tell, the output is refused. torch's transformers give
            ``(L, N, D)`` unless they were built with ``batch_first=True``: that is known of them, pooled or not.

    Raises:
        ValueError: If there is no such layer (the nearest names are suggested), or none was named, or ``pool`` is no
            layout.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
        >>> with FeatureTap(model, "1") as tap:
        ...     logits = model(torch.zeros(2, 5))
        ...     tap.features.shape
        torch.Size([2, 4])
    """

    def __init__(self, model: nn.Module, *names: str, pool: bool | str = False) -> None:
        layers = dict(model.named_modules())
        if not names:
            raise ValueError(
                "FeatureTap: at least one layer must be named; got none. model.named_modules() lists them."
            )
        for name in names:
            if not isinstance(name, str) or not name or name not in layers:
                raise unknown("layer of the model", str(name), [known for known in layers if known])
        check_layout(pool)
        self.names = names
        self.pool = pool
        self._axes = {name: FeatureAxis(layers[name], _above(name, layers)) for name in names}
        self._set({"": model, **{name: layers[name] for name in names}})

    def _set(self, tapped: Mapping[str, nn.Module]) -> None:
        self._seen: dict[str, Tensor] = {}
        self._depth = 0  # of the model's passes within one another
        self._handles: list[RemovableHandle] = []
        self._tapped = {name: weakref.ref(layer) for name, layer in tapped.items()}  # they hold the tap, by its hooks
        self._hears_passes = False
        for name, layer in tapped.items():
            if name:
                hook = OwnHook(layer, partial(self._keep, name))
                self._handles.append(layer.register_forward_hook(hook))
            elif _is_there(layer):
                self._hear_passes(layer)

    def _hear_passes(self, model: nn.Module) -> None:
        begin, end = OwnHook(model, self._begin), OwnHook(model, self._end)
        self._handles.append(model.register_forward_pre_hook(begin, prepend=True))  # before one that may raise
        self._handles.append(model.register_forward_hook(end, always_call=True))
        self._hears_passes = True

    def _begin(self, model: nn.Module, inputs: Any) -> None:
        if self._depth and not torch.compiler.is_compiling() and _num_running(model) == 1:
            self._depth = 0  # the pass before was interrupted, which runs no hook
        if not self._depth:
            self._seen.clear()
        self._depth += 1

    def _end(self, model: nn.Module, inputs: Any, output: Any) -> None:
        self._depth = max(self._depth - 1, 0)

    def _keep(self, name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        if not self._hears_passes and (model := self._tapped[""]()) is not None:  # a copy that came back after its tap
            self._hear_passes(model)
            self._depth = _num_running(model)
        if not self._depth:
            return
        if not isinstance(output, Tensor) or output.ndim < 2:
            got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"FeatureTap: the layer {name} must return one tensor of shape (N, ...); got {got}. Tap a layer "
                "inside it or behind it."
            )
        if self.pool and (output.ndim > 2 or isinstance(self.pool, str)):
            self._seen[name] = mean_over_places(name, output, self.pool, self._axes[name])
        else:
            rows = self._axes[name].samples_first(output).flatten(1)
            self._seen[name] = rows.clone()  # what is behind the layer may write into its output

    def __getstate__(self) -> dict[str, Any]:
        """What a copy starts with: features, and their graph, stay here."""
        tapped = {name: layer() for name, layer in self._tapped.items()}
        return {"names": self.names, "pool": self.pool, "axes": self._axes, "tapped": tapped}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.names, self.pool, self._axes = state["names"], state["pool"], state["axes"]
        # A tap that lies inside its own layer comes back before that layer does: such a copy counts as removed. One
        # that lies inside its own model hears of that when a layer is first called.
        tapped = {name: layer for name, layer in state["tapped"].items() if layer is not None}
        self._set({name: layer for name, layer in tapped.items() if not name or _is_there(layer)})

    @property
    def features(self) -> Tensor:
        """The features of the only layer.

        Raises:
            ValueError: If several layers were named, or no forward pass has happened.
        """
        if len(self.names) != 1:
            raise ValueError(
                f"FeatureTap: features are those of a single layer; {len(self.names)} were named. Use tap[name]."
            )
        return self[self.names[0]]

    def __getitem__(self, name: str) -> Tensor:
        """The features of a layer.

        Raises:
            ValueError: If the layer is not tapped (any more), or no forward pass has happened since the last
                :meth:`clear`.
        """
        if name not in self.names:
            raise unknown("tapped layer", name, self.names)
        if name not in self._tapped:
            raise ValueError(f"FeatureTap: the layer {name} is not tapped any more. Set a new tap on the model.")
        if name not in self._seen and self._was_replaced(name):
            raise ValueError(
                f"FeatureTap: the layer {name} that was tapped is no longer in the model, where another may stand in "
                "its place. Set a new tap on the model as it is now."
            )
        if name not in self._seen:
            raise ValueError(
                f"FeatureTap: the layer {name} has returned nothing yet, or not in the last pass. Call the tapped "
                "model itself first, not a copy of it or a layer alone; does its forward pass reach this layer? If it "
                "was compiled and has run before the tap was set, call torch.compiler.reset()."
            )
        return self._seen[name]

    def _was_replaced(self, name: str) -> bool:
        """Whether the model, which is still there, holds the tapped layer no more."""
        model, layer = self._tapped[""](), self._tapped[name]()
        return model is not None and all(part is not layer for part in model.modules())

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def clear(self) -> None:
        """Let go of the features, and so of their graph."""
        self._seen.clear()

    def remove(self) -> None:
        """Take the hooks off the model; a second time nothing happens."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._tapped.clear()
        self.clear()

    def __enter__(self) -> "FeatureTap":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def _above(name: str, layers: Mapping[str, nn.Module]) -> list[nn.Module]:
    """The modules that hold a layer, the model first."""
    parts = name.split(".")
    return [layers[".".join(parts[:depth])] for depth in range(len(parts))]


def _is_there(module: nn.Module) -> bool:
    """Whether a module that is copied or read from a file can be given hooks yet."""
    return "_forward_hooks" in vars(module)


def _num_running(model: nn.Module) -> int:
    """How many passes of ``model`` run within one another, by the frames of this thread."""
    number = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        number += frame.f_code is nn.Module._call_impl.__code__ and frame.f_locals.get("self") is model
        frame = frame.f_back
    return number
