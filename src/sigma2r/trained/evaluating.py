"""What the features of a trained run are good for: ``evaluate_run(trained) -> RunEvaluation``."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from sigma2r._text import visible
from sigma2r.evaluation import ClassPrototypes, Evaluation, evaluate_features
from sigma2r.evaluation.evaluate import SECTIONS
from sigma2r.studies.apart import refuse_within_folders
from sigma2r.studies.record import plain, versions
from sigma2r.trained.data_sets import check_split
from sigma2r.trained.evaluation_file import KIND, SCHEMA, whose
from sigma2r.trained.finding import is_data_set
from sigma2r.trained.outputs import Outputs, Watch, outputs_of_source, unwatched
from sigma2r.trained.own_images import moved, own_images
from sigma2r.trained.sources import Source
from sigma2r.trained.trained import Trained
from sigma2r.trained.unknowns import Fitted, classifier_of, doubts, fit_scores, places, seen_before

OF_TRAINING = ("classification", "compactness", "collapse")
"""The sections that are computed of training images, too; what they say is meant for these, or is read beside them."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an evaluation is asked for.

    Args:
        data: The images that are looked at; None: the run's own test images.
        ood: Images of unknown classes.
        split: Of the run's own images, and of a data set that is named in either; default: ``"test"``.
        dataset: Where the run's own data lie now; default: where they were.
        data_dir: Folder of a data set's files.
        download: Fetch a data set if it is nowhere.
        own_code: Import the data set of one's own that the run names.
        batch_size: Images at a time.
        workers: Processes that decode images on disk.
        out: Where files will be written, which lies apart from all images.
        settings: What :func:`~sigma2r.evaluation.evaluate_features` takes: ``distance``, ``resample``, ``resamples``...
    """

    data: Any = None
    ood: Sequence[str] = ()
    split: str | None = None
    dataset: str | None = None
    data_dir: Path | None = None
    download: bool = False
    own_code: bool = False
    batch_size: int = 256
    workers: int = 0
    out: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What decides the figures, for JSON: by this an evaluation is known to be the one that is wanted."""
        data = None if self.data is None else str(self.data)
        told = {"data": data, "ood": list(self.ood), "split": self.split or "test", "settings": dict(self.settings)}
        return told if self.dataset is None else {**told, "dataset": self.dataset}


@dataclass(frozen=True, kw_only=True)
class RunEvaluation:
    """What was found.

    Args:
        trained: Whose features they are.
        asked: What it was asked for.
        images: The images that were looked at.
        evaluation: Their figures.
        training: Those of training images, of :data:`OF_TRAINING`; None if these are not there.
        fitted: The scores that tell unknown images.
        notes: What else is to be known, a sentence each.
        problems: Why images could not be read.
    """

    trained: Trained
    asked: Asked
    images: Outputs
    evaluation: Evaluation
    training: Evaluation | None
    fitted: Fitted
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, floats to seven digits."""
        record = self.trained.record
        return {
            "schema": SCHEMA,
            "kind": KIND,
            **whose(record, self.trained.epoch),
            "loss": record.run.loss_name,
            "dataset": record.run.dataset,
            "model": record.run.model,
            "asked": self.asked.as_dict(),
            "source": self.images.title,
            "notes": list(self.notes),
            "problems": list(self.problems),
            "scores": {"fitted": dict(self.fitted.told), "left_out": dict(self.fitted.left_out)},
            "evaluation": plain(self.evaluation.as_dict()),
            "training": None if self.training is None else plain(self.training.as_dict()),
            "versions": versions(),
        }


def evaluate_run(trained: Trained, asked: Asked | None = None, *, watch: Watch = unwatched) -> RunEvaluation:
    """Every figure of :func:`~sigma2r.evaluation.evaluate_features` for the images of a run, or for others.

    The centers are those that the loss learned, otherwise the class means of the training images. To these images the
    scores that learn are fitted; the temperature is fitted to the images that the run set aside for validation.

    Args:
        trained: The run.
        asked: What is wanted; default: the run's own test images.
        watch: Sees outputs pass.

    Raises:
        ValueError: In one sentence, if images cannot be used, none has a class of the run, or classes were added.

    Warns:
        UserWarning: If images count as unknown that are of known classes, the network was trained on images that are
            looked at, or the run's own images are others now.
    """
    if trained.added:
        raise ValueError(
            f"evaluate: the classes must be those that the network was trained on; {visible(trained.added[0])} was "
            "added, and has no logit. Evaluate the run as load() gives it."
        )
    asked = asked or Asked()
    notes: list[str] = []
    own = _own(trained, asked, notes)
    source, *others = _sources(trained, asked, own)  # all are found before any is read
    _refuse_twice(others)
    for found in (source, *others):
        refuse_within_folders(found.title, found.listed, [] if asked.out is None else [asked.out], flag="--out")

    def seen(which: Source) -> Outputs:
        return outputs_of_source(trained, which, batch_size=asked.batch_size, workers=asked.workers, watch=watch)

    images = _labelled(seen(source), trained.record.class_names, notes)
    training = seen(own["train"]) if "train" in own else None
    validation = seen(own["validation"]) if "validation" in own else None
    unknown = {other.title: seen(other) for other in others}
    fitted = fit_scores(trained, training)
    told = [doubt for each in unknown.values() for doubt in doubts(each, images, trained.record.class_names)]
    for doubt in (*seen_before(images, training, validation), *told):
        notes.append(doubt)
        warnings.warn(f"evaluate: {doubt}", stacklevel=2)
    evaluation, of_training = _figures(trained, asked, images, training, validation, unknown, fitted, notes)
    problems = [why for each in (images, training, validation, *unknown.values()) if each for why in each.problems]
    return RunEvaluation(
        trained=trained,
        asked=asked,
        images=images,
        evaluation=evaluation,
        training=of_training,
        fitted=fitted,
        notes=tuple(notes),
        problems=tuple(problems),
    )


def _own(trained: Trained, asked: Asked, notes: list[str]) -> dict[str, Source]:
    """The run's own images; where they are not there and others are named, that is noted."""
    try:
        record = moved(trained.record, asked.dataset)
        return own_images(record, asked.data_dir, download=asked.download, own_code=asked.own_code)
    except (ValueError, OSError) as error:
        if asked.data is None:
            raise ValueError(
                f"{str(error).rstrip('.')}. --dataset says where they lie now, --data names others."
            ) from error
        notes.append(f"Nothing is fitted to the run's own images: {str(error).removeprefix('evaluate: ')}")
        return {}


