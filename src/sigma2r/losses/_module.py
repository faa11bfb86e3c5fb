"""What losses share as modules: settings that are passed on and printed, and state with a row for each class."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, SupportsIndex

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sigma2r._values import Count, NotNegative, checked, converted
from sigma2r.losses._centers import move_to_class_means, new_centers
from sigma2r.losses._classes import classes_to_remove, grow, keep_rows
from sigma2r.losses._distances import center_distances, nearest_center
from sigma2r.losses._processes import warn_of_others
from sigma2r.losses._reduction import Reduction
from sigma2r.losses._tuples import Mined, mined_weights, refuse_mined


def groups_of(
    module: nn.Module, lr: float, *, named: bool = False, prefix: str = "", recurse: bool = False
) -> list[dict[str, object]]:
    """A group for each tensor that ``module`` itself learns, or its parts as well; see :meth:`ClassLoss.param_groups`.

    Args:
        module: A loss.
        lr: The learning rate of every group; there is no weight decay.
        named: Parameters as pairs of name and tensor.
        prefix: What names begin with.
        recurse: With the parameters of its parts.
    """
    learned = [(prefix + name, p) for name, p in module.named_parameters(recurse=recurse) if p.requires_grad]
    return [{"name": name, "params": [(name, p) if named else p], "lr": lr, "weight_decay": 0.0} for name, p in learned]


class FeatureLoss(nn.Module):
    """Abstract: a loss called as ``loss(features, labels, weights=None)``; final losses say which function it is.

    The third place is that of pytorch-metric-learning's ``indices_tuple``, so that a loss can stand in its
    ``MultipleLosses`` and trainers, with or without a miner.
    """

    function: ClassVar[Callable[..., Tensor]]
    """The pure function: features, labels, then the module's own parameters in the order of their registration."""

    settings: ClassVar[tuple[str, ...]] = ("ignore_index", "normalize", "reduction")
    """The attributes that are passed on to the pure function, by their names."""

    may_be_raised: ClassVar[bool] = False
    """Whether a :class:`JointLoss` may weigh it negatively, to raise it."""

    gathered = False
    """Whether it sees the rows of all processes; see :func:`sigma2r.distributed.gather`."""

    told_of_others = False

    takes_mined: ClassVar[bool] = False
    """Whether what a miner chose can be honoured: where each sample is compared with centers, it weighs samples."""

    @checked
    def __init__(self, *, ignore_index: int, normalize: bool, reduction: Reduction) -> None:
        super().__init__()
        self.ignore_index = ignore_index
        self.normalize = normalize
        self.reduction: Reduction = reduction

    def forward(
        self,
        features: Float[Tensor, "N D"],
        labels: Int[Tensor, " N"],
        indices_tuple: Mined | None = None,
        *,
        weights: Float[Tensor, " N"] | None = None,
    ) -> Tensor:
        """The loss of a batch, by the pure function of the same name.

        Args:
            features: Shape ``(N, D)``.
            labels: Class indices, shape ``(N,)``.
            indices_tuple: What a miner of pytorch-metric-learning chose. A loss that compares each sample with centers
                weighs it by how often it stands there, over the count of the sample that does most (1 for all where
                nothing does), as that library's losses with a row for each class do; neighbours are still those of the
                whole batch. ``"mean"`` divides by the sum of these weights, theirs by N. A loss that compares samples
                with one another refuses it.
            weights: A factor for each sample, shape ``(N,)``.
        """
        if not (self.gathered or self.told_of_others):
            warn_of_others(self)
        learned = self.parameters(recurse=False)
        weights = self.weighed(features, indices_tuple, weights)
        return type(self).function(features, labels, *learned, weights=weights, **self.keywords())

    def weighed(self, features: Tensor, indices_tuple: Mined | None, weights: Tensor | None) -> Tensor | None:
        """The weight of each sample, (N,), with what a miner chose.

        Raises:
            ValueError: If the loss cannot honour that, or it is no choice of samples of this batch.
        """
        if not self.takes_mined:
            refuse_mined(type(self).__name__, indices_tuple)
        return mined_weights(type(self).__name__, features, indices_tuple, weights)

    def keywords(self) -> dict[str, Any]:
        """The settings, as the pure function takes them."""
        return {name: getattr(self, name) for name in self.settings}

    def class_figures(self) -> dict[str, Tensor]:
        """What is worth keeping of each class, by name, shape ``(C,)`` each: a trainer records it each epoch."""
        return {}

    def extra_repr(self) -> str:
        """Sizes and settings, for ``print(loss)``."""
        return ", ".join(f"{name}={value!r}" for name, value in self.keywords().items())


