"""What an exported file says of itself, as JSON: class names, what images it takes, what it gives, thresholds."""

import json
import math
from typing import Any

from torch import Tensor

from sigma2r import __version__
from sigma2r.evaluation import Rejector
from sigma2r.exporting.graph import BATCH, IMAGES
from sigma2r.trained.trained import Trained

KEY = "sigma2r"
"""The key under which ONNX holds it; torch.export has a file of that name, with ``.json``."""
SCHEMA = 1
_COLOURS = {1: "gray", 3: "RGB"}
_UNLESS_ADDED = "; but that of the smallest distance where it is an added one"


def about(trained: Trained) -> dict[str, Any]:
    """All that a program needs which has nothing but the file.

    Names of files and folders are left out: they are of the machine that trained.

    Args:
        trained: The run.
    """
    channels, height, width = trained.frame.image_shape
    count = len(trained.record.class_names)
    outputs = {"features": [BATCH, trained.feature_dim], "logits": [BATCH, count], "probabilities": [BATCH, count]}
    if trained.centers is not None:
        outputs["distances"] = [BATCH, len(trained.class_names)]
    if trained.rejector is not None:
        outputs |= {"scores": [BATCH], "accepted": [BATCH]}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "run_id": trained.record.run_id,
        "epoch": trained.epoch,
        "class_names": list(trained.class_names),
        "added": list(trained.added),
        "class": "that of the largest logit" + (_UNLESS_ADDED if trained.added else ""),
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
        "rejection": None if trained.rejector is None else rejection(trained.rejector),
    }


def _distances(trained: Trained) -> str | None:
    if trained.centers is None:
        return None
    of = "features of unit length" if trained.has_unit_features else "features"
    return f"Euclidean, from {of} to the center of each class"


def rejection(rejector: Rejector) -> dict[str, Any]:
    """The thresholds of a rejector, its score with the settings, and what it promises in words.

    A score that is at least the threshold is accepted; the threshold of a class is None where that of all counts.

    Args:
        rejector: Of the run, by a score that has a name.
    """
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
