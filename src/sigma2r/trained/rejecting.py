"""From a run's folder to a rejector that is kept there: ``fit_rejector(folder) -> Trained``."""

import warnings
from os import PathLike
from pathlib import Path

import torch

from sigma2r._values import Count, Natural, converted
from sigma2r.studies.where import Where
from sigma2r.trained.loading import load
from sigma2r.trained.rejection import DEFAULT_SCORE, refuse_without_validation, rejector_of, store_rejector
from sigma2r.trained.trained import Trained


def fit_rejector(
    folder: str | PathLike[str],
    checkpoint: str = "last",
    device: str | torch.device | None = None,
    *,
    score: str = DEFAULT_SCORE,
    false_rejects: float = 0.05,
    thresholds: str = "common",
    k: int | None = None,
    dataset: str | None = None,
    data_dir: Path | str | None = None,
    download: bool = False,
    workers: int = 0,
    batch_size: int = 256,
    own_code: bool = False,
) -> Trained:
    """Set by the run's validation images alone which images are of its classes, and keep that in the run's folder.

    From then on :func:`sigma2r.load` gives a run that says of each image whether it is accepted. The rejector lies
    beside the weights that it is of, as tensors and texts; an older one is replaced.

    Args:
        folder: Of a run.
        checkpoint: ``"last"`` or ``"best"``; each has a rejector of its own.
        device: As :func:`sigma2r.load` takes it.
        score: ``"center-distance"``, by the centers that the loss learned or, if it learned none, the means of the
            training features; ``"mahalanobis"`` or ``"nearest-neighbors"``, by the training features; ``"max-softmax"``
            or ``"energy"``, by the logits. See :class:`~sigma2r.evaluation.Rejector`.
        false_rejects: Which share of images of the known classes may be rejected, in (0, 1).
        thresholds: ``"common"`` or ``"per-class"``.
        k: Of ``"nearest-neighbors"``, and of no other score: which neighbour; default: 50.
        dataset: Where the run's data lie now; default: where they were. They must be the same images.
        data_dir: Folder of a data set's files.
        download: Fetch a data set if it is nowhere to be found.
        workers: Processes that decode images which do not fit into memory.
        batch_size: Images at a time.
        own_code: Import the network and the data set of one's own that the record names.

    Returns:
        The run with its rejector.

    Raises:
        ValueError: In one sentence, if the run cannot be loaded, has no validation images or too few, its data are not
            there or are others than then, or the score cannot be fitted.
        OSError: If the folder cannot be written to.

    Warns:
        UserWarning: If the weights were chosen on the same images.
    """
    trained = load(folder, checkpoint, device, own_code=own_code, rejector=False)
    refuse_without_validation(trained)
    where = Where(
        data_dir=None if data_dir is None else Path(data_dir),
        download=converted("rejector", "download", bool, download),
        workers=converted("rejector", "workers", Natural, workers),
    )
    rejector = rejector_of(
        trained,
        score=score,
        false_rejects=false_rejects,
        thresholds=thresholds,
        k=converted("rejector", "k", Count | None, k),
        dataset=dataset,
        where=where,
        batch_size=converted("rejector", "batch_size", Count, batch_size),
        own_code=own_code,
    )
    if checkpoint == "best":
        warnings.warn(
            "rejector: the best weights were chosen on the images that set the threshold, so a few more than "
            "false_rejects may be rejected.",
            stacklevel=2,
        )
    store_rejector(Path(folder), checkpoint, trained, rejector)
    trained.rejector = rejector.to("cpu" if trained.device.type == "mps" else trained.device)
    return trained
