"""How long runs will take here: a few steps of each kind are timed, and multiplied."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sigma2r.data.preprocess import Preprocess
from sigma2r.losses import JointLoss
from sigma2r.models import build_model
from sigma2r.studies.losses import build_loss
from sigma2r.studies.run import Run
from sigma2r.studies.where import find_device, using_threads


class _Shape(NamedTuple):
    train: int
    test: int
    channels: int
    side: int
    classes: int


_SHAPES = {
    "fuzzy-rgb": _Shape(9_000, 1_500, 3, 32, 3),
    "fashion-mnist": _Shape(60_000, 10_000, 1, 28, 10),
    "cifar10": _Shape(50_000, 10_000, 3, 32, 10),
    "cifar100": _Shape(50_000, 10_000, 3, 32, 100),
}
_STEPS = 3


@dataclass(frozen=True)
class Estimate:
    """How long runs take one after another.

    Args:
        hours: Of this device, with the threads of the runs.
        runs: How many runs.
        kinds: How many kinds of run were timed (model, data set, batch, loss).
    """

    hours: float
    runs: int
    kinds: int


def estimate(runs: Iterable[Run], device: str = "auto") -> Estimate:
    """Time some steps of training and of measuring for each kind of run, on as many random images as the data set has.

    Args:
        runs: Runs on data sets whose size is known by their name.
        device: Where they will run: ``"cpu"``, ``"cuda"`` or ``"auto"``, as for :class:`~sigma2r.studies.where.Where`.

    Raises:
        ValueError: If a run is on a folder of images, or a data set of one's own.
    """
    runs, where = list(runs), find_device(device)
    timed: dict[tuple[object, ...], tuple[float, float]] = {}
    seconds = 0.0
    for run in runs:
        if run.dataset not in _SHAPES:
            raise ValueError(f"estimate: the size of {run.dataset} is not known before it is read.")
        shape = _SHAPES[run.dataset]
        kind = (shape, run.model, run.feature_dim, run.batch_size, run.loss, run.threads)
        if kind not in timed:
            with using_threads(run.threads):
                timed[kind] = _time(run, shape, where)
        train, measure = timed[kind]
        images = shape.train if run.images_per_class is None else min(run.images_per_class * shape.classes, shape.train)
        times_measured = 1 + (run.epochs // run.measure_every if run.measure_every else 0)
        seconds += run.epochs * images * train + times_measured * (images + shape.test) * measure
    return Estimate(seconds / 3600, len(runs), len(timed))


def _time(run: Run, shape: _Shape, device: torch.device) -> tuple[float, float]:
    """Seconds an image for training and for measuring."""
    generator = torch.Generator().manual_seed(0)
    size = (run.batch_size, shape.channels, shape.side, shape.side)
    images = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8).to(device)
    labels = (torch.arange(run.batch_size) % shape.classes).to(device)
    with torch.random.fork_rng(devices=[]):
        model = build_model(
            run.model,
            in_channels=shape.channels,
            image_size=shape.side,
            num_classes=shape.classes,
            feature_dim=run.feature_dim,
        ).to(device)
        loss = build_loss(run.loss, shape.classes, model.feature_dim, run.loss_options)
    criterion = None if loss is None or run.layers else JointLoss(loss, run.loss_weight).to(device)
    preprocess = Preprocess(torch.full((shape.channels,), 127.0), torch.full((shape.channels,), 64.0)).to(device)
    groups: list[dict[str, Any]] = [{"params": list(model.parameters())}]
    groups += criterion.param_groups(lr=run.loss_lr) if criterion else []
    optimizer = torch.optim.Adam(groups, lr=run.lr, fused=True)

    def step() -> None:
        features, logits = model(preprocess(images, run.augmentation, generator))
        value = F.cross_entropy(logits, labels) if criterion is None else criterion(features, logits, labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    @torch.no_grad()
    def look() -> None:
        model(preprocess(images))

    return _median_seconds(step, images) / run.batch_size, _median_seconds(look, images) / run.batch_size


def _median_seconds(work: Callable[[], None], images: Tensor) -> float:
    work()
    times = []
    for _ in range(_STEPS):
        started = time.perf_counter()
        work()
        if images.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return median(times)
