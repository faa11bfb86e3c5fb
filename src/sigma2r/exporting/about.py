"""What an exported file says of itself, as JSON: class names, what images it takes, what it gives, thresholds."""

import json
import math
import warnings
from typing import Any

from torch import Tensor

from sigma2r import __version__
from sigma2r.exporting.graph import BATCH, IMAGES
from sigma2r.trained.trained import Trained

KEY = "sigma2r"
"""The key under which ONNX holds it; torch.export has a file of that name, with ``.json``."""
SCHEMA = 1
_COLOURS = {1: "gray", 3: "RGB"}


def about(trained: Trained) -> dict[str, Any]:
    """All that a program needs which has nothing but the file.

    Names of files and folders are left out: they are of the machine that trained.

    Args:
        trained: The run.

    Warns:
        UserWarning: If its rejector has no description that JSON could hold.
    """
    channels, height, width = trained.frame.image_shape
    count, dim = len(trained.class_names), trained.feature_dim
    outputs = {"features": [BATCH, dim], "logits": [BATCH, count], "probabilities": [BATCH, count]}
    if trained.centers is not None:
        outputs["distances"] = [BATCH, count]
    return {
        "schema": SCHEMA,
        "version": __version__,
        "run_id": trained.record.run_id,
        "epoch": trained.epoch,
        "class_names": list(trained.class_names),
        "input": {
            "name": IMAGES,
            "dtype": "uint8",
            "shape": [BATCH, channels, height, width],
            "channels": _COLOURS.get(channels, channels),
            "resize": trained.frame.resize,
            "pixel_range": trained.frame.pixel_range and list(trained.frame.pixel_range),
        },
        "outputs": outputs,
        "distances": _distances(trained),
        "rejection": rejection(trained.rejector),
    }


def _distances(trained: Trained) -> str | None:
    if trained.centers is None:
        return None
    of = "features of unit length" if trained.record.run.loss_options.get("normalize") else "features"
    return f"Euclidean, from {of} to the learned center of each class"


def rejection(rejector: Any) -> dict[str, Any] | None:
    """The thresholds of a rejector that tells its state, as :class:`~sigma2r.evaluation.Rejector` does; None where there is none.

    A score that is at least the threshold is accepted; the threshold of a class is None where that of all counts.

    Args:
        rejector: Of the run, or None.

    Warns:
        UserWarning: If it does not tell its state.
    """
    if rejector is None:
        return None
    if not hasattr(rejector, "state"):
        warnings.warn(
            f"export: thresholds are kept of a rejector that tells its state; {type(rejector).__name__} does not, so "
            "the file has none.",
            stacklevel=4,
        )
        return None
    tensors, description = rejector.state()
    held = {name: _numbers(tensors[name]) for name in ("threshold", "class_thresholds")}
    return {**description, **held, "says": rejector.describe()}


def _numbers(tensor: Tensor) -> Any:
    """A tensor's numbers as JSON has them: NaN and infinities are null."""
    values = tensor.detach().double().cpu()
    if not values.ndim:
        return _number(float(values))
    return [_number(value) for value in values.tolist()]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def as_json(told: dict[str, Any]) -> str:
    """The text that the file holds: letters of all scripts as ASCII spells them, so that every reader has them."""
    return json.dumps(told, allow_nan=False)


def from_json(text: object) -> dict[str, Any]:
    """What a text says; nothing, if it is none of ours."""
    try:
        told = json.loads(text) if isinstance(text, (str, bytes)) else None
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
