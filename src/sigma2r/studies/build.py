"""From a description and its images to what is trained: model, losses, preprocessing."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sigma2r._resolve import is_path
from sigma2r.data.preprocess import Preprocess
from sigma2r.data.splits import Split
from sigma2r.losses import JointLoss, WarmUp
from sigma2r.models import build_model, is_own
from sigma2r.models.hub import Expected, expected_images
from sigma2r.samplers import BalancedBatchSampler
from sigma2r.studies.losses import build_loss, compares_samples, has_classes, takes
from sigma2r.studies.run import Run
from sigma2r.studies.trial import try_own_loss
from sigma2r.studies.yardsticks import LABEL_SMOOTHING
from sigma2r.training import CompactClassifier, FineTuning


def build(run: Run, training: Split, sampler: BalancedBatchSampler) -> CompactClassifier:
    """Everything that learns, with the first weights of the run.

    Args:
        run: The description.
        training: The split that it trains on.
        sampler: Of that split: how many samples of a class its batches hold.

    Raises:
        ValueError: If model and images, or loss and layers, do not fit together.
    """
    expected = expected_images(run.model) if run.starts_from_weights else None
    preprocess = _preprocess(run, training, expected)
    num_classes = len(training.data.class_names)
    channels, side, _ = training.data.image_shape
    assert run.augmentation is not None
    if run.augmentation.crop >= side:
        raise ValueError(
            f"train: augmentation.crop must be below the {side} pixels of a side, or whole images are moved out; got "
            f"{run.augmentation.crop}. Try --augmentation.crop {side // 8}."
        )
    _say_what_is_doubtful(run)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.init_seed)
        model = build_model(
            run.model,
            in_channels=channels if expected is None else expected.channels,
            image_size=side,
            num_classes=num_classes,
            feature_dim=run.feature_dim,
            pretrained=run.pretrained,
            weights=None if run.weights is None else Path(run.weights).expanduser(),
        )
        if expected is not None:
            model.started_from |= {**asdict(expected), "mean": list(expected.mean), "std": list(expected.std)}
        criterion = _criterion(run, num_classes, model.feature_dim, sampler)
    return CompactClassifier(
        model,
        criterion,
        preprocess,
        augmentation=run.augmentation,
        data_seed=run.data_seed,
        init_seed=run.init_seed,
        epochs=run.epochs,
        optimizer=run.optimizer,
        lr=run.lr,
        loss_lr=run.loss_lr,
        weight_decay=run.weight_decay,
        layers=run.layers,
        label_smoothing=run.loss_weight if run.loss == LABEL_SMOOTHING else 0.0,
        fine_tuning=FineTuning(freeze=None if run.freeze == "all" else run.freeze, lr=run.backbone_lr),
        accumulate=run.accumulate,
    )


def _preprocess(run: Run, training: Split, expected: Expected | None) -> Preprocess:
    """What the images are normalised by: their own mean and deviation, or those of the images of the weights."""
    if expected is None:
        return Preprocess.fitted_to(training.data, training.indices)
    channels, side, _ = training.data.image_shape
    if channels not in (1, expected.channels):
        raise ValueError(
            f"train: weights of {run.model} are for images of {expected.channels} channels, or of one that stands for "
            f"all; those of {run.dataset} have {channels}."
        )
    if run.image_size is None and side != expected.image_size:
        warnings.warn(
            f"train: the weights of {run.model} were trained on images of {expected.image_size} pixels a side; those "
            f"of {run.dataset} have {side}, and are used as they are.",
            stacklevel=3,
        )
    mean, std = (255 * torch.tensor(values) for values in (expected.mean, expected.std))
    return Preprocess(mean, std)


def _say_what_is_doubtful(run: Run) -> None:
    if run.freeze != 0 and not run.starts_from_weights and not is_own(run.model):
        warnings.warn(
            f"train: the backbone of {run.model} is frozen with its first weights, which nobody trained. --pretrained "
            "or --weights FILE gives it others.",
            stacklevel=3,
        )
    if run.accumulate > 1 and (why := compares_samples(run.loss, run.loss_options)):
        warnings.warn(
            f"train: accumulate {run.accumulate} is not the same as batches of {run.accumulate * run.batch_size}: "
            f"{run.loss} {why}, and sees {run.batch_size} images at a time.",
            stacklevel=3,
        )


def _criterion(run: Run, num_classes: int, feature_dim: int, sampler: BalancedBatchSampler) -> JointLoss | None:
    """The joint loss; None where cross-entropy stands alone."""
    if run.layers and has_classes(run.loss):
        raise ValueError(
            f"Run: layers are for losses that learn nothing for a class; {run.loss} has something for each. Leave "
            "layers out."
        )
    options: dict[str, Any] = dict(run.loss_options)
    if takes(run.loss, "max_per_class"):  # it spares the search on a GPU its N x N pairs
        options = {"max_per_class": sampler.max_per_class, **options}
    if takes(run.loss, "classes_per_batch") and sampler.sampling == "repeat":  # and blocks for all C classes
        options = {"classes_per_batch": sampler.classes_per_batch, **options}
    built = [build_loss(run.loss, num_classes, feature_dim, options) for _ in run.layers or "1"]
    if is_path(run.loss):
        try_own_loss(run.loss, num_classes, feature_dim, options)
    if run.center_init == "class-means" and not hasattr(built[0], "init_centers"):
        raise ValueError(
            f"Run: center_init class-means is for losses with init_centers; {run.loss} has none. Leave it out."
        )
    auxiliaries = [loss for loss in built if loss is not None]
    if not auxiliaries:
        return None
    _say_if_neighbours_are_few(run, getattr(auxiliaries[0], "neighbors", 0), num_classes, sampler)
    return JointLoss(auxiliaries, [WarmUp(run.loss_weight, run.warmup_epochs)] * len(auxiliaries))


def _say_if_neighbours_are_few(run: Run, neighbors: int, num_classes: int, sampler: BalancedBatchSampler) -> None:
    """A loss that looks at so many classmates of a sample wants one more of each class in a batch."""
    smallest = sampler.batch_size // sampler.classes_per_batch
    if smallest < neighbors + 1:
        warnings.warn(
            f"train: batches hold as few as {smallest} samples of a class; the {neighbors} neighbours of {run.loss} "
            f"want {neighbors + 1}. All that there are stand in. Batch size {num_classes * (neighbors + 1)} would do.",
            stacklevel=2,
        )
