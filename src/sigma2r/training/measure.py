"""What is measured on a split of the data: accuracy, spread within classes, distance between them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r.data.loaders import Batches, in_order, make_batches
from sigma2r.data.preprocess import Preprocess
from sigma2r.data.splits import Split
from sigma2r.metrics import ClassStatistics, class_statistics, distance_tail
from sigma2r.models.modes import evaluating
from sigma2r.training.module import CompactClassifier

_KEPT = 2**27  # numbers of a split's features, beyond which they are computed again


@dataclass(frozen=True)
class SplitMeasures:
    """Figures of one split, kept as the statistics that they follow from."""

    accuracy: float
    statistics: ClassStatistics
    tail: tuple[float, float]
    """Distance to the class mean: of 99 % of the samples at most the first, of all at most the second."""

    def figures(self, training_inter: float) -> dict[str, Any]:
        """The figures of a record.

        Args:
            training_inter: Mean distance between the class means of the *training* features, by which the spread
                is divided on every split.
        """
        intra = self.statistics.intra_class_spread()
        intra_mean = float(intra.nanmean())
        scaled = [each / training_inter if training_inter > 0 else float("nan") for each in self.tail]
        return {
            "accuracy": self.accuracy,
            "intra": intra.tolist(),
            "intra_mean": intra_mean,
            "inter": float(self.statistics.inter_class_distance()),
            "intra_inter": intra_mean / training_inter if training_inter > 0 else float("nan"),
            "tail_99": scaled[0],
            "tail_max": scaled[1],
        }


def measure_splits(
    module: CompactClassifier,
    splits: Mapping[str, Split],
    device: torch.device,
    batch_size: int,
    workers: int,
) -> dict[str, dict[str, Any]]:
    """The figures of every split under the model as it is; spreads are divided by a distance of the split ``train``."""
    measured = {}
    for name, split in splits.items():
        rows = in_order(split.indices, batch_size)
        measured[name] = measure(
            module.model,
            module.preprocess,
            make_batches(split.data, rows, len(rows), device, workers),
            len(split.data.class_names),
            device,
            module.trainer.precision_plugin.forward_context,
        )
    training_inter = float(measured["train"].statistics.inter_class_distance())
    return {name: each.figures(training_inter) for name, each in measured.items()}


@torch.no_grad()
def features_and_logits(
    model: nn.Module,
    preprocess: Preprocess,
    images: Tensor,
    precision: AbstractContextManager[Any],
) -> tuple[Tensor, Tensor]:
    """Features (N, D) and logits (N, C) of uint8 images, as the model sees them outside training."""
    with precision:
        features, logits = model(preprocess(images))
    return features, logits


@torch.no_grad()
def measure(
    model: nn.Module,
    preprocess: Preprocess,
    batches: Batches,
    num_classes: int,
    device: torch.device,
    precision: Callable[[], AbstractContextManager[Any]],
) -> SplitMeasures:
    """One pass over a split in evaluation mode, without augmentation.

    The tail needs the means of the classes first: features are kept for it, or computed once more if they are many.
    """

    def outputs() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for images, labels in batches:
            features, logits = features_and_logits(model, preprocess, images.to(device), precision())
            yield features, logits, labels.to(device)

    correct, seen = torch.zeros((), dtype=torch.int64, device=device), 0
    statistics: ClassStatistics | None = None
    kept: list[tuple[Tensor, Tensor]] | None = []
    with evaluating(model):
        for features, logits, labels in outputs():
            correct += (logits.argmax(1) == labels).sum()
            seen += labels.shape[0]
            part = class_statistics(features, labels, num_classes)
            statistics = part if statistics is None else statistics.merge(part)
            if kept is not None:
                kept.append((features, labels))
                kept = kept if seen * features.shape[1] <= _KEPT else None
        assert statistics is not None, "an empty split is refused when data are loaded"
        again = kept if kept is not None else ((features, labels) for features, _, labels in outputs())
        tail = _tail(statistics, again)
    return SplitMeasures(int(correct) / seen, statistics, tail)


def _tail(statistics: ClassStatistics, samples: Iterable[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    distances = [statistics.distances(features, labels) for features, labels in samples]
    most, largest = distance_tail(torch.cat(distances))
    return float(most), float(largest)
