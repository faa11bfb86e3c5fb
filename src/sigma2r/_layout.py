"""Which axis of a layer's output holds the features: said in letters, or known from what the layer is made of."""

import re
from collections.abc import Iterable

from torch import Tensor, nn

# Exactly these, as a subclass may turn the axes: torchvision's and timm's LayerNorm2d is a LayerNorm.
_BEHIND_N = frozenset(
    {
        *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
        *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.GroupNorm),
        *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
        *(nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d),
        *(nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    }
)
_LAST = frozenset({nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding})
_OF_SEQUENCES = frozenset(
    {
        *(nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder),
        *(nn.TransformerEncoderLayer, nn.TransformerDecoderLayer),
    }
)
_EACH_ELEMENT = frozenset(
    {
        *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.CELU, nn.SELU),
        *(nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Softplus, nn.Dropout, nn.Identity),
    }
)
_SIZES = (
    "out_channels",
    "num_features",
    "num_channels",
    "out_features",
    "embedding_dim",
    "embed_dim",
    "normalized_shape",
)


def check_layout(pool: bool | str) -> None:
    """Refuse what is neither a bool nor a layout: one letter for each axis, N first or second, one of the others C.

    Raises:
        ValueError: As above.
    """
    if isinstance(pool, bool):
        return
    letters = pool if isinstance(pool, str) else ""
    if (
        not re.fullmatch(r"N[A-Z]{2,}|[A-Z]N[A-Z]+", letters)
        or letters.count("C") != 1
        or len(set(letters)) < len(letters)
    ):
        raise ValueError(
            "FeatureTap: pool must be False, True, or one letter for each axis of the output, N first or second and C "
            f'for the features, such as "NCHW", "NHWC", "NCL", "NLC" or "LNC"; got {pool!r}.'
        )


class FeatureAxis:
    """Where a layer has its features, as far as the layer tells.

    A convolution, a batch norm, a pooling in two or three dimensions have them behind N, a linear layer and a layer
    norm have them last; a ``Sequential`` is what its last child is, a function of each element what comes before it.
    Of any other module it is known by sizes: how many features the layers inside give, and which axis is as long.

    torch's transformers with ``batch_first=False``, its default, have samples second, (L, N, D), and so have the layers
    inside. Of other modules with such a part it is not known which axis of three holds the samples.

    Args:
        layer: The layer that is tapped.
        above: The modules that hold it.
    """

    def __init__(self, layer: nn.Module, above: Iterable[nn.Module] = ()) -> None:
        giver = _giver(layer)
        self.samples_second = any(_is_second(part) for part in (giver, *above) if type(part) in _OF_SEQUENCES)
        self.samples_unknown = not self.samples_second and _is_second(layer)
        self.known = 1 if type(giver) in _BEHIND_N else -1 if type(giver) in _LAST and _sizes(giver) else None
        self.behind_n: set[int] = set()
        self.last: set[int] = set()
        for part in layer.modules():
            self.behind_n |= _sizes(part) if type(part) not in _LAST else set()
            self.last |= _sizes(part) if type(part) not in _BEHIND_N else set()

    def of(self, output: Tensor) -> int | None:
        """1 or -1; None where the layer does not tell, or more than one axis could be meant.

        Args:
            output: Samples first.
        """
        if output.ndim == 3 and (self.samples_second or self.samples_unknown):
            return -1 if self.samples_second else None
        if self.known is not None:
            return self.known
        second, last = output.shape[1], output.shape[-1]
        both = self.behind_n | self.last
        if second in self.behind_n and last not in both:
            return 1
        if last in self.last and second not in both:
            return -1
        return None

    def samples_first(self, output: Tensor) -> Tensor:
        """The output with samples before places."""
        return output.transpose(0, 1) if self.samples_second and output.ndim == 3 else output


def mean_over_places(name: str, output: Tensor, pool: bool | str, axis: FeatureAxis) -> Tensor:
    """The mean over all axes but those of samples and features, (N, D).

    Args:
        name: Of the layer.
        output: As the layer gave it.
        pool: True, or a layout in letters.
        axis: What the layer tells; for True.

    Raises:
        ValueError: If the output has other axes than the layout, or it is not known which one holds the features.
    """
    if isinstance(pool, str):
        if output.ndim != len(pool):
            raise ValueError(
                f"FeatureTap: with pool={pool!r} the layer {name} must return {len(pool)} axes; got shape "
                f"{tuple(output.shape)}."
            )
        features = pool.index("C")
        samples = pool.index("N")
    else:
        output, samples = axis.samples_first(output), 0
        found = axis.of(output)
        if found is None:
            raise ValueError(
                f"FeatureTap: with pool=True it must be known which axis holds the features, and the layer {name} with "
                f'its output of shape {tuple(output.shape)} does not tell. Give the layout: pool="NCHW", "NHWC", or '
                'for tokens "NLC" or, as torch has them without batch_first, "LNC".'
            )
        features = found % output.ndim
    return output.movedim((samples, features), (0, 1)).flatten(2).mean(2)


def _giver(layer: nn.Module) -> nn.Module | None:
    """The layer inside that decides how the output lies; None if a container has none."""
    if type(layer).forward is not nn.Sequential.forward:
        return layer
    assert isinstance(layer, nn.Sequential)
    for child in reversed(layer):
        if type(child) not in _EACH_ELEMENT:
            return _giver(child)
    return None


def _is_second(layer: nn.Module | None) -> bool:
    """Whether the layer or a part of it says that it wants samples second."""
    return layer is not None and any(getattr(part, "batch_first", None) is False for part in layer.modules())


def _sizes(layer: nn.Module | None) -> set[int]:
    """How many features a layer says it gives; nothing of a norm over more than one axis."""
    told = [getattr(layer, name, None) for name in _SIZES]
    single = [size[0] if isinstance(size, tuple) and len(size) == 1 else size for size in told]
    return {size for size in single if isinstance(size, int) and not isinstance(size, bool)}
