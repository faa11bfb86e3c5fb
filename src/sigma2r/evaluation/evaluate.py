"""What features are good for: every figure of this package from one call.

Axes: N images, M references, V validation images, C classes, D feature dimensions.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._suggest import unknown
from sigma2r._values import Count, Natural, Share, converted
from sigma2r.evaluation import _of_features, _of_predictions
from sigma2r.evaluation._given import (
    WHO,
    Given,
    check_others,
    checked_features,
    checked_logits,
    checked_ood,
    checked_table,
    number_of_classes,
    numbered,
    pair,
    several,
)
from sigma2r.evaluation._inputs import names_of
from sigma2r.evaluation._of_scores import told_apart
from sigma2r.evaluation._points import full_precision
from sigma2r.evaluation.bootstrap import Bootstrap
from sigma2r.evaluation.confusion import count_confusion
from sigma2r.evaluation.figure import Evaluation, Section
from sigma2r.losses._checks import check_labels

Distance = Literal["euclidean", "cosine"]
Resample = Literal["images", "classes"]
SKIPPED = "it was not asked for."
_SECTIONS: dict[str, Callable[[Given], Section]] = {
    "compactness": _of_features.compactness,
    "collapse": _of_features.collapse,
    "silhouette": _of_features.silhouette,
    "retrieval": _of_features.retrieval,
    "verification": _of_features.verification,
    "calibration": _of_predictions.calibrated,
}
SECTIONS = ("classification", *_SECTIONS)


def evaluate_features(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    *,
    logits: Float[Tensor, "N C"] | None = None,
    class_names: Sequence[str] | None = None,
    centers: Float[Tensor, "C D"] | None = None,
    classifier: Float[Tensor, "C D"] | None = None,
    references: tuple[Float[Tensor, "M D"], Int[Tensor, " M"]] | None = None,
    validation: tuple[Float[Tensor, "V C"], Int[Tensor, " V"]] | None = None,
    ood: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]] | None = None,
    ks: Sequence[int] = (1, 5, 10),
    distance: Distance = "euclidean",
    normalize: bool = False,
    resample: Resample = "images",
    resamples: int = 1000,
    confidence: float = 0.95,
    max_pairs: int = 1_000_000,
    silhouette_images: int = 10_000,
    skip: Sequence[str] = (),
    generator: torch.Generator | None = None,
) -> Evaluation:
    """Every figure that the given makes possible, with its interval, its definition and its number of samples.

    What cannot be computed is left out, and the result says why. Work is done on the device of the features, in parts.

    Args:
        features: Shape ``(N, D)``.
        labels: Class indices, shape ``(N,)``.
        logits: Of the same images, for classification and calibration.
        class_names: Of all C classes; their numbers if None. Where neither these nor logits, centers or a classifier
            tell C, it is the number of classes that have an image or a reference, whatever their labels.
        centers: Learned centers, for the nearest-center accuracy. Without them the class means of ``references`` serve,
            and without those the class means of the images, each image left out of the mean of its own class.
        classifier: Weights of the last layer, for NC2 and NC3.
        references: Features and labels of other images, which are searched for neighbours. If None the images
            themselves are, each of which is no neighbour of its own.
        validation: Logits and labels of other images, on which the temperature is fitted.
        ood: By data set and by score: scores of known and of unknown images, higher for what looks more known.
        ks: Of recall@k.
        distance: Between features, for silhouette, retrieval and verification; cosine is that of unit-length features.
        normalize: Divide features by their length for the nearest center, as a loss with ``normalize=True`` does.
        resample: What is drawn for intervals: images, or whole classes where these are a sample of many (identities).
        resamples: How often; 0: no intervals.
        confidence: Of each interval.
        max_pairs: Verification measures all pairs of two kinds, or half as many of each, drawn at random.
        silhouette_images: For more images than these the silhouette is that of so many, drawn at random, against all.
        skip: Sections that are not wanted.
        generator: Draws everything that is drawn; None: one with seed 0, so that a result can be had again.

    Raises:
        ValueError: In one sentence, if something does not fit, a feature, center or logit is not finite, features are
            too large or too small to be squared, or a class name stands twice.

    Example:
        >>> features = torch.tensor([[0.0, 0.1], [0.0, -0.1], [4.0, 0.0], [4.2, 0.0]])
        >>> found = evaluate_features(features, torch.tensor([0, 0, 1, 1]), ks=(1,))
        >>> found["retrieval"]["recall@1"].value, found["classification"].left_out["accuracy"]
        (1.0, 'no logits were given.')
    """
    for name in (skip := several("skip", skip, "sections")):
        if name not in SECTIONS:
            raise ValueError(f"{WHO}: {unknown('section', name, SECTIONS)}")
    distance = converted(WHO, "distance", Distance, distance)
    resample = converted(WHO, "resample", Resample, resample)
    generator = converted(WHO, "generator", torch.Generator | None, generator) or torch.Generator().manual_seed(0)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    with torch.no_grad(), full_precision():
        rows, indices = checked_features(features, labels)
        names = None if class_names is None else several("class_names", class_names, "texts")
        if validation is not None:
            validation = pair("validation", validation, "logits")
        told = number_of_classes(names, validation, logits, centers=centers, classifier=classifier)
        check_labels(WHO, rows, indices, told)
        searched = None
        if references is not None:
            searched = checked_features(
                *pair("references", references, "features"), who=f"{WHO} (references)", feature_dim=rows.shape[1]
            )
            check_labels(f"{WHO} (references)", *searched, told)
            check_others(rows, searched[0])
        if told is None:
            names, indices, searched = numbered(indices, searched)
        num_classes = len(names or ()) if told is None else told
        given = Given(
            features=rows,
            labels=indices,
            num_classes=num_classes,
            class_names=names_of(WHO, names, num_classes),
            logits=None if logits is None else checked_logits(WHO, (logits, indices), num_classes)[0].to(rows.device),
            centers=checked_table("centers", centers, num_classes, rows),
            classifier=checked_table("classifier", classifier, num_classes, rows),
            references=searched,
            validation=None if validation is None else checked_logits(f"{WHO} (validation)", validation, num_classes),
            ood=checked_ood(ood),
            bootstrap=Bootstrap(
                rows.shape[0],
                indices if resample == "classes" else None,
                converted(WHO, "resamples", Natural, resamples),
                converted(WHO, "confidence", Share, confidence),
                seed,
            ),
            cosine=distance == "cosine",
            normalize=converted(WHO, "normalize", bool, normalize),
            ks=tuple(converted(WHO, "ks", Count, k) for k in several("ks", ks, "whole numbers, such as (1, 5)")),
            max_pairs=converted(WHO, "max_pairs", Count, max_pairs),
            silhouette_images=converted(WHO, "silhouette_images", Count, silhouette_images),
        )
        settings: dict[str, Any] = {
            "distance": distance,
            "resample": resample,
            "resamples": given.bootstrap.resamples,
            "confidence": given.bootstrap.confidence,
            "num_references": None if searched is None else searched[0].shape[0],
        }
        return _evaluated(given, frozenset(skip), settings)


def _evaluated(given: Given, skip: frozenset[str], settings: dict[str, Any]) -> Evaluation:
    counts = None
    if given.predictions is not None:
        counts = count_confusion(given.labels, given.predictions, given.num_classes)
    sections = {
        name: Section(left_out={name: SKIPPED}) if name in skip else build(given) for name, build in _SECTIONS.items()
    }
    first = Section(left_out={"classification": SKIPPED})
    if "classification" not in skip:
        first = _of_predictions.classification(given, counts)
    return Evaluation(
        num_images=given.num_images,
        num_classes=given.num_classes,
        feature_dim=given.features.shape[1],
        settings=settings,
        sections={"classification": first, **sections},
        ood={
            data: {score: told_apart(given, sides) for score, sides in scores.items()}
            for data, scores in given.ood.items()
        },
        per_class=_of_predictions.per_class(given, counts),
        confusion=counts,
    )
