"""From a checkpoint to what predicts: the network with its weights, the normalisation and the centers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r._checkpoint import UnusableCheckpointError, refuse_other_weights
from sigma2r.data.preprocess import Preprocess
from sigma2r.models import build_model
from sigma2r.studies.run import Run

_MODEL, _PREPROCESS, _CENTERS = "model.", "preprocess.", "criterion.auxiliaries.0.centers"


def preprocess_of(state: Mapping[str, Any]) -> Preprocess:
    """The normalisation by the means and deviations of the training images.

    Raises:
        UnusableCheckpointError: If it is not there, or not finite.
    """
    held = _below(state, _PREPROCESS)
    if held.keys() != {"mean", "std"} or any(value.ndim != 4 for value in held.values()):
        raise UnusableCheckpointError("it does not hold the mean and the deviation of the training images")
    refuse_not_finite(held, _PREPROCESS)
    return Preprocess(held["mean"].flatten(), held["std"].flatten())


def model_of(state: Mapping[str, Any], run: Run, image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    """The network of a run with the weights of a checkpoint, in evaluation mode.

    Torch's random numbers are as before. A network of one's own is imported: the caller has asked whether it may be.

    Raises:
        UnusableCheckpointError: If the weights are of another network, or not finite.
        ValueError: If a network of one's own cannot be built.
        ImportError: In one sentence, if what the network is built from is not installed.
    """
    held = _below(state, _MODEL)
    refuse_not_finite(held, _MODEL)
    channels, side, _ = image_shape
    with torch.random.fork_rng(devices=[]):
        model: nn.Module = build_model(
            run.model, in_channels=channels, image_size=side, num_classes=num_classes, feature_dim=run.feature_dim
        )
    refuse_other_weights(held, model.state_dict())
    if run.precision == "64-true":
        model.double()
    model.load_state_dict(held)
    return model.eval().requires_grad_(False)


def centers_of(state: Mapping[str, Any], run: Run, num_classes: int, feature_dim: int) -> Tensor | None:
    """The learned center of each class, shape ``(C, D)``; None of a loss without.

    What a loss of one's own calls centers counts if it has that shape.

    Raises:
        UnusableCheckpointError: If they are not finite.
    """
    centers = state.get(_CENTERS)
    if not isinstance(centers, Tensor) or centers.shape != (num_classes, feature_dim):
        return None
    refuse_not_finite({"centers": centers}, "")
    return centers.detach().to(torch.promote_types(centers.dtype, torch.float32))


def refuse_not_finite(values: Mapping[str, Tensor], prefix: str) -> None:
    """Refuse weights that hold NaN or infinite numbers.

    Raises:
        UnusableCheckpointError: Naming the first tensor, and how many of its numbers.
    """
    for name, value in values.items():
        if value.is_floating_point() and not (finite := torch.isfinite(value)).all():
            raise UnusableCheckpointError(f"{int((~finite).sum()):,} numbers of {prefix}{name} are NaN or infinite")


def _below(state: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if isinstance(name, str) and name.startswith(prefix) and isinstance(value, Tensor)
    }
