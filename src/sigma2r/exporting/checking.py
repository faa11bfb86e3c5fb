"""What was exported is run on images, and held against the run itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sigma2r._resolve import is_path
from sigma2r.data.names import shown
from sigma2r.trained.predictions import Predictions
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
        images: As :class:`~sigma2r.trained.Trained` takes them; None: the run's own.
        how: As :class:`~sigma2r.trained.trained.How` says.

    Raises:
        ValueError: If a source is named, and none of its images can be read.
    """
    if images is not None:
        return _read(trained, images, how, None)
    dataset = trained.record.run.dataset
    if is_path(dataset):
        return _made_up(trained, f"{shown(dataset)} is code of one's own, and is not imported for it")
    try:
        return _read(trained, dataset, how, f"test images of {shown(dataset)}")
    except (ValueError, OSError) as error:
        return _made_up(trained, f"those that the run was tested on cannot be had ({str(error).rstrip('.')})")


def _read(trained: Trained, images: Any, how: Mapping[str, Any], what: str | None) -> Sample:
    source = trained.source(images, **how)
    count = min(len(source), _MOST_IMAGES)
    read = source.read([place * len(source) // count for place in range(count)], trained.frame)
    if not len(read.pixels):
        raise ValueError(f"export: there must be images to check on; {next(iter(read.problems.values()))}")
    pixels = read.pixels.cpu()
    what = what or f"images of {shown(source.title)}"
    told = f"{len(pixels):,} {what}" if len(pixels) > 1 else f"1 of the {what}"
    return Sample(pixels.repeat(-(-_LEAST_IMAGES // len(pixels)), 1, 1, 1), told, are_real=True)


def _made_up(trained: Trained, why: str) -> Sample:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (_MOST_IMAGES, *trained.frame.image_shape), generator=generator)
    return Sample(pixels.to(torch.uint8), f"{_MOST_IMAGES} made-up images, as {why}", are_real=False)


@dataclass(frozen=True)
class Difference:
    """How far what was exported is from the run, over all images of a sample.

    Args:
        largest: The largest difference of each output, in its own units.
        share: The same over the largest value of that output.
        same_class: For how many images the largest logit is the same one.
        count: Of how many.
    """

    largest: Mapping[str, float]
    share: Mapping[str, float]
    same_class: int
    count: int

    def __str__(self) -> str:
        shares = ", ".join(f"{name} {share:.1e}" for name, share in self.share.items())
        same = f"all {self.count:,}" if self.same_class == self.count else f"{self.same_class:,} of {self.count:,}"
        return f"{shares} of the largest value; the same class for {same}"

    def within(self, tolerance: float) -> bool:
        """Whether no output is farther off than that share; NaN is."""
        return all(share <= tolerance for share in self.share.values())


def difference(run: Callable[[Tensor], Mapping[str, Tensor]], trained: Trained, pixels: Tensor) -> Difference:
    """Run what was exported on batches of 1, of 7 and of the rest, and hold it against :meth:`Trained.predict`.

    Args:
        run: From images to outputs by their names.
        trained: The run.
        pixels: uint8, shape ``(N, ch, H, W)``, N more than 8.

    Raises:
        ValueError: If it cannot be run, or gives outputs of other names or shapes.
    """
    wanted = _outputs(trained.predict(pixels))
    try:
        parts = [run(part.contiguous()) for part in torch.split(pixels, [*BATCHES, len(pixels) - sum(BATCHES)])]
    except Exception as error:  # whatever the runtime raises
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"export: the file must run on batches of any size; it does not: {line}") from error
    got = {name: torch.cat([part[name] for part in parts]).to(wanted[name]) for name in parts[0] if name in wanted}
    shapes = [{name: tuple(values.shape) for name, values in each.items()} for each in (got, wanted)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"export: the file must give outputs of the shapes {shapes[1]}; it gives {shapes[0]}.")
    largest = {name: float((got[name] - values).abs().amax()) for name, values in wanted.items()}
    share = {name: largest[name] / max(float(values.abs().amax()), 1e-30) for name, values in wanted.items()}
    same = int((got["logits"].argmax(1) == wanted["logits"].argmax(1)).sum())
    return Difference(largest, share, same, len(pixels))


def _outputs(predictions: Predictions) -> dict[str, Tensor]:
    outputs = {name: getattr(predictions, name) for name in ("features", "logits", "probabilities", "distances")}
    return {name: values for name, values in outputs.items() if values is not None}


def in_full_precision(trained: Trained) -> Trained:
    """The same run; of one that was trained in mixed precision, in the arithmetic of its weights, as a file has it."""
    run = trained.record.run
    if not run.precision.endswith("mixed"):
        return trained
    return replace(trained, record=replace(trained.record, run=replace(run, precision="32-true")))
