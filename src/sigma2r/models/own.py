"""Models of a user's own, by the path of what builds them."""

from typing import Any

import torch
from torch import Tensor, nn

from sigma2r._call import broken, call_own
from sigma2r._resolve import resolve
from sigma2r.models.modes import evaluating


def build_own_model(path: str, *, in_channels: int, image_size: int, num_classes: int, feature_dim: int | None) -> Any:
    """The model that a path names, called with those of the keywords that it takes; it gets ``feature_dim``.

    Args:
        path: ``package.module:Name`` of a class or function that returns ``model(images) -> (features, logits)``.
        in_channels: Channels of the images.
        image_size: Pixels a side.
        num_classes: C.
        feature_dim: D; None leaves it to the model.

    Raises:
        ValueError: If there is no such thing, or what it gives is no model with features and logits.
    """
    build = resolve("model", path)
    if not callable(build):
        raise ValueError(f"{path}: a model must be a class or a function that returns one; got {build!r}.")
    sizes = {"in_channels": in_channels, "image_size": image_size, "num_classes": num_classes}
    model = call_own(path, function=build, **sizes, **({} if feature_dim is None else {"feature_dim": feature_dim}))
    if not isinstance(model, nn.Module):
        raise ValueError(f"{path}: a model must be a torch.nn.Module; got {type(model).__name__}.")
    dim = _looked_at(path, model, torch.zeros(2, in_channels, image_size, image_size), num_classes)
    if feature_dim not in (None, dim):
        raise ValueError(f"{path}: the model must have feature_dim {feature_dim}, as the run says; it has {dim}.")
    if getattr(model, "feature_dim", None) != dim:
        try:
            model.feature_dim = dim  # type: ignore[assignment]
        except AttributeError:
            raise ValueError(
                f"{path}: feature_dim of the model must be {dim}, the width of its features; it says "
                f"{model.feature_dim}."
            ) from None
    return model


@torch.no_grad()
def _looked_at(path: str, model: nn.Module, images: Tensor, num_classes: int) -> int:
    """D of a model, from what it makes of two black images."""
    try:
        with evaluating(model):
            outputs = model(images)
    except Exception as error:  # whatever the code of a user raises
        raise broken(f"{path}: a model must take images of shape {tuple(images.shape)}; calling it", error) from error
    pair = isinstance(outputs, (tuple, list)) and len(outputs) == 2
    if not (pair and all(isinstance(each, Tensor) and each.ndim == 2 for each in outputs)):
        raise ValueError(
            f"{path}: a model must return features (N, D) and logits (N, C), as in return features, head(features); "
            f"got {_told(outputs)}."
        )
    features, logits = outputs
    if tuple(logits.shape) != (2, num_classes) or features.shape[0] != 2:
        raise ValueError(
            f"{path}: a model must return features (N, D) and then logits (N, {num_classes}); of two images it "
            f"returned {tuple(features.shape)} and {tuple(logits.shape)}."
        )
    return int(features.shape[1])


def _told(outputs: object) -> str:
    if isinstance(outputs, Tensor):
        return f"one tensor of shape {tuple(outputs.shape)}"
    if isinstance(outputs, (tuple, list)):
        return f"{len(outputs)} things: {', '.join(map(_told, outputs))}"
    return f"a {type(outputs).__name__}"
