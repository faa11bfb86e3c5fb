"""torch.export: a program of torch's operations, run by torch alone, without the code that made the network."""

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor
from torch.export import ExportedProgram

from sigma2r.exporting.about import KEY

FILE = f"{KEY}.json"
"""The name of what the file says of itself, among ``extra_files``."""


def refuse_absent() -> None:
    """Nothing but torch is needed."""


def written(program: ExportedProgram, text: str, called: str) -> bytes:
    """The file's content.

    Args:
        program: The graph.
        text: What the file says of itself.
        called: What errors call the network, in which torch has every operation.
    """
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={FILE: text})
    return content.getvalue()


def runs(path: Path) -> Callable[[Tensor], dict[str, Tensor]]:
    """What the file computes of images, on the CPU.

    Args:
        path: Of a file.
    """
    with warnings.catch_warnings(), path.open("rb") as file:
        warnings.simplefilter("ignore")  # of a name with another ending, while it is being written
        run: Callable[[Tensor], dict[str, Tensor]] = torch.export.load(file).module()
    return run


def told(path: Path) -> object:
    """What a file says of itself; None of what is no such file. Nothing of it is run."""
    try:
        with zipfile.ZipFile(path) as archive:
            own = [name for name in archive.namelist() if PurePosixPath(name).parts[-2:] == ("extra", FILE)]
            return archive.read(own[0]) if own else None
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return None
