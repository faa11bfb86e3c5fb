"""An audit of a run's own images, or of others by a run: ``audit(folder) -> Findings``."""

import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from sigma2r._values import Count, Positive, converted
from sigma2r.audit.beside import is_installed, refuse_absent
from sigma2r.audit.findings import NEIGHBORS, Findings, find
from sigma2r.audit.folds import NEVER, assign_folds
from sigma2r.audit.held_out import HeldOut, Network, held_out_by_folds, judged_by, known_by
from sigma2r.audit.images import images_of_source, images_of_splits, joined
from sigma2r.audit.near import NEAR
from sigma2r.data.names import shown
from sigma2r.data.splits import Split
from sigma2r.evaluation import ClassPrototypes
from sigma2r.studies.apart import refuse_within_data
from sigma2r.studies.record import Record
from sigma2r.studies.where import Where
from sigma2r.trained import Predictions, Trained, load
from sigma2r.trained.own_images import moved, others_than_then, own_splits
from sigma2r.trained.predictions import NO_CLASS
from sigma2r.trained.trust import ask_for_own_code

Say = Callable[[str], None]


def audit(
    folder: str | PathLike[str],
    data: Any = None,
    *,
    folds: int = 5,
    out: Path | None = None,
    checkpoint: str = "last",
    split: str | None = None,
    dataset: str | None = None,
    near: float = NEAR,
    neighbors: int = NEIGHBORS,
    cleanlab: bool | None = None,
    own_code: bool = False,
    where: Where | None = None,
    say: Say = lambda sentence: None,
) -> Findings:
    """What may be wrong with images and their labels; nothing of them is moved, changed or deleted.

    Without ``data``, the images that the run was trained, validated and tested on. Training images are judged by
    networks that were not trained on them: the run's own description, trained once for each fold on the images of all
    others. Test and validation images are judged by the run's own network, which did not see them either.

    With ``data``, these images, by the run's own network; nothing is trained. They are held against the run's images,
    so that what it was trained on is found among them.

    Args:
        folder: Of a run, as ``sigma2r train`` leaves it.
        data: A path, a data set or images in memory, as :class:`~sigma2r.trained.Trained` takes them; a folder of class
            folders gives labels. Default: the run's own.
        folds: Networks that are trained; each image is held out by one of them.
        out: Where they are kept, so that the next audit finds them; default: ``audit`` within the run's folder.
        checkpoint: ``"last"`` or ``"best"``: which weights of the run judge.
        split: Of a data set in ``data``; default: ``"test"``.
        dataset: Where the run's data lie now; default: where they were.
        near: How much nearer than usual two images are that count as nearly the same.
        neighbors: Which neighbour's distance makes an outlier.
        cleanlab: Ask cleanlab, too; default: if it is installed.
        own_code: Import the network, data set and loss of one's own that the record names: trust whoever gave you the
            folder.
        where: Device, and where data sets lie.
        say: Told what is done, before it is.

    Raises:
        ValueError: In one sentence, if the run, the images or a number cannot be used.
        ImportError: In one sentence, if cleanlab is asked for and missing.
        TrainingDivergedError: If the features of a fold stop being finite.
        OSError: If files cannot be written.
    """
    folds, neighbors = converted("audit", "folds", Count, folds), converted("audit", "neighbors", Count, neighbors)
    near = converted("audit", "near", Positive, near)
    where = where or Where()
    if cleanlab:
        refuse_absent()
    trained = load(folder, checkpoint, where.device, own_code=own_code)
    ask_for_own_code("audit", trained.record.run, own_code, "data set", *(["loss"] if data is None else []))
    how: dict[str, Any] = {"near": near, "neighbors": neighbors, "cleanlab": is_installed() and cleanlab is not False}
    record = moved(trained.record, dataset)
    if data is not None:
        return _of_others(trained, record, data, split, where, own_code, how)
    if split is not None:
        raise ValueError(f"audit: split must be left out, unless data names a data set; got {shown(split)}.")
    kept = Path(folder) / "audit" if out is None else out
    refuse_within_data([record.run], where.data_dir, [kept])
    return _of_its_own(trained, record, folds, kept / "folds", where, own_code, how, say)


