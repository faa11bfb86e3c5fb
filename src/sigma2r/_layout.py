"""Which axis of a layer's output holds the features: said in letters, or known from what the layer is made of."""

import re

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
    """Refuse what is neither a bool nor a layout: one letter for each axis, N first, one of the others C.

    Raises:
        ValueError: As above.
    """
    if isinstance(pool, bool):
        return
    letters = pool if isinstance(pool, str) else ""
    if not re.fullmatch(r"N[A-Z]{2,}", letters) or letters.count("C") != 1 or len(set(letters)) < len(letters):
        raise ValueError(
            "FeatureTap: pool must be False, True, or one letter for each axis of the output, N first and C for the "
            f'features, such as "NCHW", "NHWC", "NCL" or "NLC"; got {pool!r}.'
        )


class FeatureAxis:
    """Where a layer has its features, as far as the layer tells.

    A convolution, a batch norm, a pooling in two or three dimensions have them behind N, a linear layer and a layer
    norm have them last; a ``Sequential`` is what its last child is, a function of each element what comes before it.
    Of any other module it is known by sizes: how many features the layers inside give, and which axis is as long.

    Args:
        layer: The layer that is tapped.
    """

    def __init__(self, layer: nn.Module) -> None:
        giver = _giver(layer)
        self.known = 1 if type(giver) in _BEHIND_N else -1 if type(giver) in _LAST and _sizes(giver) else None
        self.behind_n: set[int] = set()
        self.last: set[int] = set()
        for part in layer.modules():
            self.behind_n |= _sizes(part) if type(part) not in _LAST else set()
            self.last |= _sizes(part) if type(part) not in _BEHIND_N else set()

    def of(self, output: Tensor) -> int | None:
        """1 or -1; None where the layer does not tell, or more than one axis could be meant."""
        if self.known is not None:
            return self.known
        second, last = output.shape[1], output.shape[-1]
        both = self.behind_n | self.last
        if second in self.behind_n and last not in both:
            return 1
        if last in self.last and second not in both:
            return -1
        return None


def mean_over_places(name: str, output: Tensor, pool: bool | str, axis: FeatureAxis) -> Tensor:
    """The mean over all axes but those of samples and features, (N, D).

    Args:
        name: Of the layer.
        output: Shape ``(N, ...)``.
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
    else:
        found = axis.of(output)
        if found is None:
            raise ValueError(
                f"FeatureTap: with pool=True it must be known which axis holds the features, and the layer {name} with "
                f'its output of shape {tuple(output.shape)} does not tell. Give the layout: pool="NCHW", "NHWC", or '
                'for tokens "NLC".'
            )
        features = found % output.ndim
    return output.movedim(features, 1).flatten(2).mean(2)


def _giver(layer: nn.Module) -> nn.Module | None:
    """The layer inside that decides how the output lies; None if a container has none."""
    if type(layer).forward is not nn.Sequential.forward:
        return layer
    assert isinstance(layer, nn.Sequential)
    for child in reversed(layer):
        if type(child) not in _EACH_ELEMENT:
            return _giver(child)
    return None


def _sizes(layer: nn.Module | None) -> set[int]:
    """How many features a layer says it gives; nothing of a norm over more than one axis."""
    told = [getattr(layer, name, None) for name in _SIZES]
    single = [size[0] if isinstance(size, tuple) and len(size) == 1 else size for size in told]
    return {size for size in single if isinstance(size, int) and not isinstance(size, bool)}
