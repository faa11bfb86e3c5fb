"""What was exported is run on images, and held against the run itself."""

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sigma2r._resolve import is_path
from sigma2r.data.names import shown
from sigma2r.trained.predictions import Predictions
from sigma2r.trained.sources import Source
from sigma2r.trained.trained import Trained

_MOST_IMAGES = 64
BATCHES = (1, 7)
"""Sizes of the first batches; the rest is the third."""
_LEAST_IMAGES = sum(BATCHES) + 2


@dataclass(frozen=True)
class Sample:
    """Images that are checked on.

    Args:
        pixels: uint8, shape ``(N, ch, H, W)``, at least 10.
        what: What they are, in words.
        are_real: Whether they are images, and not made up.
    """

    pixels: Tensor
    what: str
    are_real: bool


def sample_of(trained: Trained, images: Any, how: Mapping[str, Any]) -> Sample:
    """Images from all over a source; of a run's own test images if none is named; made up, if these are not here.

    Args:
        trained: The run.
        images: As :meth:`~sigma2r.trained.Trained.stream` takes them; None: the run's own.
        how: As :class:`~sigma2r.trained.trained.How` says.

    Raises:
        ValueError: If a source is named, and none of its images can be read.

    Warns:
        UserWarning: If some of them cannot be read.
    """
    if images is not None:
        return _read(trained, images, how, None)
    dataset = trained.record.run.dataset
    if is_path(dataset):
        return _made_up(trained, f"{shown(dataset)} is code of one's own, and is not imported for it")
    try:
        return _read(trained, dataset, how, f"{how.get('split') or 'test'} images of {shown(dataset)}")
    except (ValueError, OSError, ImportError) as error:
        return _made_up(trained, f"those that the run was tested on cannot be had ({str(error).rstrip('.')})")


