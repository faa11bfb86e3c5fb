"""A trained run as an object: images in, features, classes and distances out."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor, nn

from sigma2r._suggest import unknown
from sigma2r._values import Count, Natural, converted
from sigma2r.data.preprocess import Preprocess
from sigma2r.evaluation import Rejector
from sigma2r.studies.record import Record
from sigma2r.trained.classes import added, means_of
from sigma2r.trained.finding import find_source
from sigma2r.trained.forward import accepts, distances_to, in_their_rows, outputs_of, precision_of
from sigma2r.trained.frame import Frame, Scaling
from sigma2r.trained.predictions import Predictions
from sigma2r.trained.reading import read_in_order
from sigma2r.trained.sources import Read, Source


class How(TypedDict, total=False):
    """How images are read."""

    split: str | None
    """Of a data set, and of nothing else: ``"train"``, ``"test"``, the default, or ``"val"``."""
    data_dir: Path | str | None
    """Folder of a data set's files."""
    download: bool
    """Fetch a data set if it is nowhere to be found."""
    batch_size: int
    """Images at a time; 256 by default."""
    resize: Scaling | None
    """What becomes of an image of another size, as :func:`sigma2r.load` says; default: as the run was loaded."""
    workers: int
    """Processes that decode images on disk; 0, the default: none but this one."""


