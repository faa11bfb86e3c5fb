"""Features of named layers of any model, without rewriting it: for users of timm, torchvision, their own."""

import sys
import weakref
from collections.abc import Iterator, Mapping
from functools import partial
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.hooks import RemovableHandle

from sigma2r._classifier import find_classifier, is_looked_at, is_part_of, rows_given
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
    A model within ``torch.compile`` or DDP is tapped itself, with names as the whole has them; a pass that is compiled
    confirms no classifier. One that was compiled and run before the tap was set does not notice it: call
    ``torch.compiler.reset()``.

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
        self._classifiers: list[tuple[str, ...]] = []  # where inputs are tapped: the layers of each classifier
        self._is_guess = False
        self._axes = {name: FeatureAxis(layers[name], _above(name, layers)) for name in names}
        self._set({"": model, **{name: layers[name] for name in names}})

    @classmethod
    def before_classifier(cls, model: nn.Module, *names: str) -> "FeatureTap":
        """Tap what the classifier of a model is given, which is its pooled features, whatever the layer is called.

        For every model of timm and of torchvision, for the classifiers of transformers, and for any other network
        that ends in a linear layer or a convolution. A model that says what its classifier is, by ``get_classifier()``
        as timm's do, is asked. Of two, as in a distilled transformer, :attr:`features` are the mean of what both are
        given; of one in several parts, as CrossViT's, they are what the parts are given side by side: as timm defines
        them. Of other models the linear layer or convolution that was registered last is taken, and the first pass must
        confirm that what it gives is what the model returns.

        Features are in the state in which the classifier sees them: behind norm, pooling and dropout.

        Args:
            model: Any module.
            names: The classifier, as ``model.named_modules()`` names it; default: it is found.

        Raises:
            ValueError: If there is no such layer, or none that could be meant; and in the first pass, if the layer that
                was taken does not give what the model returns.

        Example:
            >>> import torch
            >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
            >>> with FeatureTap.before_classifier(model) as tap:
            ...     logits = model(torch.zeros(2, 3, 8, 8))
            ...     tap.names, tap.features.shape
            (('3',), torch.Size([2, 4]))
        """
        found, is_guess = find_classifier(model, names)
        tap = cls.__new__(cls)
        layers = {name: layer for classifier in found for name, layer in classifier.items()}
        tap.names, tap.pool, tap._axes = tuple(layers), False, {}
        tap._classifiers, tap._is_guess = [tuple(classifier) for classifier in found], is_guess
        tap._set({"": model, **layers})
        return tap

    def _set(self, tapped: Mapping[str, nn.Module]) -> None:
        self._seen: dict[str, Tensor] = {}
        self._given_by_guess: Tensor | None = None
        self._depth = 0  # of the model's passes within one another
        self._handles: list[RemovableHandle] = []
        tapped = {name: layer if name else _within(layer) for name, layer in tapped.items()}
        self._tapped = {name: weakref.ref(layer) for name, layer in tapped.items()}  # they hold the tap, by its hooks
        self._hears_passes = False
        for name, layer in tapped.items():
            if name and self._classifiers:
                before = OwnHook(layer, partial(self._keep_input, name))
                self._handles.append(layer.register_forward_pre_hook(before))
            if name and (self._is_guess or not self._classifiers):
                after = OwnHook(layer, self._keep_logits if self._classifiers else partial(self._keep, name))
                self._handles.append(layer.register_forward_hook(after))
            elif not name and _is_there(layer):
                self._hear_passes(layer)

    def _hear_passes(self, model: nn.Module) -> None:
        ends = self._end_of_guess if self._is_guess else self._end  # apart: a compiler keeps what a hook may look at
        begin, end = OwnHook(model, self._begin), OwnHook(model, ends)
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

    def _end_of_guess(self, model: nn.Module, inputs: Any, output: Any) -> None:
        self._end(model, inputs, output)
        if self._is_guess and not self._depth and is_looked_at() and self._seen:
            self._confirm(output)

    def _confirm(self, output: Any) -> None:
        """Hold the layer that was taken for the classifier against what the model returns, once."""
        logits, self._given_by_guess = self._given_by_guess, None
        if sys.exc_info()[0] is not None:  # a pass that broke off returns nothing
            return
        if not is_part_of(logits, output):
            self._seen.clear()
            raise ValueError(
                f"FeatureTap: the classifier must give what the model returns; the last linear layer or convolution, "
                f"{self.names[0]}, was taken for it and does not. Name the one that is: "
                'FeatureTap.before_classifier(model, "NAME").'
            )
        self._is_guess = False

    def _is_in_a_pass(self) -> bool:
        if not self._hears_passes and (model := self._tapped[""]()) is not None:  # a copy that came back after its tap
            self._hear_passes(model)
            self._depth = _num_running(model)
        return self._depth > 0

    def _keep_logits(self, layer: nn.Module, inputs: Any, output: Any) -> None:
        if self._is_guess and isinstance(output, Tensor) and is_looked_at():
            self._given_by_guess = output.detach()

    def _keep_input(self, name: str, layer: nn.Module, inputs: Any) -> None:
        if not self._is_in_a_pass():
            return
        given = inputs[0] if inputs else None
        if not isinstance(given, Tensor) or given.ndim < 2:
            got = f"shape {tuple(given.shape)}" if isinstance(given, Tensor) else type(given).__name__
            raise ValueError(
                f"FeatureTap: the classifier {name} must be given one tensor of shape (N, ...); got {got}. Name a "
                "layer that is."
            )
        self._seen[name] = rows_given(layer, given).clone()

    def _keep(self, name: str, layer: nn.Module, inputs: Any, output: Any) -> None:
        if not self._is_in_a_pass():
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
        kind = (self._classifiers, self._is_guess)
        return {"names": self.names, "pool": self.pool, "axes": self._axes, "kind": kind, "tapped": tapped}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.names, self.pool, self._axes = state["names"], state["pool"], state["axes"]
        self._classifiers, self._is_guess = state["kind"]
        # A tap that lies inside its own layer comes back before that layer does: such a copy counts as removed. One
        # that lies inside its own model hears of that when a layer is first called.
        tapped = {name: layer for name, layer in state["tapped"].items() if layer is not None}
        self._set({name: layer for name, layer in tapped.items() if not name or _is_there(layer)})

    @property
    def features(self) -> Tensor:
        """The features of the only layer; of several classifiers the mean of what each is given.

        Raises:
            ValueError: If several layers were named, or no forward pass has happened.
        """
        if len(self.names) > 1 and self._classifiers:
            each = [torch.cat([self[name] for name in names], dim=1) for names in self._classifiers]
            if len({features.shape for features in each}) == 1:
                return torch.stack(each).mean(0) if len(each) > 1 else each[0]
        if len(self.names) != 1:
            raise ValueError(
                f"FeatureTap: features are those of a single layer; {len(self.names)} were named. Use tap[name]."
            )
        return self[self.names[0]]

    @property
    def seen_by_losses(self) -> Tensor | list[Tensor]:
        """What a :class:`~sigma2r.losses.JointLoss` takes: :attr:`features`, or of several layers one for each loss."""
        return self.features if self._classifiers or len(self.names) == 1 else list(self.values())

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


def _within(model: nn.Module) -> nn.Module:
    """The model in what a compiler or DDP puts around it, which may return other tensors than the model does."""
    inner = model.module if isinstance(model, DistributedDataParallel) else getattr(model, "_orig_mod", None)
    return _within(inner) if isinstance(inner, nn.Module) else model


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