def _read(trained: Trained, images: Any, how: Mapping[str, Any], what: str | None) -> Sample:
    source = images if isinstance(images, Source) else trained.source(images, **how)
    count = min(len(source), _MOST_IMAGES)
    read = source.read([place * len(source) // count for place in range(count)], trained.frame)
    if not len(read.pixels):
        raise ValueError(f"export: there must be images to check on; {next(iter(read.problems.values()))}")
    if read.problems:
        told = f"{len(read.problems):,} of {count:,} images to check on cannot be read, and are left out"
        warnings.warn(f"export: {told}: {next(iter(read.problems.values()))}", stacklevel=4)
    pixels = read.pixels.cpu()
    what = what or f"images of {shown(source.title)}"
    told = f"{len(pixels):,} {what}" if len(pixels) > 1 else f"1 of the {what}"
    if len(pixels) < _LEAST_IMAGES:
        pixels = pixels.repeat(-(-_LEAST_IMAGES // len(pixels)), 1, 1, 1)
        told += f", repeated to {len(pixels)}"
    return Sample(pixels, told, are_real=True)


def _made_up(trained: Trained, why: str) -> Sample:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (_MOST_IMAGES, *trained.frame.image_shape), generator=generator)
    return Sample(pixels.to(torch.uint8), f"{_MOST_IMAGES} made-up images, as {why}", are_real=False)


@dataclass(frozen=True)
class Difference:
    """How far what was exported is from the run, over all images of a sample.

    Args:
        largest: The largest difference of each output, in its own units; of ``accepted`` how far from its threshold
            an image is, at most, which is accepted by one of them alone.
        share: The same over the largest value of that output; of ``accepted`` over the largest score.
        same_class: How many images are of the same class.
        count: Of how many.
        same_accepted: How many are accepted by both or by none; None of a run without rejector.
    """

    largest: Mapping[str, float]
    share: Mapping[str, float]
    same_class: int
    count: int
    same_accepted: int | None = None

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {share:.1e}" for name, share in self.share.items() if name != "accepted")
        told = f"{shares} of the largest value; the same class for {self._of_all(self.same_class)}"
        if self.same_accepted is not None:
            told += f" and the same acceptance for {self._of_all(self.same_accepted)}"
        return told

    def _of_all(self, count: int) -> str:
        return f"all {count:,}" if count == self.count else f"{count:,} of {self.count:,}"

    def within(self, tolerance: float) -> bool:
        """Whether no output is farther off than that share; NaN is."""
        return all(share <= tolerance for share in self.share.values())


def difference(run: Callable[[Tensor], Mapping[str, Tensor]], trained: Trained, pixels: Tensor) -> Difference:
    """Run what was exported on batches of 1, of 7 and of the rest, and hold it against :meth:`Trained.predict`.

    Args:
        run: From images to outputs by their names.
        trained: The run, on the CPU.
        pixels: uint8, shape ``(N, ch, H, W)``, N more than 8.

    Raises:
        ValueError: If it cannot be run, or gives outputs of other names or shapes.
    """
    predicted = trained.predict(pixels)
    wanted, threshold = _outputs(trained, predicted)
    try:
        parts = [run(part.contiguous()) for part in torch.split(pixels, [*BATCHES, len(pixels) - sum(BATCHES)])]
    except Exception as error:  # whatever the runtime raises
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"export: the file must run on batches of any size; it does not: {line}") from error
    got = {name: torch.cat([part[name] for part in parts]).to(wanted[name]) for name in parts[0] if name in wanted}
    shapes = [{name: tuple(values.shape) for name, values in each.items()} for each in (got, wanted)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"export: the file must give outputs of the shapes {shapes[1]}; it gives {shapes[0]}.")
    given = replace(predicted, logits=got["logits"], distances=got.get("distances"))
    same = int((given.labels == predicted.labels).sum())
    same_accepted = None
    if threshold is not None:
        alike, scores = got.pop("accepted") == wanted.pop("accepted"), wanted["scores"]
        same_accepted = int(alike.sum())
        got["accepted"], wanted["accepted"] = torch.where(alike, scores, threshold), scores
    largest = {name: float((values - wanted[name]).abs().amax()) for name, values in got.items()}
    share = {name: largest[name] / max(float(wanted[name].abs().amax()), 1e-30) for name in got}
    return Difference(largest, share, same, len(pixels), same_accepted)


def _outputs(trained: Trained, predictions: Predictions) -> tuple[dict[str, Tensor], Tensor | None]:
    """What the run gives, and the threshold of each image where there is a rejector."""
    names = ("features", "logits", "probabilities", "distances")
    outputs = {name: values for name in names if (values := getattr(predictions, name)) is not None}
    if (rejector := trained.rejector) is None:
        return outputs, None
    seen = predictions.features if rejector.score.sees == "features" else predictions.logits
    judged = rejector.score.judge(seen)
    own = rejector.class_thresholds[judged.label]
    threshold = torch.where(own.isnan(), rejector.threshold, own)
    assert predictions.accepted is not None, "there is a rejector"
    return {**outputs, "scores": judged.score, "accepted": predictions.accepted}, threshold


def on_cpu(trained: Trained) -> Trained:
    """The same run where a file is checked; a copy, of one that is elsewhere: other devices compute less exactly."""
    if trained.device.type == "cpu":
        return trained
    return replace(
        trained,
        model=copy.deepcopy(trained.model).cpu(),
        preprocess=copy.deepcopy(trained.preprocess).cpu(),
        centers=None if trained.centers is None else trained.centers.cpu(),
        rejector=copy.deepcopy(trained.rejector).cpu() if trained.rejector is not None else None,
    )


def in_full_precision(trained: Trained) -> Trained:
    """The same run; of one that was trained in mixed precision, in the arithmetic of its weights, as a file has it."""
    run = trained.record.run
    if not run.precision.endswith("mixed"):
        return trained
    return replace(trained, record=replace(trained.record, run=replace(run, precision="32-true")))
