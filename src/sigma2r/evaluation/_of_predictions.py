"""Sections of an evaluation that need the network's logits: classification, calibration, and a row for each class.

Axes: N images, C classes, S draws.
"""

import torch
from torch import Tensor

from sigma2r.evaluation._given import Given
from sigma2r.evaluation._inputs import prepared
from sigma2r.evaluation.bootstrap import Grouped, mean_over_classes
from sigma2r.evaluation.calibration import Calibration, measure_calibration
from sigma2r.evaluation.confusion import Confusion
from sigma2r.evaluation.figure import Figure, PerClass, Section, finite
from sigma2r.evaluation.nearest import nearest_center, nearest_class_mean
from sigma2r.evaluation.temperature import fit_temperature
from sigma2r.metrics import class_statistics

NO_LOGITS = "no logits were given."
DEFINITIONS = {
    "accuracy": "Share of images whose largest logit is their class's.",
    "balanced_accuracy": "Mean over classes with images of the share of each class's images classified correctly.",
    "macro_f1": "Mean over classes that occur, as label or prediction, of 2 TP / (2 TP + FP + FN).",
    "ece": "Expected calibration error: the gap between accuracy and mean confidence in each of 15 equal bins of "
    "confidence, averaged with the bins' shares of images (Guo et al. 2017).",
    "brier": "Mean over images of the sum over classes of the squared difference of probability and truth.",
    "nll": "Mean of minus the logarithm of the probability of the image's class, in nats.",
}


def classification(given: Given, counts: Confusion | None) -> Section:
    """Accuracy in its forms, and that of the nearest center."""
    figures, left_out = {}, {}
    if counts is None:
        left_out = dict.fromkeys(("accuracy", "balanced_accuracy", "macro_f1"), NO_LOGITS)
    else:
        values = {
            "accuracy": counts.accuracy(),
            "balanced_accuracy": counts.balanced_accuracy(),
            "macro_f1": counts.macro_f1(),
        }
        low, high = _redrawn(given, counts)
        for place, (name, value) in enumerate(values.items()):
            figures[name] = given.figure(value, (low[place], high[place]), DEFINITIONS[name])
    nearest = nearest_center_accuracy(given)
    if isinstance(nearest, Figure):
        figures["nearest_center_accuracy"] = nearest
    else:
        left_out["nearest_center_accuracy"] = nearest
    return Section(figures=figures, left_out=left_out)


def _redrawn(given: Given, counts: Confusion) -> tuple[Tensor, Tensor]:
    """Intervals of accuracy, balanced accuracy and macro F1."""
    assert given.predictions is not None, "there are logits"
    of_labels, of_predictions = (Grouped(index, given.num_classes) for index in (given.labels, given.predictions))
    right = (given.labels == given.predictions).cpu().double()
    kept = counts.f1().cpu()
    absent = ((of_labels.count == 0) & (of_predictions.count > 0)).double()  # F1 = 0 in every draw, as in the figure

    def statistic(weights: Tensor) -> Tensor:
        hits, number = of_labels.sums(weights * right), of_labels.sums(weights)
        times = of_labels.multiplicity(weights, given.by_class)
        if given.by_class:  # that a class is not drawn must not free the others from its errors
            f1 = mean_over_classes(kept.expand_as(times), times + absent)
        else:
            both = number + of_predictions.sums(weights)
            f1 = mean_over_classes((2 * hits / both).where(absent == 0, 0.0), (both > 0).double().maximum(absent))
        return torch.stack([weights @ right / weights.sum(1), mean_over_classes(hits / number, times), f1], dim=1)

    return given.bootstrap.interval(statistic, 3 * given.num_classes)


