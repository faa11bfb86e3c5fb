r"""Class prototypes: the mean feature of each class, for models that learn no centers.

Axes: N samples, C classes, D feature dimensions.
"""

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._values import Count, Natural, checked, converted
from sigma2r.evaluation._inputs import check_name, labelled, matrix, names_of, prepared, told, told_by_labels
from sigma2r.evaluation._kept import KeepsDtype
from sigma2r.losses._distances import distances_between, nearest
from sigma2r.losses._precision import without_autocast
from sigma2r.metrics.spread import ClassStatistics, counted

_CHUNK = 2**22  # numbers of features that are turned into float64 at once
_STATE = ("centers", "count", "scatter")


class ClassPrototypes(KeepsDtype):
    r"""The mean feature of each class, and the class of the nearest: a classifier without training.

    .. math:: c_k = \frac{1}{n_k} \sum_{y_i = k} x_i, \qquad \hat y(x) = \arg\min_k \lVert x - c_k \rVert

    Count, mean and scatter of each class are buffers in float64 (as :class:`~sigma2r.metrics.ClassStatistics`), so
    they follow the module between devices that have float64, stay as wide under ``half()``, are saved with its
    ``state_dict`` (tensors alone, class names and settings among them), and do not depend on the parts in which
    features came. Features on another device are brought to them, and what is asked goes back. Loading a state dict
    takes over its sizes, names and settings.

    Args:
        num_classes: C; may be 0, where classes are added.
        feature_dim: D.
        class_names: A name for each class, all different; default ``"0"``, ``"1"``, ...
        normalize: Divide each feature by its Euclidean length first, for means and for distances.

    Raises:
        ValueError: If a count makes no sense, or names are not as many as classes or not all different.

    Example:
        >>> features, labels = torch.tensor([[0.0, 0.0], [2.0, 0.0], [9.0, 9.0]]), torch.tensor([0, 0, 1])
        >>> prototypes = ClassPrototypes.fit(features, labels, class_names=["cat", "dog"])
        >>> prototypes.add_class("cow", torch.tensor([[-9.0, 8.0], [-9.0, 10.0]]))
        >>> [prototypes.class_names[k] for k in prototypes.predict(torch.tensor([[1.0, 1.0], [-8.0, 8.0]]))]
        ['cat', 'cow']

    Source: the nearest class mean classifier, for which "Distance-Based Image Classification: Generalizing to New
    Classes at Near-Zero Cost", TPAMI 2013, learns a metric; here the distance is the Euclidean one.
    """

    centers: Tensor
    """(C, D) float64: means; zeros for a class without images."""
    count: Tensor
    """(C,) int64: images of each class."""
    scatter: Tensor
    """(C,) float64: the sum of squared distances to the mean."""

    @checked
    def __init__(
        self,
        num_classes: Natural,
        feature_dim: Count,
        *,
        class_names: Sequence[str] | None = None,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        self.class_names = names_of("ClassPrototypes", class_names, num_classes)
        self.normalize = normalize
        self.register_buffer("centers", torch.zeros(num_classes, feature_dim, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(num_classes, dtype=torch.int64))
        self.register_buffer("scatter", torch.zeros(num_classes, dtype=torch.float64))

    @classmethod
    def fit(
        cls,
        features: Float[Tensor, "N D"],
        labels: Int[Tensor, " N"],
        *,
        num_classes: int | None = None,
        class_names: Sequence[str] | None = None,
        normalize: bool = False,
    ) -> "ClassPrototypes":
        """The prototypes of features, on their device (on the CPU where that lacks float64).

        Args:
            features: Shape ``(N, D)``, of any floating dtype.
            labels: Class indices, shape ``(N,)``.
            num_classes: C; default: as many as there are names, otherwise one more than the largest label.
            class_names: A name for each class; default their indices.
            normalize: Divide each feature by its Euclidean length first.

        Raises:
            ValueError: If shapes, dtypes, labels, names and ``num_classes`` do not fit, there is no sample, or no row
                of features is finite.

        Warns:
            UserWarning: If a class has no image, and so is never predicted, or if rows that hold NaN or infinite
                values were left out.
        """
        who = "ClassPrototypes.fit"
        rows, known = labelled(who, features, labels)
        if not known.numel():
            raise ValueError(f"{who}: there must be at least one sample; got none.")
        if num_classes is None:
            num_classes = told_by_labels(who, known) if class_names is None else len(class_names)
        with torch.inference_mode(False):
            prototypes = cls(num_classes, rows.shape[1], class_names=class_names, normalize=normalize)
        if rows.device.type != "mps":
            prototypes.to(rows.device)
        prototypes._take(who, rows, known)
        without = [name for name, n in zip(prototypes.class_names, prototypes.count.tolist(), strict=True) if not n]
        if without:
            warnings.warn(
                f"{who}: {len(without)} of {num_classes} classes have no image and are never predicted: "
                f"{told(without)}.",
                stacklevel=2,
            )
        return prototypes

    @property
    def num_classes(self) -> int:
        """C."""
        return self.centers.shape[0]

    @property
    def feature_dim(self) -> int:
        """D."""
        return self.centers.shape[1]

    @property
    def statistics(self) -> ClassStatistics:
        """Count, mean and scatter, for measures of spread."""
        return ClassStatistics(self.count, self.centers, self.scatter)

    def update(self, features: Float[Tensor, "N D"], labels: Int[Tensor, " N"]) -> None:
        """Take in more samples; in whatever parts they come, the result is the same up to rounding in float64.

        Args:
            features: Shape ``(N, D)``.
            labels: Class indices in ``[0, C)``, shape ``(N,)``.

        Raises:
            ValueError: If they do not fit, or no row of features is finite.

        Warns:
            UserWarning: If rows that hold NaN or infinite values were left out.
        """
        self._take("ClassPrototypes.update", features, labels)

    @torch.no_grad()
    def _take(self, who: str, features: Any, labels: Any) -> None:
        rows, known = labelled(who, features, labels, self.num_classes, self.feature_dim)
        num_bad = 0
        for part, own in self._parts(rows, known):
            finite = part.isfinite().all(1)
            bad = int((~finite).sum())
            num_bad += bad
            self._merge(own[finite] if bad else own, part[finite] if bad else part)
        if num_bad and num_bad == rows.shape[0]:
            raise ValueError(f"{who}: features must be finite; all {num_bad} rows hold NaN or infinite values.")
        if num_bad:
            warnings.warn(
                f"{who}: {num_bad} of {rows.shape[0]} rows of features hold NaN or infinite values and are left out.",
                stacklevel=4,
            )

    def _parts(self, rows: Tensor, labels: Tensor) -> Any:
        """Samples a few at a time, prepared, on the device of the prototypes."""
        size, device = max(1, _CHUNK // self.feature_dim), self.centers.device
        for part, own in zip(torch.split(rows, size), torch.split(labels, size), strict=True):
            with without_autocast(part):
                yield prepared(part, self.normalize).to(device), own.to(device)

    def _merge(self, labels: Tensor, rows: Tensor) -> None:
        """Merge samples into the classes that they show; what is held grows with these, not with C."""
        present, own = torch.unique(labels, return_inverse=True)
        old = ClassStatistics(*(getattr(self, name)[present] for name in ("count", "centers", "scatter")))
        new = old.merge(counted(rows, own, present.shape[0]))
        self.count.index_copy_(0, present, new.count)
        self.centers.index_copy_(0, present, new.mean)
        self.scatter.index_copy_(0, present, new.scatter)

    @torch.inference_mode(False)
    @torch.no_grad()
    def merge(self, other: "ClassPrototypes") -> "ClassPrototypes":
        """The prototypes of the samples of both, such as those of two processes.

        Raises:
            ValueError: If the two differ in classes, dimensions or ``normalize``.
        """
        for what in ("class_names", "feature_dim", "normalize"):
            if getattr(self, what) != getattr(other, what):
                raise ValueError(
                    f"ClassPrototypes.merge: both must have the same {what}; they have not. Prototypes of other "
                    "classes are added by add_class."
                )
        both = ClassPrototypes(
            self.num_classes, self.feature_dim, class_names=self.class_names, normalize=self.normalize
        )
        merged = self.statistics.merge(
            ClassStatistics(*(part.to(self.centers.device) for part in (other.count, other.centers, other.scatter)))
        )
        both.count, both.centers, both.scatter = merged.count, merged.mean, merged.scatter
        return both

    @torch.inference_mode(False)
    @torch.no_grad()
    def add_class(self, name: str, features: Float[Tensor, "M D"]) -> None:
        """Add a class behind those that are there, by images of it; nothing is trained, and the others stay.

        Args:
            name: One that no class has yet.
            features: Shape ``(M, D)``, at least one.

        Raises:
            ValueError: If there is such a class already, or features do not fit, are none, or are not finite.
        """
        who = "ClassPrototypes.add_class"
        check_name(who, name)
        if name in self.class_names:
            raise ValueError(
                f"{who}: the name must be one that no class has yet; {told([name])} is class "
                f"{self.class_names.index(name)}. More images of it: update(features, labels)."
            )
        rows = matrix(who, "features", features, self.feature_dim)
        if not rows.shape[0] or not rows.isfinite().all():
            what = "hold NaN or infinite values" if rows.shape[0] else "are none"
            raise ValueError(f"{who}: features must be those of at least one image, and finite; they {what}.")
        for each in _STATE:
            old = getattr(self, each)
            setattr(self, each, torch.cat([old, old.new_zeros(1, *old.shape[1:])]))
        self.class_names = (*self.class_names, name)
        self._take(who, rows, torch.full((rows.shape[0],), self.num_classes - 1, device=rows.device))

    def distances(self, features: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """The Euclidean distance from each feature to each prototype; the gradient reaches features.

        Each comes from the difference of its two points in float64.

        Args:
            features: Shape ``(N, D)``.

        Returns:
            Feature units, shape ``(N, C)``, float32 or wider: infinite for classes without images, NaN where features
            are.

        Raises:
            ValueError: If features do not fit, or no class has an image.
        """
        who = "ClassPrototypes.distances"
        rows = matrix(who, "features", features, self.feature_dim)
        self._check_filled(who)
        with without_autocast(rows):
            x = prepared(rows, self.normalize).to(self.centers.device)
            distances = distances_between(x, self.centers, x.dtype).masked_fill(self.count == 0, torch.inf)
        return distances.to(rows.device)

    @torch.no_grad()
    def predict(self, features: Float[Tensor, "N D"]) -> Int[Tensor, " N"]:
        """The class of the nearest prototype; classes without images are left out.

        Args:
            features: Shape ``(N, D)``.

        Returns:
            Class indices, shape ``(N,)``, int64. Of two that are equally near, up to the rounding of float64 inner
            products about their mean, either may be taken.

        Raises:
            ValueError: If features do not fit or are not finite, or no class has an image.
        """
        who = "ClassPrototypes.predict"
        rows = matrix(who, "features", features, self.feature_dim)
        self._check_filled(who)
        present = self.count.nonzero().squeeze(1)
        with without_autocast(rows):
            x = prepared(rows, self.normalize).to(self.centers.device)
            full = present.shape[0] == self.num_classes
            found = nearest(x, self.centers if full else self.centers[present]).squeeze(1)
        if num_bad := int((found < 0).sum()):
            raise ValueError(
                f"{who}: features must be finite; {num_bad} of {rows.shape[0]} rows hold NaN or infinite values."
            )
        return (found if full else present[found]).to(rows.device)

    def _check_filled(self, who: str) -> None:
        if not self.count.any():
            raise ValueError(f"{who}: at least one class must have images; none has. Call update or add_class first.")

    def get_extra_state(self) -> Tensor:
        """Class names and settings in the state dict: JSON as the bytes of a tensor, so that it holds tensors alone."""
        text = json.dumps({"class_names": self.class_names, "normalize": self.normalize})
        return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8).clone()

    def set_extra_state(self, state: Any) -> None:
        """What :meth:`get_extra_state` gave.

        Raises:
            ValueError: If it is something else, or does not fit the tensors beside it.
        """
        who = "ClassPrototypes.load_state_dict"
        try:
            read = json.loads(bytes(state.tolist()).decode())
            names, normalize = read["class_names"], read["normalize"]
        except (AttributeError, TypeError, ValueError, KeyError) as error:
            raise ValueError(f"{who}: the state must be that of ClassPrototypes; its names cannot be read.") from error
        self.class_names = names_of(who, names, self.num_classes)
        self.normalize = converted(who, "normalize", bool, normalize)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Take over the sizes of what is loaded."""
        given = [each for name in _STATE if isinstance(each := state_dict.get(prefix + name), Tensor)]
        if len(given) == len(_STATE):
            centers, *others = given
            if centers.ndim != 2 or any(each.shape != centers.shape[:1] for each in others):
                raise ValueError(
                    "ClassPrototypes.load_state_dict: centers, count and scatter must have a row for each class; they "
                    f"have shapes {', '.join(str(tuple(each.shape)) for each in given)}."
                )
            for name, each in zip(_STATE, given, strict=True):
                old = getattr(self, name)
                if old.shape != each.shape:
                    setattr(self, name, old.new_zeros(each.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        """Sizes and settings, for ``print(prototypes)``."""
        return f"{self.num_classes}, {self.feature_dim}, normalize={self.normalize}"