def _sources(trained: Trained, asked: Asked, own: Mapping[str, Source]) -> list[Source]:
    """The images that are looked at, and behind them those of unknown classes.

    Raises:
        ValueError: If one is not to be found, or a split is asked for and nothing has splits.
    """
    named = [*([] if asked.data is None else [asked.data]), *asked.ood]
    has_splits = [is_data_set(each) for each in named]
    where: dict[str, Any] = {"data_dir": asked.data_dir, "download": asked.download}
    heeds = asked.data is not None and not any(has_splits)  # or it would be asked for in vain, which source() says
    found = [
        trained.source(each, **where, split=asked.split if has or heeds else None)
        for each, has in zip(named, has_splits, strict=True)
    ]
    return found if asked.data is not None else [_own_split(asked.split, own), *found]


def _own_split(split: str | None, own: Mapping[str, Source]) -> Source:
    name = "test" if split is None else split
    check_split(name)
    name = "validation" if name == "val" else name
    if name not in own:
        raise ValueError("evaluate: split must be train or test, for the run has no images for validation; got val.")
    return own[name]


def _labelled(images: Outputs, class_names: Sequence[str], notes: list[str]) -> Outputs:
    """The images with a class that the run knows; how many have none is noted.

    Raises:
        ValueError: If none has.
    """
    kept = images.labelled()
    if not len(kept):
        names = ", ".join(map(visible, class_names[:3]))
        raise ValueError(
            f"evaluate: {images.title} must hold images in folders that are called like classes of the run ({names}"
            f"{', ...' if len(class_names) > 3 else ''}); none of its {len(images):,} images has such a class."
        )
    if len(kept) < len(images):
        lost = len(images) - len(kept)
        notes.append(
            f"{lost:,} of {len(images):,} images of {images.title} have no class that the run knows: left out."
        )
        warnings.warn(f"evaluate: {notes[-1]}", stacklevel=3)
    return kept


def _refuse_twice(sources: Sequence[Source]) -> None:
    """Refuse a source that is there twice, in whatever spelling.

    Raises:
        ValueError: Naming it.
    """
    for first, second in combinations(sources, 2):
        if first.title == second.title or (first.on_disk and second.on_disk and places(first) == places(second)):
            also = "" if first.title == second.title else f", as {second.title} as well"
            raise ValueError(f"evaluate: each --ood must be another source; {first.title} is there twice{also}.")


def _figures(
    trained: Trained,
    asked: Asked,
    images: Outputs,
    training: Outputs | None,
    validation: Outputs | None,
    unknown: Mapping[str, Outputs],
    fitted: Fitted,
    notes: list[str],
) -> tuple[Evaluation, Evaluation | None]:
    """The figures of the images and of training images."""
    normalize, device, centers = trained.has_unit_features, trained.device, trained.centers
    if centers is not None:
        notes.append("The centers are those that the loss learned.")
    elif training is not None and torch.unique(training.labels).shape[0] == len(trained.record.class_names):
        held = ClassPrototypes.fit(
            training.features, training.labels, num_classes=len(trained.record.class_names), normalize=normalize
        )
        centers = held.centers
        notes.append("The centers are the class means of the training images.")
    classifier = classifier_of(trained, images)
    common: dict[str, Any] = {
        "class_names": trained.record.class_names,
        "centers": None if centers is None else centers.to(device),
        "classifier": None if classifier is None else classifier.to(device),
        "normalize": normalize,
        **asked.settings,
    }
    if classifier is None:
        notes.append("The logits are no linear layer of the features, so there is no classifier for NC2 and NC3.")
    evaluation = evaluate_features(
        images.features.to(device),
        images.labels,
        logits=images.logits.to(device),
        validation=None if validation is None else (validation.logits, validation.labels),
        ood={title: fitted.of(images, each) for title, each in unknown.items()},
        **common,
    )
    if training is None:
        return evaluation, None
    skip = [name for name in SECTIONS if name not in OF_TRAINING]
    of_training = evaluate_features(
        training.features.to(device), training.labels, logits=training.logits.to(device), **{**common, "skip": skip}
    )
    return evaluation, of_training