def nearest_center_accuracy(given: Given) -> Figure | str:
    """By the centers that were given, the class means of references, or of the images themselves; or why not."""
    features = prepared(given.features, given.normalize)
    if given.centers is not None:
        found = nearest_center(features, given.centers)
        what = "the nearest of the given centers"
    elif given.references is not None:
        rows, labels = given.references
        means = class_statistics(prepared(rows, given.normalize), labels, given.num_classes)
        present = means.count.nonzero().squeeze(1)
        found = present[nearest_center(features, means.mean[present])]
        what = "the nearest class mean of the references"
    else:
        if given.num_present < 2:
            return "all images are of one class."
        found = nearest_class_mean(features, given.labels, given.num_classes)
        what = "the nearest class mean, of the mean of its own class left out; images alone in their class do not count"
    values = (found == given.labels).double().masked_fill(found < 0, torch.nan)
    known = int((found >= 0).sum())
    if not known:
        return "each image is alone in its class."
    length = ", features divided by their length" if given.normalize else ""
    definition = f"Share of images whose class is that of {what}, by Euclidean distance{length}."
    return given.figure(values.nanmean(), given.bootstrap.of_mean(values), definition, known)


def calibrated(given: Given) -> Section:
    """ECE, Brier score and likelihood, as they are and with the temperature that validation images ask for."""
    names = ("ece", "brier", "nll")
    if given.logits is None:
        return Section(left_out=dict.fromkeys((*names, *(f"{name}_scaled" for name in names)), NO_LOGITS))
    figures = _calibration_figures(given, measure_calibration(given.logits, given.labels), "", "")
    if given.validation is None:
        why = "no logits of validation images were given, on which a temperature is fitted."
        return Section(figures=figures, left_out={f"{name}_scaled": why for name in names})
    temperature = fit_temperature(*given.validation)
    scaled = measure_calibration(given.logits, given.labels, temperature=temperature)
    after = (
        f" After division of the logits by {temperature:.6g}, fitted on {len(given.validation[1])} validation images."
    )
    figures |= _calibration_figures(given, scaled, "_scaled", after)
    return Section(figures=figures, notes=(f"The temperature is {temperature:.6g}; intervals hold it as it is.",))


def _calibration_figures(given: Given, found: Calibration, suffix: str, after: str) -> dict[str, Figure]:
    gaps = found.gaps().cpu()
    value = found.expected_calibration_error().cpu()
    low, high = given.bootstrap.interval(lambda weights: (weights @ gaps).abs().sum(1) / weights.sum(1))
    # Noise makes gaps larger, in a draw once more than in the figure: so the draws are mirrored at the figure.
    ece = (2 * value - high).clamp_min(0).minimum(value), (2 * value - low).clamp_max(1).maximum(value)
    brier, nll = (given.bootstrap.of_mean(values) for values in (found.brier, found.surprise))
    return {
        f"ece{suffix}": given.figure(value, ece, DEFINITIONS["ece"] + after),
        f"brier{suffix}": given.figure(found.brier_score(), brier, DEFINITIONS["brier"] + after),
        f"nll{suffix}": given.figure(found.negative_log_likelihood(), nll, DEFINITIONS["nll"] + after),
    }


def per_class(given: Given, counts: Confusion | None) -> PerClass:
    """A row for each class."""
    recall = low = high = None
    if counts is not None:
        rates = counts.recall().cpu()
        low, high = (_numbers(end) for end in _binomial(given, rates))
        recall = _numbers(rates)
    return PerClass(
        names=given.class_names,
        num_images=tuple(given.statistics.count.tolist()),
        recall=recall,
        recall_low=low,
        recall_high=high,
        spread=_numbers(given.statistics.intra_class_spread()),
    )


def _binomial(given: Given, rates: Tensor) -> tuple[Tensor, Tensor]:
    """Intervals of the recall of each class, its images alone being drawn: how many are right is then binomial."""
    generator = torch.Generator().manual_seed(given.bootstrap.seed)
    tail = (1 - given.bootstrap.confidence) / 2
    ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
    if not given.bootstrap.resamples:
        return torch.full_like(rates, torch.nan), torch.full_like(rates, torch.nan)
    found = []
    count = given.statistics.count.cpu().double()
    for number, rate in zip(torch.split(count, 1024), torch.split(rates, 1024), strict=True):
        draws = torch.empty(given.bootstrap.resamples, 1, dtype=torch.float64)
        hits = torch.binomial(number.expand_as(draws * number), rate.nan_to_num().expand_as(draws * number), generator)
        found.append((hits / number).quantile(ends, dim=0))
    low, high = torch.cat(found, dim=1)
    return low, high


def _numbers(values: Tensor) -> tuple[float | None, ...]:
    return tuple(finite(value) for value in values.tolist())