class ClassLoss(FeatureLoss):
    """Abstract: a loss that learns ``centers`` (C, D), and perhaps more, with a row for each class.

    Every parameter of the module itself has C rows.
    """

    takes_mined = True
    centers: nn.Parameter

    @checked
    def __init__(
        self,
        num_classes: Count,
        feature_dim: Count,
        *,
        ignore_index: int,
        normalize: bool,
        reduction: Reduction,
        center_std: NotNegative,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__(ignore_index=ignore_index, normalize=normalize, reduction=reduction)
        self.center_std = center_std
        self.centers = new_centers(type(self).__name__, num_classes, feature_dim, center_std, generator)

    @property
    def num_classes(self) -> int:
        """C."""
        return self.centers.shape[0]

    @property
    def feature_dim(self) -> int:
        """D."""
        return self.centers.shape[1]

    def init_centers(self, features: Float[Tensor, "M D"], labels: Int[Tensor, " M"]) -> None:
        """Move each center to the mean of its class in ``features``; absent classes stay where they are.

        Features are prepared as the loss prepares them: rows of ``ignore_index`` left out, and of unit length if the
        loss has ``normalize=True``.

        Args:
            features: Shape ``(M, D)``, of a batch or of many.
            labels: Class indices, shape ``(M,)``.

        Raises:
            ValueError: If features or labels do not fit, no row is finite, or a mean overflows the centers' dtype.

        Warns:
            UserWarning: If rows that hold NaN or infinite values were left out.
        """
        move_to_class_means(
            type(self).__name__,
            self.centers,
            features,
            labels,
            ignore_index=self.ignore_index,
            normalize=self.normalize,
        )

    def distances(self, features: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """The Euclidean distance from each feature to the center of each class.

        Each comes from the difference of its two points, in float64 where the device has it, so that a common offset
        costs no digits. Features are prepared as the loss prepares them, so of unit length if it has
        ``normalize=True``. The gradient reaches features and centers; it is 0 where the two coincide.

        Args:
            features: Shape ``(N, D)``.

        Returns:
            Feature units (not squared, whatever the loss does), shape ``(N, C)``, float32 or wider; NaN where features
            are.

        Raises:
            ValueError: If features do not fit.

        Example:
            >>> from sigma2r import CenterLoss
            >>> CenterLoss(num_classes=2, feature_dim=2, center_std=0.0).distances(torch.tensor([[3.0, 4.0]])).tolist()
            [[5.0, 5.0]]
        """
        return center_distances(f"{type(self).__name__}.distances", features, self.centers, self.normalize)

    def predict(self, features: Float[Tensor, "N D"]) -> Int[Tensor, " N"]:
        """The class whose center is nearest to each feature; no gradient runs through it.

        What is held at once is bounded, however many classes there are. Of two centers that are equally near, up to
        the rounding of float64 inner products about their mean, either may be taken.

        Args:
            features: Shape ``(N, D)``, prepared as for :meth:`distances`.

        Returns:
            Class indices, shape ``(N,)``, int64. Where NaN or infinite values come and looking at them is not free, on
            an accelerator outside :func:`sigma2r.check_values` and in compiled code, -1.

        Raises:
            ValueError: If features do not fit, or if features or centers are not finite.
        """
        return nearest_center(f"{type(self).__name__}.predict", features, self.centers, self.normalize)

    def param_groups(self, *, lr: float, named: bool = False, prefix: str = "") -> list[dict[str, object]]:
        """The groups for an optimizer, one for each learned tensor, at ``lr`` and without weight decay.

        Weight decay would pull centers to the origin, and growth to 0, which is a slope of Z / 2.

        Args:
            lr: Their learning rate.
            named: Give each parameter with its name, as torch wants it beside ``network.named_parameters()``.
            prefix: Before each name, where the groups of several losses must differ by name; those of a
                :class:`JointLoss` do.
        """
        return groups_of(self, lr, named=named, prefix=prefix)

    @torch.no_grad()
    def add_classes(
        self,
        count: int,
        *,
        optimizer: torch.optim.Optimizer | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Add ``count`` classes behind those that are there; their rows start as those of a new loss do.

        Args:
            count: How many.
            optimizer: The one that holds the loss's parameters: what it remembers gets rows of zeros.
            generator: Where the new rows are drawn from.

        Raises:
            ValueError: If ``count`` is below 1.
        """
        count = converted(type(self).__name__, "count", Count, count)
        for name, parameter in self.named_parameters(recurse=False):
            grow(parameter, self.new_rows(name, parameter, count, generator), optimizer)

    def new_rows(self, name: str, parameter: nn.Parameter, count: int, generator: torch.Generator | None) -> Tensor:
        """``count`` rows as those that a new loss starts with."""
        std = self.center_std if name == "centers" else 1.0
        return std * torch.randn(count, *parameter.shape[1:], generator=generator)

    @torch.no_grad()
    def remove_classes(
        self,
        classes: SupportsIndex | Iterable[SupportsIndex] | Tensor,
        *,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> None:
        """Remove classes; those behind them move up, so labels have to be renumbered.

        Args:
            classes: Their indices, in any collection of whole numbers (list, set, range, tensor, array), or one index.
            optimizer: The one that holds the loss's parameters: what it remembers loses the same rows.

        Raises:
            ValueError: If an index is not that of a class (a bool or a float never is), or no class would be left.
        """
        gone = classes_to_remove(type(self).__name__, classes, self.num_classes)
        kept = torch.tensor([k for k in range(self.num_classes) if k not in gone])
        for parameter in self.parameters(recurse=False):
            keep_rows(parameter, kept, optimizer)

    def extra_repr(self) -> str:
        """Sizes and settings, for ``print(loss)``."""
        return f"{self.num_classes}, {self.feature_dim}, {super().extra_repr()}"
