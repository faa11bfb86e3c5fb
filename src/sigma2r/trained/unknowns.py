"""The scores by which a trained run tells unknown images, each fitted to what it may learn from."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sigma2r._text import visible
from sigma2r.evaluation.scores import SCORES, CenterDistance, Score
from sigma2r.trained.outputs import Outputs
from sigma2r.trained.sources import Source
from sigma2r.trained.trained import Trained

_NAMED = 3  # classes or images that a sentence names

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Fitted:
    """Scores that could be fitted.

    Args:
        scores: By name.
        told: By name, what each is fitted to, a sentence.
        left_out: By name, why a score is not there.
    """

    scores: Mapping[str, Score]
    told: Mapping[str, str]
    left_out: Mapping[str, str]

    def of(self, known: Outputs, unknown: Outputs) -> dict[str, Pair]:
        """By name the scores of known and of unknown images, higher for what looks more known."""
        return {name: (_of(score, known), _of(score, unknown)) for name, score in self.scores.items()}


def _of(score: Score, images: Outputs) -> Tensor:
    return score.judge(images.features if score.sees == "features" else images.logits).score


def fit_scores(trained: Trained, training: Outputs | None) -> Fitted:
    """Every score of ``sigma2r.evaluation.SCORES``, fitted to training images where it learns.

    The distance to centers takes those that the loss learned, where it did. A threshold would want images for
    validation; the figures of an evaluation look at all thresholds and want none.

    Args:
        trained: The run.
        training: Its outputs for its training images, without augmentation; None if they are not there.
    """
    scores: dict[str, Score] = {}
    told: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for name, kind in SCORES.items():
        if kind is CenterDistance and trained.centers is not None:
            scores[name] = CenterDistance(trained.centers.cpu(), normalize=trained.has_unit_features)
            told[name] = "By the centers that the loss learned."
        elif not kind.learns:
            scores[name] = kind()
            told[name] = "Of logits; nothing is fitted."
        elif training is None:
            left_out[name] = "The training images, to which it is fitted, are not there."
        else:
            try:
                how = {"normalize": trained.has_unit_features} if kind is CenterDistance else {}
                scores[name] = kind.fit(training.features, training.labels, **how)
            except ValueError as error:
                left_out[name] = str(error)
                continue
            told[name] = f"Fitted to the features of {len(training):,} training images, without augmentation."
    return Fitted(scores, told, left_out)


def doubts(unknown: Outputs, known: Outputs, class_names: Sequence[str]) -> list[str]:
    """What speaks against images being unknown, a sentence each: their classes, or that they are the known ones.

    Args:
        unknown: Outputs for the images that are taken for unknown.
        known: Outputs for those of the known classes.
        class_names: Of the run.
    """
    told = []
    shared = [name for name in dict.fromkeys(unknown.given) if name in set(class_names)]
    if shared:
        count = int((unknown.labels >= 0).sum())
        told.append(
            f"{unknown.title} holds classes that the run knows ({_some(shared)}): {count:,} of its {len(unknown):,} "
            "images, which count as unknown all the same. Leave them out if they are the same things."
        )
    same = _shared(unknown, known)
    if same:
        told.append(
            f"{len(same):,} images of {unknown.title} are among those of {known.title} as well, such as "
            f"{visible(same[0])}; they count on both sides."
        )
    return told


def seen_before(images: Outputs, training: Outputs | None, validation: Outputs | None) -> list[str]:
    """What speaks against images being new to a run, a sentence each.

    Args:
        images: Those that are looked at.
        training: Those that the network was trained on; None if they are not there.
        validation: Those that the temperature is fitted to; None if there are none.
    """
    used = (
        (training, "those that the network was trained on"),
        (validation, "those that the temperature is fitted to"),
    )
    return [
        f"{len(same):,} of {len(images):,} images of {images.title} are among {what}, such as {visible(same[0])}; "
        "of images that are new, figures may be worse."
        for of, what in used
        if of is not None and (same := _shared(images, of))
    ]


def places(images: Outputs | Source) -> list[str]:
    """Where each image lies, however its path is spelled."""
    return [os.path.realpath(name) for name in images.names]


def _shared(some: Outputs, others: Outputs) -> list[str]:
    """The names of images that are among others, in order."""
    there = set(places(others))
    return sorted(name for name, place in zip(some.names, places(some), strict=True) if place in there)


def _some(names: Sequence[str]) -> str:
    few = ", ".join(map(visible, names[:_NAMED]))
    return few if len(names) <= _NAMED else f"{few} and {len(names) - _NAMED} more"


def classifier_of(trained: Trained, images: Outputs) -> Tensor | None:
    """The weights ``(C, D)`` of the last layer, if logits are a linear layer of the features; None otherwise.

    That is tried on some images, so a layer that happens to have that shape is not taken for it.
    """
    shape = (images.logits.shape[1], trained.feature_dim)
    x, wanted = images.features[:64].double(), images.logits[:64].double()
    for layer in trained.model.modules():
        if isinstance(layer, torch.nn.Linear) and tuple(layer.weight.shape) == shape:
            bias = 0.0 if layer.bias is None else layer.bias.detach().cpu().double()
            found = x @ layer.weight.detach().cpu().double().T + bias
            if torch.allclose(found, wanted, rtol=1e-2, atol=1e-2 * float(wanted.abs().amax())):
                return layer.weight.detach().cpu()
    return None
