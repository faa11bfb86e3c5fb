"""Means over places and never over features, whatever the axes of a layer."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from torchvision.models.convnext import CNBlock, LayerNorm2d
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer
from torchvision.ops import Permute

from sigma2r import FeatureTap


class Written(nn.Module):
    """A module whose forward pass torch knows nothing of."""

    def __init__(self, inside: nn.Module, then=lambda x: x) -> None:
        super().__init__()
        self.inside = inside
        self.then = then

    def forward(self, x):
        return self.then(self.inside(x))


def pooled(layer: nn.Module, inputs: torch.Tensor, pool: bool | str = True) -> tuple[torch.Tensor, torch.Tensor]:
    """The features of a tap, and the output of the layer that it saw."""
    seen = []
    model = nn.Sequential(layer)
    layer.register_forward_hook(lambda _, inputs, output: seen.append(output))
    with FeatureTap(model, "0", pool=pool) as tap:
        model(inputs)
        return tap.features, seen[0]


IMAGES, TOKENS = torch.randn(2, 3, 7, 5), torch.randn(2, 17, 6)
to_last = lambda x: x.permute(0, 2, 3, 1)  # noqa: E731
CONV, LINEAR = nn.Conv2d(3, 8, 1), nn.Linear(6, 9)


@pytest.mark.parametrize(
    ("layer", "inputs", "places"),
    [
        (CONV, IMAGES, (2, 3)),
        (nn.Conv2d(3, 7, 3, padding=1), torch.randn(2, 3, 7, 7), (2, 3)),  # as many features as places
        (nn.Conv1d(3, 8, 1), torch.randn(2, 3, 11), 2),
        (nn.Conv3d(3, 8, 1), torch.randn(2, 3, 2, 4, 5), (2, 3, 4)),
        (nn.Sequential(CONV, nn.BatchNorm2d(8), nn.ReLU(inplace=True)), IMAGES, (2, 3)),
        (nn.Sequential(nn.Sequential(CONV, nn.Dropout()), nn.PReLU(8), nn.MaxPool2d(1)), IMAGES, (2, 3)),
        (nn.AdaptiveAvgPool2d(3), IMAGES, (2, 3)),
        (Written(CONV, torch.relu), IMAGES, (2, 3)),
        (Written(nn.Sequential(CONV, LayerNorm2d(8))), IMAGES, (2, 3)),
        (LayerNorm2d(3), IMAGES, (2, 3)),  # a LayerNorm by descent, and yet its features are behind N
        (CNBlock(8, 1.0, 0.0), torch.randn(2, 8, 7, 5), (2, 3)),
        (LINEAR, TOKENS, 1),
        (nn.Sequential(LINEAR, nn.GELU(), nn.Dropout(0.0)), TOKENS, 1),
        (nn.LayerNorm(6), TOKENS, 1),
        (nn.RMSNorm(6), torch.randn(2, 4, 5, 6), (1, 2)),
        (nn.Embedding(20, 6), torch.arange(34).view(2, 17) % 20, 1),
        (nn.TransformerEncoderLayer(6, 2, 12, batch_first=True), TOKENS, 1),
        (Written(nn.Linear(6, 9), torch.tanh), torch.randn(2, 4, 5, 6), (1, 2)),
        (nn.Sequential(CONV, Permute([0, 2, 3, 1]), nn.LayerNorm(8)), IMAGES, (1, 2)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_layer_whose_axes_are_known_is_pooled_over_places(layer, inputs, places):
    features, output = pooled(layer, inputs)
    assert_close(features, output.mean(places))


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Identity(), TOKENS),
        (nn.ReLU(), IMAGES),
        (nn.Flatten(2), IMAGES),
        (Permute([0, 2, 3, 1]), IMAGES),
        (nn.Sequential(nn.ReLU(), nn.Identity()), IMAGES),
        (nn.Sequential(CONV, Permute([0, 2, 3, 1])), IMAGES),
        (Written(CONV, to_last), IMAGES),
        (Written(nn.Conv2d(3, 7, 1), to_last), IMAGES),  # as many features as rows of places
        (Written(nn.Conv2d(3, 8, 1)), torch.randn(2, 3, 8, 8)),
        (Written(nn.Linear(6, 17)), torch.randn(2, 17, 6)),  # could be a mixer of tokens
        (nn.Sequential(CONV, nn.Flatten(2), Permute([0, 2, 1])), IMAGES),
        (nn.LayerNorm([3, 7, 5]), IMAGES),  # over all axes: which holds features it does not say
        (Written(nn.Conv2d(3, 8, 1), lambda x: torch.cat([x, x], 1)), torch.randn(2, 3, 5, 8)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_layer_whose_axes_are_not_known_is_refused_and_pooled_if_they_are_said(layer, inputs):
    with pytest.raises(ValueError, match=r"^FeatureTap: with pool=True .* the layer 0 with its output of shape \(2, "):
        pooled(layer, inputs)
    first, output = pooled(layer, inputs, "NCHW"[: layer(inputs).ndim] if layer(inputs).ndim == 4 else "NCL")
    assert_close(first, output.flatten(2).mean(2))
    last, output = pooled(layer, inputs, "NHWC" if output.ndim == 4 else "NLC")
    assert_close(last, output.flatten(1, -2).mean(1))


def test_transformers_of_torchvision_are_pooled_over_tokens_and_places():
    vit = VisionTransformer(image_size=8, patch_size=2, num_layers=1, num_heads=2, hidden_dim=12, mlp_dim=24)
    swin = SwinTransformer([2, 2], 8, [1, 1], [1, 1], [2, 2], num_classes=5)
    images = torch.randn(3, 3, 8, 8)
    for model, names, width in (
        (vit, ("encoder.ln", "encoder.layers", "encoder"), 12),
        (swin, ("features.1", "norm"), 0),
    ):
        for name in names:
            with FeatureTap(model, name, pool=True) as tap, FeatureTap(model, name) as whole:
                model(images)
                length = width or {"features.1": 8, "norm": 16}[name]
                assert tap.features.shape == (3, length)
                assert_close(tap.features, whole.features.view(3, -1, length).mean(1))


def test_layouts_of_more_axes_are_said_in_letters_too():
    inputs = torch.randn(2, 3, 4, 5, 6)
    for pool, places in (("NCDHW", (2, 3, 4)), ("NDHWC", (1, 2, 3)), ("NDCHW", (1, 3, 4))):
        features, output = pooled(nn.Identity(), inputs, pool)
        assert_close(features, output.mean(places))


def test_features_without_places_are_left_as_they_are_by_true_and_refused_by_a_layout():
    features, output = pooled(nn.Linear(3, 4), torch.randn(2, 3))
    assert torch.equal(features, output)
    with pytest.raises(ValueError, match=r"with pool='NCHW' the layer 0 must return 4 axes; got shape \(2, 4\)\."):
        pooled(nn.Linear(3, 4), torch.randn(2, 3), "NCHW")
    with pytest.raises(ValueError, match=r"with pool='NLC' the layer 0 must return 3 axes; got shape \(2, 8, 7, 5\)\."):
        pooled(CONV, IMAGES, "NLC")


@pytest.mark.message
@pytest.mark.parametrize(
    "pool", ["mean", "no", "", "NC", "CHW", "nchw", "NHW", "NCCH", "NCHH", "HWCN", 1, None, ("N", "C")]
)
def test_what_is_no_layout_is_refused(pool):
    with pytest.raises(ValueError, match=r'^FeatureTap: pool must be False, True, or one letter .* such as "NCHW"'):
        FeatureTap(nn.Sequential(nn.Linear(2, 2)), "0", pool=pool)


def attention(kind: type[nn.Module], **keywords) -> nn.Module:
    """One of torch's transformers of 6 features."""
    if kind in (nn.TransformerEncoder, nn.TransformerDecoder):
        layer = nn.TransformerEncoderLayer if kind is nn.TransformerEncoder else nn.TransformerDecoderLayer
        return kind(layer(6, 2, 12, **keywords), 2)
    if kind is nn.Transformer:
        return kind(6, 2, 1, 1, 12, **keywords)
    return kind(6, 2, 12, **keywords)


