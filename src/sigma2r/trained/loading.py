"""From a run's folder to what was trained: ``load(folder) -> Trained``. Nothing that a file holds is run."""

import warnings
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from sigma2r._checkpoint import HISTORY, UnusableCheckpointError, part_of, read_checkpoint
from sigma2r._places import is_file, is_folder
from sigma2r._resolve import source_of
from sigma2r._shown import shown as told
from sigma2r._suggest import unknown
from sigma2r._values import converted
from sigma2r.data.names import shown
from sigma2r.data.resize import Resize
from sigma2r.models import is_own
from sigma2r.studies.record import RECORD_FILE, Record
from sigma2r.studies.run import Run
from sigma2r.studies.where import find_device
from sigma2r.trained.frame import Frame, Scaling
from sigma2r.trained.rejection import stored_rejector
from sigma2r.trained.shape import image_shape_of
from sigma2r.trained.trained import Trained
from sigma2r.trained.trust import ask_for_own_code
from sigma2r.trained.weights import centers_of, model_of, preprocess_of

CHECKPOINTS = ("last", "best")
_DESCRIPTION = "run.json"


def load(
    folder: str | PathLike[str],
    checkpoint: str = "last",
    device: str | torch.device | None = None,
    *,
    resize: Scaling | None = None,
    own_code: bool = False,
    rejector: bool = True,
) -> Trained:
    """A trained run, ready for images; the data that it was trained on need not be there.

    The description is JSON, and of a checkpoint only tensors, numbers and texts are read: no file is run as code. A
    network of one's own is a path to code, which the record of a run names; it is imported only if that is asked for.

    Args:
        folder: Of a run, as ``sigma2r train`` leaves it.
        checkpoint: ``"last"``, of the last epoch, or ``"best"``, of the epoch with the highest accuracy on the images
            for validation.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; default: the fastest that is there.
        resize: What becomes of an image of another size: ``"crop"`` scales it until the shorter side fits and takes the
            middle, ``"stretch"`` scales each side by itself, ``"refuse"`` makes it one that cannot be read. Default: as
            in the training, which refused it unless an ``image_size`` was given.
        own_code: Import the network of one's own that the record names. It runs: trust whoever gave you the folder.
        rejector: Read the rejector that :func:`~sigma2r.trained.fit_rejector` has stored for these weights, if it has.

    Raises:
        ValueError: In one sentence, if there is no such folder, or it holds no run, one that has not finished or has
            diverged, no such checkpoint, one that is damaged or hostile, or weights that do not fit or are not finite;
            if a rejector is there that is damaged, hostile, or of other weights; or the device is not there.
        ImportError: In one sentence, if what the network is built from is not installed.

    Example:
        >>> load("nowhere")
        Traceback (most recent call last):
        ValueError: load: nowhere must be the folder of a run; there is no such folder.
    """
    if not isinstance(folder, (str, PathLike)):
        raise ValueError(f"load: folder must be the path of a run's folder; got {told(folder)}.")
    root = Path(folder)
    record = _record(root)
    run = record.run
    path = _checkpoint(root, record, checkpoint)
    where = find_device("auto" if device is None else str(device), "load")
    scaling = converted("load", "resize", Scaling | None, resize)
    wants_rejector = converted("load", "rejector", bool, rejector)
    _ask_for_own_code(record, converted("load", "own_code", bool, own_code))
    try:
        held = read_checkpoint(path)
        epoch = _epoch(held, record, checkpoint)
        state = part_of(held, "state_dict", dict)
        preprocess = preprocess_of(state)
        shape = image_shape_of(record, preprocess.mean, root / RECORD_FILE)
        channels = preprocess.mean.numel()
        if shape[0] != channels and not (run.starts_from_weights and shape[0] == 1):  # gray stands for all colours
            raise UnusableCheckpointError(f"it is of images of {channels} channels, and the record of {shape[0]}")
        model: Any = model_of(state, run, (channels, *shape[1:]), len(record.class_names))
        centers = centers_of(state, run, len(record.class_names), model.feature_dim)
    except UnusableCheckpointError as error:
        raise ValueError(f"load: {shown(path)} must be a checkpoint of {shown(root)}; {error}.") from error
    trained = Trained(
        record=record,
        model=model.to(where),
        preprocess=preprocess.to(where),
        frame=Frame(shape, _resize(run), run.pixel_range).scaled(scaling),
        centers=None if centers is None else centers.to(where),
        epoch=epoch,
    )
    if wants_rejector:
        trained.rejector = stored_rejector(root, checkpoint, trained)
    return trained


def _resize(run: Run) -> Resize | None:
    """How an image of another size was scaled in the training; None where it was refused."""
    return None if run.image_size is None else run.resize or "stretch"


def _record(root: Path) -> Record:
    """The record of the run; a folder that holds none is told from one whose training has not ended."""
    if root.is_file():
        raise ValueError(f"load: {shown(root)} must be the folder of a run; it is a file. Give the folder it lies in.")
    if not is_folder(root):
        raise ValueError(f"load: {shown(root)} must be the folder of a run; there is no such folder.")
    if not is_file(root / RECORD_FILE):
        if is_file(root / _DESCRIPTION):
            raise ValueError(
                f"load: the run of {shown(root)} must have finished; it has no {RECORD_FILE} yet. The command that "
                "began it goes on."
            )
        below = sorted(path.parent for path in root.glob(f"**/{RECORD_FILE}"))
        has = f" It has {len(below)} below it, such as {shown(below[0])}." if below else ""
        raise ValueError(f"load: {shown(root)} must be the folder of a run; it holds no {RECORD_FILE}.{has}")
    record = Record.read(root / RECORD_FILE)
    if record.diverged is not None:
        raise ValueError(f"load: the run of {shown(root)} must not have diverged; its record says: {record.diverged}")
    return record


def _checkpoint(root: Path, record: Record, name: str) -> Path:
    if name not in CHECKPOINTS:
        raise unknown("checkpoint", name, CHECKPOINTS)
    if name == "best" and "validation" not in record.counts:
        raise ValueError(
            f"load: the best checkpoint is chosen on images for validation; the run of {shown(root)} had none. Take "
            'checkpoint "last", or train with --validation_fraction 0.1.'
        )
    path = root / "checkpoints" / f"{name}.ckpt"
    if not is_file(path):
        raise ValueError(
            f"load: {shown(root)} must hold checkpoints/{name}.ckpt; it is not there. Was the record copied alone? The "
            "weights lie in the folder that the run was trained in."
        )
    return path


def _epoch(held: Any, record: Record, name: str) -> int:
    """After which epoch the checkpoint was kept, once it is one of this run."""
    of = part_of(part_of(held, "callbacks", dict), HISTORY, dict).get("of")
    if of != record.run_id:
        raise UnusableCheckpointError(f"it is of the training {of}, and not of {record.run_id}")
    epoch = int(part_of(held, "epoch", int)) + 1
    last = len(record.history)  # before the run's epochs are over, if its patience was
    if name == "last" and epoch != last:
        raise UnusableCheckpointError(f"it ends after epoch {epoch}, and the run after {last}")
    return epoch


def _ask_for_own_code(record: Record, own_code: bool) -> None:
    ask_for_own_code("load", record.run, own_code, "model")
    model = record.run.model
    if is_own(model) and source_of(model) != (record.code or {}).get(model, source_of(model)):
        warnings.warn(
            f"load: the code of {shown(model)} has changed since the run was trained; its weights are of what it was.",
            stacklevel=3,
        )
