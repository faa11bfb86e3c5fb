"""Features of named layers of any model, without rewriting it: for users of timm, torchvision, their own."""

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from torch import Tensor, nn

from sigma2r._suggest import unknown


class FeatureTap(Mapping[str, Tensor]):
    """What named layers of a model returned in its last forward pass, with its graph.

    A mapping from the names of layers to features ``(N, D)``. It sets a forward hook on each layer and changes
    nothing else: weights, ``state_dict`` and outputs of the model stay as they are, and after :meth:`remove` no trace
    is left. Where a layer is called more than once in a forward pass, the last output counts.

    Args:
        model: Any module.
        names: Layers, as ``model.named_modules()`` names them.
        pool: Take the mean over all dimensions behind the second instead of flattening them.

    Raises:
        ValueError: If there is no such layer (the nearest names are suggested), or none was named.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
        >>> with FeatureTap(model, "1") as tap:
        ...     logits = model(torch.zeros(2, 5))
        ...     tap.features.shape
        torch.Size([2, 4])
    """

    def __init__(self, model: nn.Module, *names: str, pool: bool = False) -> None:
        layers = dict(model.named_modules())
        if not names:
            raise ValueError(
                "FeatureTap: at least one layer must be named; got none. model.named_modules() lists them."
            )
        for name in names:
            if not name or name not in layers:
                raise unknown("layer of the model", name, [known for known in layers if known])
        self.names = names
        self.pool = pool
        self._seen: dict[str, Tensor] = {}
        self._handles = [layers[name].register_forward_hook(self._hook(name)) for name in names]

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def keep(layer: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim < 2:
                got = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
                raise ValueError(
                    f"FeatureTap: the layer {name} must return one tensor of shape (N, ...); got {got}. Tap a layer "
                    "inside it or behind it."
                )
            self._seen[name] = output.flatten(2).mean(2) if self.pool and output.ndim > 2 else output.flatten(1)

        return keep

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
            ValueError: If the layer is not tapped, or no forward pass has happened since the last :meth:`clear`.
        """
        if name not in self.names:
            raise unknown("tapped layer", name, self.names)
        if name not in self._seen:
            raise ValueError(
                f"FeatureTap: the layer {name} has returned nothing yet. Call the model first; does its forward pass "
                "reach this layer?"
            )
        return self._seen[name]

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
        self.clear()

    def __enter__(self) -> "FeatureTap":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
