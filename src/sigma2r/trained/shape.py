"""The shape of the images that a run was trained on: its record tells, or the data set, or the weights do."""

from pathlib import Path

from torch import Tensor

from sigma2r.data.registry import FOLDER
from sigma2r.studies.record import Record

_SHAPES = {"fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32), "cifar100": (3, 32, 32), "fuzzy-rgb": (3, 32, 32)}


def image_shape_of(record: Record, mean: Tensor, path: Path) -> tuple[int, int, int]:
    """Channels, height and width.

    Args:
        record: Of the run. One from before it told the shape tells it where the data set has one shape, or where images
            were scaled.
        mean: Of each channel, as the checkpoint holds it.
        path: The record's, for the error.

    Raises:
        ValueError: If an old record does not tell.
    """
    channels, run = mean.numel(), record.run
    if record.image_shape is not None:
        return record.image_shape
    if run.image_size is not None and (run.dataset in _SHAPES or run.dataset.startswith(FOLDER)):
        return channels, run.image_size, run.image_size
    if run.dataset in _SHAPES:
        return _SHAPES[run.dataset]
    raise ValueError(
        f"load: {path} must tell the size of the images that the network was trained on; it is from before records "
        f'told, and {run.dataset} has no size of its own. Write it there, as "image_shape": [{channels}, HEIGHT, '
        "WIDTH], or train again."
    )
