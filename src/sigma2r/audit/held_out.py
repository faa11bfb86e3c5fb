"""What networks say of images that they were not trained on: by k folds, each the run's own description.

Axes: N images, M of them held out by one network, C classes, D feature dimensions.
"""

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sigma2r._checkpoint import UnusableCheckpointError, read_checkpoint
from sigma2r._files import set_aside, write_whole
from sigma2r._places import is_file
from sigma2r.data.fingerprint import fingerprint
from sigma2r.data.loaders import in_order, make_batches
from sigma2r.data.preprocess import Preprocess
from sigma2r.data.splits import Split
from sigma2r.evaluation import ClassPrototypes
from sigma2r.studies.fit import Fitted, fit
from sigma2r.studies.run import Run
from sigma2r.studies.where import Where, find_device
from sigma2r.trained.forward import outputs_of, precision_of
from sigma2r.training import Files

_BATCH = 500
_FILE = "held-out.pt"


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The outputs of one network for images that it was not trained on.

    Args:
        rows: Which images, shape ``(M,)``, increasing.
        features: Shape ``(M, D)``.
        logits: Shape ``(M, C)``.
        centers: The mean feature of each class over the images that the network was trained on, shape ``(C, D)``.
        known: Which classes it was trained on, shape ``(C,)``.
    """

    rows: Int[Tensor, " M"]
    features: Float[Tensor, "M D"]
    logits: Float[Tensor, "M C"]
    centers: Float[Tensor, "C D"]
    known: Tensor


@dataclass(frozen=True)
class Network:
    """What is asked: ``model(preprocess(images)) -> (features, logits)``.

    Args:
        model: On any device.
        preprocess: From uint8 images to what it sees.
        precision: Lightning's name of its arithmetic.
    """

    model: nn.Module
    preprocess: Preprocess
    precision: str


def held_out_by_folds(
    run: Run,
    splits: Mapping[str, Split],
    folds: Int[Tensor, " N"],
    folder: Path,
    where: Where,
    say: Callable[[str], None] = lambda sentence: None,
) -> list[HeldOut]:
    """Train the run once for each fold, on the training images of all others, and let it judge those of that fold.

    What a network said is kept, and a training that was interrupted goes on, in a folder that the run, the images,
    their labels and the folds decide: with others, another folder is begun.

    Args:
        run: What is trained, with its own first weights and order of images in every fold.
        splits: ``train``, whose images are judged, and perhaps ``validation``, which is as in the run.
        folds: The fold of each image of ``train``, shape ``(N,)``; see :func:`~sigma2r.audit.folds.assign_folds`.
        folder: Where files are kept.
        where: Device and workers.
        say: Told what is done, before it is.

    Returns:
        One for each fold; ``rows`` are positions within ``train``.

    Raises:
        TrainingDivergedError: If features stop being finite.
        OSError: If files cannot be written.
    """
    training = splits["train"]
    count = int(folds.max()) + 1
    name = _name_of(run, training, folds)
    quiet = replace(run, measure_every=0)  # the last epoch's figures are enough
    outputs = []
    for number in range(count):
        rows, others = ((folds == number).nonzero().flatten(), (folds != number).nonzero().flatten())
        its = folder / name / f"fold-{number + 1}-of-{count}"
        path, of = its / _FILE, f"{name}, fold {number + 1} of {count}"
        held = _kept(path, of)
        if held is None:
            say(f"Fold {number + 1} of {count}: training on {len(others):,} images, {len(rows):,} are held out.")
            parts = {
                **splits,
                "train": Split(training.data, training.indices[others]),
                "test": Split(training.data, training.indices[rows]),
            }
            fitted = _fit(quiet, where, Files(its / "last.ckpt", its / "best.ckpt", its / "logs"), parts, of)
            network = Network(fitted.model, fitted.preprocess, run.precision)
            held = judged_by(network, known_by(network, parts["train"], where), parts["test"], where, rows=rows)
            _keep(path, held, of)
        outputs.append(held)
    return outputs


def judged_by(
    network: Network, known: ClassPrototypes, judged: Split, where: Where, *, rows: Int[Tensor, " M"]
) -> HeldOut:
    """What a network says of images that it was not trained on.

    Args:
        network: The network.
        known: The means of the classes over the images that it was trained on: see :func:`known_by`.
        judged: The others.
        where: Device and workers.
        rows: What they are called, shape ``(M,)``.
    """
    features, logits = outputs_on(network, judged, where)
    centers = known.centers.cpu().to(features.dtype)
    return HeldOut(rows=rows, features=features, logits=logits, centers=centers, known=known.count.cpu() > 0)


def known_by(network: Network, training: Split, where: Where) -> ClassPrototypes:
    """The mean feature of each class over the images that a network was trained on."""
    features, _ = outputs_on(network, training, where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes without images are told by their count
        return ClassPrototypes.fit(features, training.labels, num_classes=len(training.data.class_names))


def outputs_on(network: Network, split: Split, where: Where) -> tuple[Tensor, Tensor]:
    """Features (M, D) and logits (M, C) of all images of a split, in its order, on the CPU."""
    device = find_device(where.device, "audit")
    rows = in_order(split.indices, _BATCH)
    batches = make_batches(split.data, rows, len(rows), device, where.workers)
    model, preprocess = network.model.to(device), network.preprocess.to(device)
    parts = [outputs_of(model, preprocess, images, precision_of(network.precision, device)) for images, _ in batches]
    features, logits = (torch.cat([part[place].cpu() for part in parts]) for place in (0, 1))
    return features, logits


def _fit(run: Run, where: Where, files: Files, splits: Mapping[str, Split], of: str) -> Fitted:
    try:
        return fit(run, where, files, splits=splits, of=of)
    except UnusableCheckpointError as error:
        aside = set_aside(files.last)
        warnings.warn(
            f"audit: the checkpoint {files.last} cannot be gone on from: {error}. Set aside as {aside.name}; the fold "
            "starts over.",
            stacklevel=3,
        )
        return fit(run, where, files, splits=splits, of=of)


def _name_of(run: Run, training: Split, folds: Tensor) -> str:
    """16 hex digits of all that decides what the folds say."""
    digest = hashlib.sha256(f"{run.run_id} {fingerprint(training.data)}".encode())
    for numbers in (training.indices, folds):
        digest.update(numbers.to(torch.int64).numpy().astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def _keep(path: Path, held: HeldOut, of: str) -> None:
    values = {each.name: getattr(held, each.name).contiguous() for each in fields(HeldOut)}
    write_whole(path, lambda file: torch.save({**values, "of": of}, file))


def _kept(path: Path, of: str) -> HeldOut | None:
    """What an earlier audit kept of a fold; None where there is nothing, or it is damaged, which is told."""
    if not is_file(path):
        return None
    try:
        values: Mapping[str, Any] = read_checkpoint(path)
        names = {each.name for each in fields(HeldOut)}
        if values.keys() != {*names, "of"} or values["of"] != of:
            raise UnusableCheckpointError("it holds something else")
        return HeldOut(**{name: values[name] for name in names})
    except UnusableCheckpointError as error:
        aside = set_aside(path)
        warnings.warn(
            f"audit: {path} cannot be read: {error}. Set aside as {aside.name}; the fold is judged again.", stacklevel=3
        )
        return None