TRANSFORMERS = [
    nn.Transformer,
    nn.TransformerEncoder,
    nn.TransformerDecoder,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
]


class TwoInputs(nn.Module):
    """A transformer with a decoder sees one input twice."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x):
        return self.inside(x) if "Encoder" in type(self.inside).__name__ else self.inside(x, x)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize("length", [5, 2], ids=["other", "as many as samples"])
@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_transformers_of_torch_are_pooled_and_flattened_over_tokens_whatever_comes_first(kind, length):
    tokens = torch.randn(length, 2, 6)
    model = TwoInputs(attention(kind, dropout=0.0))
    first = TwoInputs(attention(kind, dropout=0.0, batch_first=True))
    first.load_state_dict(model.state_dict())
    expected = first(tokens.transpose(0, 1))
    for tapped, inputs in ((model, tokens), (first, tokens.transpose(0, 1))):
        with FeatureTap(tapped, "inside", pool=True) as tap, FeatureTap(tapped, "inside") as whole:
            tapped(inputs)
            assert_close(tap.features, expected.mean(1))
            assert_close(whole.features, expected.flatten(1))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
def test_layers_inside_of_a_transformer_lie_as_it_does():
    model, tokens = attention(nn.TransformerEncoder, dropout=0.0), torch.randn(2, 2, 6)
    names = ("layers.0", "layers.1.linear1", "layers.1.norm2")
    outputs = {}
    for name in names:
        model.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: outputs.update({name: output})
        )
    with FeatureTap(model, *names, pool=True) as tap:
        model(tokens)
        for name in names:
            assert_close(tap[name], outputs[name].mean(0))
        twin = copy.deepcopy((model, tap))
        twin[0](tokens)
        assert_close(twin[1][names[1]], tap[names[1]])


@pytest.mark.parametrize(
    "layer",
    [
        nn.Sequential(nn.TransformerEncoderLayer(6, 2, 12), nn.LayerNorm(6)),
        Written(nn.TransformerEncoderLayer(6, 2, 12)),
        Written(nn.LSTM(6, 6), lambda both: both[0]),
        Written(nn.GRU(6, 6), lambda both: both[0]),
        nn.Sequential(Written(nn.RNN(6, 6), lambda both: both[0]), nn.Linear(6, 6)),
    ],
    ids=["norm", "transformer", "LSTM", "GRU", "RNN"],
)
def test_what_holds_a_layer_with_samples_second_must_say_where_they_are(layer):
    tokens = torch.randn(4, 4, 6)
    with pytest.raises(ValueError, match=r"^FeatureTap: with pool=True .* \(4, 4, 6\) does not tell\. .* \"LNC\"\.$"):
        pooled(layer, tokens)
    for pool, axis in (("LNC", 0), ("NLC", 1)):
        features, output = pooled(layer, tokens, pool)
        assert_close(features, output.mean(axis))
    last = Written(layer, lambda tokens: tokens[-1])
    assert pooled(last, tokens)[0].shape == (4, 6)


def test_samples_second_are_said_in_letters_of_more_axes_too():
    inputs = torch.randn(2, 3, 4, 5)
    for pool, order in (("HNWC", (1, 3, 0, 2)), ("CNHW", (1, 0, 2, 3)), ("DNCW", (1, 2, 0, 3))):
        features, output = pooled(nn.Identity(), inputs, pool)
        assert_close(features, output.permute(order).flatten(2).mean(2))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_layer_that_returns_several_tensors_is_refused(kind):
    with pytest.raises(ValueError, match=r"^FeatureTap: the layer 0 must return one tensor .* got tuple\. Tap a layer"):
        pooled(kind(6, 6), torch.randn(4, 4, 6))
