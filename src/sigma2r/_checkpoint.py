"""Reading what a training keeps, without running anything that a file says and without what trains."""

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

HISTORY = "History"
"""The part among the callbacks that says which training a checkpoint is of."""


class UnusableCheckpointError(ValueError):
    """A checkpoint is damaged, or is not of what it is wanted for: why, as the rest of a sentence."""


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """What a checkpoint holds: tensors, numbers, texts, and lists and mappings of them; on the CPU.

    Its bytes must be those that were written: a zip file knows its checksums.

    Raises:
        UnusableCheckpointError: If it is damaged, or names anything else than these.
        OSError: If it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused or read all the same
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:  # what torch says then is how to load it unsafely
        raise UnusableCheckpointError("it holds something else than tensors and numbers") from None
    except OSError:
        raise
    except Exception as error:  # whatever the parsers of a zip file and of a pickle stumble over
        said = str(error).partition("\n")[0]
        raise UnusableCheckpointError(f"it cannot be loaded ({said})") from error
    if damaged is not None:
        raise UnusableCheckpointError(f"its content is not what was written: the checksum of {damaged} differs")
    if not isinstance(checkpoint, dict):
        raise UnusableCheckpointError(f"it holds a {type(checkpoint).__name__} and no checkpoint")
    return checkpoint


def part_of(values: Mapping[str, Any], name: str, kind: type) -> Any:
    """A part of a checkpoint.

    Raises:
        UnusableCheckpointError: If it is not there, or of another kind.
    """
    if not isinstance(values.get(name), kind):
        raise UnusableCheckpointError(f"its part {name} is missing")
    return values[name]


def refuse_other_weights(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse weights that do not fit.

    Args:
        found: What a checkpoint holds, by name.
        wanted: What a module would hold.

    Raises:
        UnusableCheckpointError: Naming the first that have another shape or name.
    """
    shapes = [{name: getattr(value, "shape", None) for name, value in values.items()} for values in (found, wanted)]
    if shapes[0] != shapes[1]:
        odd = sorted(name for name in {*found, *wanted} if shapes[0].get(name) != shapes[1].get(name))
        raise UnusableCheckpointError(f"it holds weights of another shape or name: {', '.join(map(str, odd[:3]))}")
