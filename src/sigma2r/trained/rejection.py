"""A rejector of a trained run: its thresholds set by the run's validation images, kept beside the weights."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from sigma2r._absent import AbsentError
from sigma2r._checkpoint import UnusableCheckpointError, part_of, read_checkpoint
from sigma2r._files import write_whole
from sigma2r._places import is_file
from sigma2r._suggest import unknown
from sigma2r.data.names import shown
from sigma2r.data.splits import Split
from sigma2r.evaluation import SCORES, CenterDistance, NeighborDistance, Rejector, Score
from sigma2r.studies.where import Where
from sigma2r.trained.own_images import moved, others_than_then, own_splits, source_of_split

if TYPE_CHECKING:
    from sigma2r.trained.trained import Trained

DEFAULT_SCORE = CenterDistance.name
_NEIGHBOR = 50  # of nearest-neighbors, as its score has it


def rejector_file(root: Path, checkpoint: str) -> Path:
    """Where the rejector of a checkpoint is kept."""
    return root / "checkpoints" / f"rejector-{checkpoint}.pt"


def refuse_without_validation(trained: "Trained") -> None:
    """Refuse a run that has no validation images, before anything is read.

    Raises:
        ValueError: Saying what to do.
    """
    if "validation" not in trained.record.counts:
        raise ValueError(
            f"rejector: a threshold is set by images that neither trained nor test, and the run of "
            f"{shown(trained.record.run.dataset)} has none for validation. Train with --validation_fraction 0.1, or "
            "put images of their own into val/ beside train/ and test/."
        )


def rejector_of(
    trained: "Trained",
    *,
    score: str = DEFAULT_SCORE,
    false_rejects: float = 0.05,
    thresholds: str = "common",
    k: int | None = None,
    dataset: str | None = None,
    where: Where | None = None,
    batch_size: int = 256,
    own_code: bool = False,
) -> Rejector:
    """A rejector whose thresholds are set by the validation images of the run, which are those of the training.

    Args:
        trained: The run.
        score: See :func:`~sigma2r.trained.fit_rejector`; so are the others.
        false_rejects: See there.
        thresholds: See there.
        k: See there.
        dataset: See there.
        where: Where files lie, and how many workers decode them.
        batch_size: Images at a time.
        own_code: See there.

    Raises:
        ValueError: See there.
    """
    if score not in SCORES:
        raise unknown("score", score, SCORES)
    if k is not None and score != NeighborDistance.name:
        raise ValueError(
            f"rejector: k must be left out, unless the score is {NeighborDistance.name}; got {k} with {score}."
        )
    refuse_without_validation(trained)
    splits = _splits(trained, dataset, where or Where(), own_code)
    workers = (where or Where()).workers
    validation = _outputs(trained, splits["validation"], "validation", batch_size, workers)
    fitted: str | Score = score
    if score == CenterDistance.name and trained.centers is not None:
        fitted = CenterDistance(trained.centers.cpu(), normalize=trained.has_unit_features)
    elif SCORES[score].learns:
        known = _outputs(trained, splits["train"], "train", batch_size, workers)
        of: dict[str, dict[str, Any]] = {
            CenterDistance.name: {"normalize": trained.has_unit_features},
            NeighborDistance.name: {"k": _NEIGHBOR if k is None else k},
        }
        fitted = SCORES[score].fit(known.features, known.labels, **of.get(score, {}))
    return Rejector.fit(
        validation.features,
        validation.labels,
        logits=validation.logits,
        score=fitted,
        false_rejects=false_rejects,
        thresholds=thresholds,  # type: ignore[arg-type]  # it is looked at there
        class_names=trained.record.class_names,
    )


class _Outputs(NamedTuple):
    """Of the images of a split, (N, D), (N, C) and (N,)."""

    features: Tensor
    logits: Tensor
    labels: Tensor


def _splits(trained: "Trained", dataset: str | None, where: Where, own_code: bool) -> Mapping[str, Split]:
    """The images that the run trained and validated on.

    Raises:
        ValueError: If they cannot be used, are others than then, or are given by code that nobody trusts.
    """
    record = moved(trained.record, dataset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what there is to say of these images was said when they trained
        try:
            splits = own_splits("rejector", record, where, own_code=own_code)
        except AbsentError as error:
            raise AbsentError(
                f"{error} The rejector needs the images of the training: --dataset says where."
            ) from error
    for split in others_than_then(record, splits):
        raise ValueError(
            f"rejector: the data must be those that the run was trained on, or images that trained could set the "
            f"threshold; the {split} images of {shown(record.run.dataset)} are others now. Name the data set as it "
            "was: --dataset."
        )
    return splits


def _outputs(trained: "Trained", split: Split, name: str, batch_size: int, workers: int) -> _Outputs:
    source = source_of_split(split, trained.record.run.dataset, name)
    parts = [(part.features, part.logits) for part in trained.stream(source, batch_size=batch_size, workers=workers)]
    features, logits = (torch.cat([part[place] for part in parts]) for place in (0, 1))
    return _Outputs(features, logits, split.labels)


def store_rejector(root: Path, checkpoint: str, trained: "Trained", rejector: Rejector) -> Path:
    """Keep a rejector beside the weights that it is of; an older one is replaced.

    Raises:
        OSError: If the folder cannot be written to.
    """
    tensors, description = rejector.state()
    held = {
        "of": trained.record.run_id,
        "epoch": trained.epoch,
        "description": description,
        "tensors": {name: tensor.cpu() for name, tensor in tensors.items()},
    }
    path = rejector_file(root, checkpoint)
    write_whole(path, lambda file: torch.save(held, file))
    return path


def stored_rejector(root: Path, checkpoint: str, trained: "Trained") -> Rejector | None:
    """The rejector that is kept beside weights, on their device; None where there is none. Nothing in the file is run.

    Raises:
        ValueError: In one sentence, if it is damaged or hostile, or of another run, other weights or other classes.
    """
    path = rejector_file(root, checkpoint)
    if not is_file(path):
        return None
    try:
        held = read_checkpoint(path)
        of, epoch = held.get("of"), part_of(held, "epoch", int)
        if (of, epoch) != (trained.record.run_id, trained.epoch):
            raise UnusableCheckpointError(
                f"it is of the training {of}, epoch {epoch}, and the weights are of {trained.record.run_id}, epoch "
                f"{trained.epoch}"
            )
        rejector = Rejector.from_state(part_of(held, "tensors", dict), part_of(held, "description", dict))
        _refuse_misfit(rejector, trained)
    except (ValueError, TypeError, RuntimeError) as error:  # tensors of kinds that nothing here writes
        raise ValueError(
            f"load: {shown(path)} must be a rejector for these weights; {str(error).rstrip('.')}. Set it anew: sigma2r "
            f"rejector {shown(root)} --checkpoint {checkpoint}."
        ) from error
    return rejector if trained.device.type == "mps" else rejector.to(trained.device)  # which has no float64


def _refuse_misfit(rejector: Rejector, trained: "Trained") -> None:
    """Refuse a rejector of other classes, or of features of another size.

    Raises:
        UnusableCheckpointError: Saying which.
    """
    names, score = trained.record.class_names, rejector.score
    if rejector.class_names != names or score.num_classes not in (None, len(names)):
        raise UnusableCheckpointError("it is of other classes")
    if score.width not in (None, trained.feature_dim):
        raise UnusableCheckpointError(f"it is of features of {score.width} dimensions, and not {trained.feature_dim}")
