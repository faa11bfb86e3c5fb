"""Weights from a file, for a backbone: tensors and nothing else, of the very layers that it has."""

import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r._absent import AbsentError
from sigma2r._extras import or_which_extra
from sigma2r._places import is_file
from sigma2r._shown import listed
from sigma2r.models.backbone import Backbone

_NESTED = ("state_dict", "model")  # under which training scripts keep them
_PARALLEL = "module."  # before each name, where nn.DataParallel wrote them
_COUNTED = "num_batches_tracked"  # of batch norm, which older files do not have
_SOME = 3  # layers that a message names


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of safetensors or of ``torch.save``, by name; nothing in it is run.

    What the content is decides, not the ending. Of a mapping that holds them under ``state_dict`` or ``model``, those
    are taken, and a ``module.`` before each name is left out.

    Args:
        path: The file.

    Raises:
        ValueError: If there is none, it holds something else than tensors by name, or is damaged.
        ImportError: In one sentence, if it is one of safetensors, and that is missing.
    """
    if not is_file(path):
        raise AbsentError(f"weights: there must be a file of weights at {path}; there is none.")
    with path.open("rb") as file:
        is_safetensors = file.read(9)[8:] == b"{"  # behind the length of its header
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's doubts about a pickle that it then refuses
            found = _safetensors(path) if is_safetensors else torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:  # what torch says then is how to load it unsafely
        raise ValueError(
            f"weights: {path} must hold tensors and nothing else; it holds more, or is no file of torch.save. A file "
            "of safetensors holds tensors alone."
        ) from None
    except ImportError:
        raise
    except Exception as error:  # of safetensors, of zipfile, of torch
        said = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(f"weights: {path} must be a whole file of weights; it cannot be loaded: {said}.") from error
    for key in _NESTED:
        found = found[key] if isinstance(found, Mapping) and isinstance(found.get(key), Mapping) else found
    if not isinstance(found, Mapping) or not found or not all(map(_is_named, found.items())):
        raise ValueError(f"weights: {path} must hold tensors by the names of layers; it holds other things.")
    parallel = all(name.startswith(_PARALLEL) for name in found)
    return {name.removeprefix(_PARALLEL) if parallel else name: value for name, value in found.items()}


def load_weights(model: Backbone, path: Path, classifiers: tuple[str, ...]) -> None:
    """Give a model the weights of a file; its head as well, if the classifier in the file has its very shape.

    Args:
        model: Changed in place.
        path: As :func:`read_weights` takes it.
        classifiers: What the classifier is called in the file, if it has one: ``("fc",)``.

    Raises:
        ValueError: If there is no such file, or it is of another network, in a sentence that says which layers differ.

    Warns:
        UserWarning: If the classifier is left out.
    """
    weights = read_weights(path)
    own = model.backbone.state_dict()
    tops = {name.partition(".")[0] for name in classifiers}
    top = {name: value for name, value in weights.items() if name not in own and name.partition(".")[0] in tops}
    rest = {name: value for name, value in weights.items() if name not in top}
    if odd := _differences(rest, own):
        raise ValueError(f"weights: {path} must hold the weights of this very backbone; {listed(odd)}.")
    model.backbone.load_state_dict({**{k: v for k, v in own.items() if _COUNTED in k}, **rest})
    taken = bool(top) and _take(model.head, top, classifiers)
    if top and not taken:
        classes = {value.shape[0] for name, value in top.items() if name.endswith("weight")}
        warnings.warn(
            f"weights: the classifier of {path} is left out, {', '.join(sorted(top))} for "
            f"{listed([*map(str, sorted(classes))], 'or')} classes; the head for {model.head.out_features} classes and "
            f"{model.feature_dim} features starts anew.",
            stacklevel=2,
        )
    model.started_from = {"sha256": sha256_of(path), "classifier": taken}


def sha256_of(path: Path) -> str:
    """What a file holds, in 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _safetensors(path: Path) -> Any:
    with or_which_extra("a file of weights in .safetensors"):
        from safetensors.torch import load_file

    return load_file(path)


def _is_named(item: tuple[Any, Any]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Tensor)


def _take(head: nn.Linear, top: Mapping[str, Tensor], classifiers: tuple[str, ...]) -> bool:
    """Load a classifier into a head of its shape; whether it had that."""
    wanted = {f"{name}.{key}": value.shape for name in classifiers for key, value in head.state_dict().items()}
    if {name: value.shape for name, value in top.items()} != wanted or len(classifiers) != 1:
        return False
    head.load_state_dict({name.rpartition(".")[2]: value for name, value in top.items()})
    return True


def _differences(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """Which layers differ, in half sentences; nothing if none does."""
    missing = [name for name in own if name not in found and _COUNTED not in name]
    foreign = sorted((name for name in found if name not in own), key=lambda name: _COUNTED in name)  # counts last
    other = [name for name in own if name in found and found[name].shape != own[name].shape]
    shapes = [f"{name} {tuple(found[name].shape)} and not {tuple(own[name].shape)}" for name in other]
    said = (("it lacks", missing), ("it has", foreign), ("it has in another shape", shapes))
    return [f"{verb} {_some(names)}" for verb, names in said if names]


def _some(names: list[str]) -> str:
    more = len(names) - _SOME
    return ", ".join(names[:_SOME]) + (f" and {more} more" if more > 0 else "")
