"""The models by the names that a user types: each ``model(images) -> (features, logits)``."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from sigma2r._resolve import is_path
from sigma2r._suggest import unknown
from sigma2r.losses._checks import check_count
from sigma2r.models.hub import build_timm, classifiers_of, is_timm
from sigma2r.models.lenet import LeNet
from sigma2r.models.own import build_own_model
from sigma2r.models.resnet18 import ResNet18
from sigma2r.models.weights import load_weights

MODELS = {
    "lenet": "convolutions of 6 and 16, fully connected 120 and 84, PReLU throughout",
    "resnet18": "torchvision's ResNet18; 512 pooled features, or a linear map of them",
    "timm:NAME": "any model of timm, pooled features or a linear map of them; --pretrained or --weights FILE",
}
_FEATURE_DIMS = {"lenet": 84, "resnet18": 512}
_LEAST_IMAGE_SIZE = {"lenet": 8, "resnet18": 16}


def check_model(name: str) -> None:
    """Refuse a model that does not exist; one by a path, or of timm, is not looked at yet.

    Raises:
        ValueError: With the nearest names.
    """
    if name not in _FEATURE_DIMS and not is_timm(name) and not is_path(name):
        raise unknown("model", name, MODELS)


def is_own(name: str) -> bool:
    """Whether a model is one of a user's own, by its path; one of timm is spelled like such a path."""
    return is_path(name) and not is_timm(name)


def default_feature_dim(name: str) -> int | None:
    """D of the model as it was published; None of a model by a path or of timm, which knows it itself."""
    check_model(name)
    return _FEATURE_DIMS.get(name)


def build_model(
    name: str,
    *,
    in_channels: int,
    image_size: int,
    num_classes: int,
    feature_dim: int | None = None,
    pretrained: bool = False,
    weights: Path | None = None,
) -> Any:
    """Build a model with weights from torch's global generator: ``model(images) -> (features, logits)``.

    Args:
        name: One of :data:`MODELS`, or the path of one's own: see :func:`sigma2r.models.own.build_own_model`.
        in_channels: Channels of the images.
        image_size: Pixels a side.
        num_classes: C.
        feature_dim: D; default: the model's own (84, 512, the width of the pooled features of timm).
        pretrained: Of timm: with the weights of its hub.
        weights: Of timm: with the weights of this file.

    Raises:
        ImportError: In one sentence, if timm is wanted and missing.
        ValueError: If the name is unknown, a count is below 1, images are too small for the model, a model of one's own
            does not return features and logits, or weights are not to be had or are of another network.
    """
    dim = default_feature_dim(name) if feature_dim is None else feature_dim
    sizes = {"in_channels": in_channels, "image_size": image_size, "num_classes": num_classes}
    if (pretrained or weights is not None) and not is_timm(name):
        raise ValueError(f"build_model: pretrained and weights are for timm:NAME; got {name}.")
    if is_own(name):
        return build_own_model(name, **sizes, feature_dim=dim)
    check_count("build_model", **sizes, **({} if dim is None else {"feature_dim": dim}))
    if is_timm(name):
        backbone = build_timm(name, **sizes, feature_dim=dim, pretrained=pretrained)
        if weights is not None:
            load_weights(backbone, weights, classifiers_of(name))
        return backbone.to(memory_format=torch.channels_last)
    assert dim is not None
    if image_size < _LEAST_IMAGE_SIZE[name]:
        raise ValueError(
            f"build_model: {name} wants images of at least {_LEAST_IMAGE_SIZE[name]} pixels a side; got {image_size}."
        )
    model: nn.Module = (
        LeNet(in_channels, image_size, num_classes, dim) if name == "lenet" else ResNet18(in_channels, num_classes, dim)
    )
    return model.to(memory_format=torch.channels_last)  # convolutions and pooling on the CPU are faster so