def _of_its_own(
    trained: Trained,
    record: Record,
    folds: int,
    folder: Path,
    where: Where,
    own_code: bool,
    how: dict[str, Any],
    say: Say,
) -> Findings:
    run = trained.record.run
    splits = own_splits("audit", record, where, own_code=own_code)
    _refuse_others(record, splits)
    images = images_of_splits(record.run.dataset, splits)
    assigned = assign_folds(splits["train"].labels, folds, run.data_seed)
    outputs = held_out_by_folds(run, splits, assigned, folder, where, say)
    network = _network(trained)
    known = known_by(network, splits["train"], where)
    for name, part in splits.items():
        if name != "train" and len(part):
            say(f"The run's own network judges the {len(part):,} {name} images.")
            outputs.append(judged_by(network, known, part, where, rows=images.of_split(name)))
    alone = (assigned == NEVER).nonzero().flatten().tolist()
    return find(images, outputs, alone=alone, **how)


def _of_others(
    trained: Trained, record: Record, data: Any, split: str | None, where: Where, own_code: bool, how: dict[str, Any]
) -> Findings:
    source = trained.source(data, split=split, data_dir=where.data_dir, download=where.download)
    said = Predictions.joined(list(trained.stream(source, workers=where.workers)))
    rows = [row for row in range(len(said)) if row not in said.problems]
    if not rows:
        raise ValueError(f"audit: there must be an image that can be read; {next(iter(said.problems.values()))}")
    targets, features, logits = said.targets[rows], said.features[rows], said.logits[rows]
    images = images_of_source(source, trained.frame, rows, targets, trained.class_names)
    splits = _own_splits(record, where, own_code)
    if splits is not None:
        known = known_by(_network(trained), splits["train"], where)
        centers, there = known.centers.cpu().to(features), known.count.cpu() > 0
    else:
        centers, there = _centers_without_data(trained, features, targets)
    held = HeldOut(rows=torch.arange(len(rows)), features=features, logits=logits, centers=centers, known=there)
    own = None if splits is None else images_of_splits(record.run.dataset, splits)
    unread = {source.names[row]: why for row, why in said.problems.items()}
    return find(images if own is None else joined(images, own), [held], unread=unread, **how)


def _centers_without_data(
    trained: Trained, features: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """What stands for the means of the training images where these are not there: learned centers, or means here."""
    if trained.centers is not None and not trained.record.run.loss_options.get("normalize"):
        return trained.centers.cpu().to(features), torch.ones(len(trained.class_names), dtype=torch.bool)
    has = targets != NO_CLASS
    if not has.any():
        return torch.zeros(len(trained.class_names), features.shape[1]).to(features), torch.zeros(
            len(trained.class_names), dtype=torch.bool
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes without images are told by their count
        means = ClassPrototypes.fit(features[has], targets[has], num_classes=len(trained.class_names))
    return means.centers.to(features), means.count > 0


def _network(trained: Trained) -> Network:
    return Network(trained.model, trained.preprocess, trained.record.run.precision)


def _own_splits(record: Record, where: Where, own_code: bool) -> dict[str, Split] | None:
    """The images of the run, where they are there; they need not be."""
    try:
        splits = own_splits("audit", record, where, own_code=own_code)
    except (ValueError, OSError) as error:
        warnings.warn(
            f"audit: the images that the run was trained on cannot be read, so nothing is held against them: {error}",
            stacklevel=4,
        )
        return None
    if others := others_than_then(record, splits):
        warnings.warn(
            f"audit: the {' and '.join(others)} images of {shown(record.run.dataset)} are others now than the "
            "run's record tells; others are held against them as they are.",
            stacklevel=4,
        )
    return splits


def _refuse_others(record: Record, splits: dict[str, Split]) -> None:
    """Refuse images that are not those of the training: its network may have seen what is in another split now."""
    for name in others_than_then(record, splits):
        raise ValueError(
            f"audit: the images must be those that the run was trained on; the {name} images of "
            f"{shown(record.run.dataset)} are others now. Train on them as they are and audit that run, or "
            "audit them by this one, with --data."
        )