@dataclass(repr=False, eq=False)
class Trained:
    """A trained run; see :func:`sigma2r.load`.

    ``images`` of its methods are a path or a folder; a data set by its name, such as ``"cifar10"`` or
    ``"folder:PATH"``; an image of Pillow's; an array ``(H, W)``, ``(H, W, ch)``, ``(N, H, W)`` or ``(N, H, W, ch)``; a
    tensor ``(H, W)``, ``(ch, H, W)`` or ``(N, ch, H, W)``; or a list of paths, images, arrays and tensors of one image,
    or a column or an iterator of them.
    Arrays and tensors are uint8, or floating-point in [0, 1]. All are seen by the rules of the training: its size,
    channels, range of values and normalisation, and no augmentation.

    Args:
        record: What the run left: its description, history and figures.
        model: ``model(preprocess(pixels)) -> (features, logits)``, on :attr:`device`, in evaluation mode.
        preprocess: From uint8 images ``(N, ch, H, W)`` to what the model sees.
        frame: What images are brought to before that.
        centers: The center of each class, shape ``(C, D)``: learned, or the mean of :meth:`take_means` or
            :meth:`add_class`; None of a run whose loss has none.
        epoch: After which epoch these weights were kept.
        rejector: Says which images are of the known classes; None: all.
        added: Names of classes that the network was not trained on.
    """

    record: Record
    model: nn.Module
    preprocess: Preprocess
    frame: Frame
    centers: Tensor | None
    epoch: int
    rejector: Rejector | None = None
    added: tuple[str, ...] = ()

    def __repr__(self) -> str:
        run = self.record.run
        sizes = f"{len(self.class_names)} classes, {self.feature_dim} features"
        return f"Trained({run.dataset}, {run.model}, {run.loss_name}, epoch {self.epoch}, {sizes}, {self.device})"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class, in the order of the logits, and behind them those that were added."""
        return (*self.record.class_names, *self.added)

    @property
    def feature_dim(self) -> int:
        """D."""
        return int(self.model.feature_dim)  # type: ignore[arg-type]

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self.preprocess.mean.device

    @property
    def dtype(self) -> torch.dtype:
        """Of features, logits and distances: float32, or float64 of a run that was trained so."""
        return self.preprocess.mean.dtype

    def embed(self, images: Any, **how: Unpack[How]) -> Tensor:
        """The features of images, shape ``(N, D)``, on the CPU.

        Args:
            images: See :class:`Trained`.
            how: See :class:`How`.

        Raises:
            ValueError: In one sentence, if there are no images, or none of them can be read.

        Warns:
            UserWarning: If some of them cannot be read, which have NaN; or hold what the network does not see.
        """
        return self._column("embed", lambda part: part.features, images, how)

    def predict(self, images: Any, **how: Unpack[How]) -> Predictions:
        """The class of images, its probability, and all that it follows from.

        Args:
            images: See :class:`Trained`.
            how: See :class:`How`.

        Raises:
            ValueError: As :meth:`embed`.

        Warns:
            UserWarning: As :meth:`embed`.
        """
        whole = Predictions.joined(list(self.stream(images, **how)))
        _say_problems("predict", list(whole.problems.values()), len(whole), stacklevel=3)
        return whole

    def distances(self, images: Any, **how: Unpack[How]) -> Tensor:
        """The Euclidean distance of images to the center of each class, shape ``(N, C)``, in feature units.

        Added classes stand behind the others.

        Args:
            images: See :class:`Trained`.
            how: See :class:`How`.

        Raises:
            ValueError: If the loss of the run has no centers; or as :meth:`embed`.

        Warns:
            UserWarning: As :meth:`embed`.
        """
        if self.centers is None:
            raise ValueError(
                f"distances: the run must have been trained with a loss that has a center for each class of "
                f"{self.feature_dim} dimensions; {self.record.run.loss} has none. take_means() takes means of images."
            )
        return self._column("distances", lambda part: part.distances, images, how)

    def add_class(self, name: str, images: Any, **how: Unpack[How]) -> None:
        """Add a class by its images, without training: its center is their mean feature.

        An image is of that class where its center is nearer than all others; of every other image the network says the
        class as before. The network has no logit for it, so ``logits`` and ``probabilities`` stay those of the trained
        classes, and its probability is NaN. A rejector gets the class too, with the threshold of all.

        Args:
            name: One that no class has yet.
            images: See :class:`Trained`; those that cannot be read are left out, with a warning.
            how: See :class:`How`.

        Raises:
            ValueError: If a class is called so, the classes have no centers, the rejector is by a score of logits, or
                no image can be read; nothing is changed then.
        """
        more = added(self, name, lambda: self.embed(images, **how))
        if self.rejector is not None:
            self.rejector.add_class(name, more.features.to(self.rejector.threshold.device))
        self.centers, self.added = more.centers, (*self.added, name)

    def take_means(self, images: Any = None, **how: Unpack[How]) -> None:
        """Take the mean feature of each class for its center, where the loss learned none or in place of those.

        Args:
            images: With labels of all classes; default: the training images of the run's data set.
            how: See :class:`How`.

        Raises:
            ValueError: If a class has no image that can be read, or classes were added already.
        """
        if images is None:
            images, how = self.record.run.dataset, {"split": "train", **how}
        self.centers = means_of(self, self.stream(images, **how))

    @property
    def has_unit_features(self) -> bool:
        """Whether features are divided by their length before they are compared with centers, as the loss did."""
        return bool(self.record.run.loss_options.get("normalize"))

    def distances_of(self, features: Tensor) -> Tensor | None:
        """The distance of features to each center, shape ``(N, C)``; None of a run without centers.

        Args:
            features: Shape ``(N, D)``, as :meth:`embed` gives them.
        """
        if self.centers is None:
            return None
        return distances_to(self.centers, features, normalize=self.has_unit_features)

    def source(self, images: Any, **how: Unpack[How]) -> Source:
        """The images, found but not read.

        Raises:
            ValueError: If there are none, or they are nothing that is taken.
        """
        _refuse_unknown(how)
        data_dir = how.get("data_dir")
        channels, side, _ = self.frame.image_shape
        return find_source(
            images,
            class_names=self.class_names,
            channels=channels,
            image_size=side,
            split=how.get("split"),
            data_dir=None if data_dir is None else Path(data_dir),
            download=converted("images", "download", bool, how.get("download", False)),
            record=self.record,
        )

    def stream(self, images: Any, **how: Unpack[How]) -> Iterator[Predictions]:
        """The same as :meth:`predict`, batch by batch: for more images than fit into memory.

        Args:
            images: See :class:`Trained`; or what :meth:`source` gave.
            how: See :class:`How`.

        Raises:
            ValueError: As :meth:`source`.

        Warns:
            UserWarning: At the end, of what in the images the network does not see.
        """
        _refuse_unknown(how)
        batch_size = converted("images", "batch_size", Count, how.get("batch_size", 256))
        workers = converted("images", "workers", Natural, how.get("workers", 0))
        frame = self.frame.scaled(converted("images", "resize", Scaling | None, how.get("resize")))
        source = images if isinstance(images, Source) else self.source(images, **how)
        return self._streamed(source, frame, batch_size, workers)

    def _streamed(self, source: Source, frame: Frame, batch_size: int, workers: int) -> Iterator[Predictions]:
        lost: dict[str, tuple[int, str]] = {}
        rejection = None if self.rejector is None else self.rejector.describe()
        for rows, read in read_in_order(source, frame, batch_size, workers):
            for what, (count, place) in read.lost.items():
                before, first = lost.get(what, (0, source.names[rows[place]]))
                lost[what] = before + count, first
            yield self._predicted(source, rows, read, rejection)
        for what, (count, first) in lost.items():
            several = f"{count:,} images" if count > 1 else "1 image"
            words = what if count > 1 else what.replace("have", "has", 1)
            warnings.warn(f"{source.title}: {several} {words}: {first}.", stacklevel=2)

    def _column(self, who: str, of: Callable[[Predictions], Tensor | None], images: Any, how: How) -> Tensor:
        """One of the outputs for all images: the others are not kept."""
        kept: list[Tensor] = []
        problems: list[str] = []
        for part in self.stream(images, **how):
            values = of(part)
            assert values is not None, "there are centers where distances are asked for"
            kept.append(values)
            problems += part.problems.values()
        whole = torch.cat(kept)
        _say_problems(who, problems, len(whole), stacklevel=4)
        return whole

    def _predicted(self, source: Source, rows: range, read: Read, rejection: str | None) -> Predictions:
        count, problems = len(rows), dict(read.problems)
        places = torch.tensor([place for place in range(count) if place not in problems], dtype=torch.int64)
        if len(places):
            precision = precision_of(self.record.run.precision, self.device)
            features, logits = outputs_of(self.model, self.preprocess, read.pixels, precision)
        else:  # a network of one's own may not take no images
            features, logits = (
                self.preprocess.mean.new_empty(0, size) for size in (self.feature_dim, len(self.record.class_names))
            )
        finite = torch.isfinite(features).all(1) & torch.isfinite(logits).all(1)
        for place in places[~finite.cpu()].tolist():
            problems[place] = f"{source.names[rows[place]]} gives features or logits that are not finite."
        features, logits, places = features[finite], logits[finite], places[finite.cpu()]
        distances = self.distances_of(features)
        accepted = None if self.rejector is None else accepts(self.rejector, features, logits)
        nan = float("nan")
        return Predictions(
            names=source.names[rows.start : rows.stop],
            class_names=self.class_names,
            features=in_their_rows(features, places, count, nan),
            logits=in_their_rows(logits, places, count, nan),
            distances=None if distances is None else in_their_rows(distances, places, count, nan),
            given=None if source.labels is None else source.labels[rows.start : rows.stop],
            problems=problems,
            accepted=None if accepted is None else in_their_rows(accepted, places, count, False),
            rejection=rejection,
        )


def _refuse_unknown(how: How) -> None:
    """Refuse a keyword that nothing heeds.

    Raises:
        ValueError: With the nearest that there are.
    """
    for name in how:
        if name not in How.__annotations__:
            raise unknown("way to read images", name, How.__annotations__)


def _say_problems(who: str, problems: Sequence[str], count: int, stacklevel: int) -> None:
    """Warn of images that cannot be read.

    Raises:
        ValueError: If none can.
    """
    if not problems:
        return
    if len(problems) == count:
        none = "" if count == 1 else f"none of {count:,} images can be read: "
        raise ValueError(f"{who}: {none}{problems[0]}")
    told = f"{len(problems):,} of {count:,} images cannot be read, and have NaN in their rows"
    warnings.warn(f"{who}: {told}: {problems[0]}", stacklevel=stacklevel)
