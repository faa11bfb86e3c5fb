r"""The joint objective of Eq. 11: a classification loss, and beside it losses on the features.

Axes: N samples in the batch, C classes, D feature dimensions.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from sigma2r.losses._batch import IGNORE_INDEX
from sigma2r.losses._checks import check_weights, values_are_readable
from sigma2r.losses._precision import without_autocast, working_dtype
from sigma2r.losses._reduction import reduce

Weight = float | Callable[[int], float]


@dataclass(frozen=True)
class WarmUp:
    """A weight that rises linearly: ``weight / epochs`` in the first epoch, ``weight`` from epoch ``epochs`` on.

    Args:
        weight: Where it ends.
        epochs: How many epochs it takes; with 0 or 1 it is constant.

    Example:
        >>> [WarmUp(0.4, epochs=4)(epoch) for epoch in (0, 1, 3, 9)]
        [0.1, 0.2, 0.4, 0.4]
    """

    weight: float
    epochs: int

    def __call__(self, epoch: int) -> float:
        """The weight in an epoch, counted from 0."""
        return self.weight * min(1.0, (epoch + 1) / max(self.epochs, 1))


class JointLoss(nn.Module):
    r"""Cross-entropy of the logits plus weighted losses on the features.

    .. math:: \mathcal{L} = \mathcal{L}_{xent} + \sum_k \lambda_k \mathcal{L}_k

    Args:
        auxiliary: A loss called as ``auxiliary(features, labels)``, such as :class:`SigmaSquaredRLoss`, or several.
        weight: lambda, at least 0; the paper's is 0.01. Or a function of the epoch, such as :class:`WarmUp`, which
            :meth:`set_epoch` asks. For several losses one each. Below 0 for a loss that it makes sense to raise,
            :class:`SoftNearestNeighborLoss`.
        ignore_index: Rows with this label have no cross-entropy; the same as that of the losses.

    Raises:
        ValueError: If a weight is negative (and the loss is not to be raised) or not finite, or there are not as
            many weights as losses.

    Example:
        >>> import torch
        >>> from sigma2r.losses import CenterLoss
        >>> criterion = JointLoss(CenterLoss(3, 2), weight=0.01)
        >>> features, logits, labels = torch.randn(6, 2), torch.randn(6, 3), torch.arange(6) % 3
        >>> criterion(features, logits, labels).shape
        torch.Size([])

    Source: arXiv 2009.08796, eq. 11.
    """

    def __init__(
        self,
        auxiliary: nn.Module | Sequence[nn.Module],
        weight: Weight | Sequence[Weight],
        *,
        ignore_index: int = IGNORE_INDEX,
    ) -> None:
        super().__init__()
        losses = [auxiliary] if isinstance(auxiliary, nn.Module) else list(auxiliary)
        weights = list(weight) if isinstance(weight, Sequence) else [weight]
        if not losses or len(losses) != len(weights):
            raise ValueError(
                f"JointLoss: there must be at least one auxiliary loss, and a weight for each; got {len(losses)} and "
                f"{len(weights)}."
            )
        self.auxiliaries = nn.ModuleList(losses)
        self.schedules = weights
        self.ignore_index = ignore_index
        self.weights: list[float] = []
        self.set_epoch(0)

    @property
    def auxiliary(self) -> nn.Module:
        """The first auxiliary loss: the only one, mostly."""
        return self.auxiliaries[0]

    @property
    def weight(self) -> float:
        """The current weight of the first auxiliary loss."""
        return self.weights[0]

    def set_epoch(self, epoch: int) -> None:
        """Set the weights of an epoch, counted from 0; constant weights stay.

        Raises:
            ValueError: If a weight is negative or not finite.
        """
        weights = [schedule(epoch) if callable(schedule) else schedule for schedule in self.schedules]
        for loss, weight in zip(self.auxiliaries, weights, strict=True):
            least = -math.inf if getattr(loss, "may_be_raised", False) else 0
            if not (least <= weight < math.inf and weight > -math.inf):
                raise ValueError(f"JointLoss: weight must be a finite number of at least 0; got {weight!r}.")
        self.weights = weights

    def forward(
        self,
        features: Float[Tensor, "N D"] | Sequence[Tensor],
        logits: Float[Tensor, "N C"],
        labels: Int[Tensor, " N"],
        *,
        weights: Float[Tensor, " N"] | None = None,
    ) -> Tensor:
        """The joint loss of a batch, a scalar.

        Args:
            features: What the auxiliary losses see, shape ``(N, D)``: one for all, or a sequence with one for each
                loss, as from several layers of a :class:`sigma2r.FeatureTap`.
            logits: Shape ``(N, C)``.
            labels: Class indices in ``[0, C)``, shape ``(N,)``.
            weights: A factor for each sample, shape ``(N,)``.

        Raises:
            ValueError: If logits do not have one row per sample, or a loss refuses its input.
        """
        return self.total(*self.terms(features, logits, labels, weights=weights))

    def terms(
        self,
        features: Float[Tensor, "N D"] | Sequence[Tensor],
        logits: Float[Tensor, "N C"],
        labels: Int[Tensor, " N"],
        *,
        weights: Float[Tensor, " N"] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Cross-entropy, and each auxiliary loss before its weight, for logs."""
        seen = [features] * len(self.auxiliaries) if isinstance(features, Tensor) else list(features)
        if len(seen) != len(self.auxiliaries):
            raise ValueError(
                f"JointLoss: features must be one tensor, or one for each of the {len(self.auxiliaries)} auxiliary "
                f"losses; got {len(seen)}."
            )
        num_samples = seen[0].shape[0]
        if logits.ndim != 2 or logits.shape[0] != num_samples:
            raise ValueError(
                f"JointLoss: logits must have one row per row of features, shape ({num_samples}, C); got "
                f"{tuple(logits.shape)}. The order is loss(features, logits, labels)."
            )
        keywords = {} if weights is None else {"weights": weights}
        pairs = zip(self.auxiliaries, seen, strict=True)
        auxiliary = [loss(each, labels, **keywords) for loss, each in pairs]
        return self._cross_entropy(logits, labels.long(), weights), auxiliary

    def total(self, cross_entropy: Tensor, auxiliary: Sequence[Tensor]) -> Tensor:
        """The weighted sum of :meth:`terms`."""
        total = cross_entropy
        for weight, value in zip(self.weights, auxiliary, strict=True):
            total = total + weight * value
        return total

    def _cross_entropy(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        """The mean over rows that are not ignored; 0, and in the graph, where there is none."""
        with without_autocast(logits):
            logits = logits.to(working_dtype(logits))
            if weights is not None:
                check_weights("JointLoss", logits, weights)
                each = F.cross_entropy(logits, labels, ignore_index=self.ignore_index, reduction="none")
                return reduce(each, "mean", labels != self.ignore_index, weights)
            if values_are_readable(labels):  # torch's mean of nothing is NaN: looked at where that is free
                mean = F.cross_entropy(logits, labels, ignore_index=self.ignore_index)
                return logits[:0].sum() if mean.isnan() and (labels == self.ignore_index).all() else mean
            total = F.cross_entropy(logits, labels, ignore_index=self.ignore_index, reduction="sum")
            return total / (labels != self.ignore_index).sum().clamp_min(1)

    def param_groups(self, *, lr: float, named: bool = False, prefix: str = "") -> list[dict[str, object]]:
        """The groups of the auxiliary losses for an optimizer; none if they learn nothing.

        What a loss learns lowers that loss also where its weight is negative: such groups say ``maximize``. No two
        have one name: of several ``centers`` the second are ``centers-2``.

        Args:
            lr: Their learning rate.
            named: Give each parameter with its name, as torch wants it beside ``network.named_parameters()``.
            prefix: Before each name.
        """
        groups: list[dict[str, object]] = []
        for loss, weight in zip(self.auxiliaries, self.weights, strict=True):
            own = getattr(loss, "param_groups", None)
            mine = [] if own is None else cast("list[dict[str, object]]", own(lr=lr))
            groups += [{**group, "maximize": True} if weight < 0 else {**group} for group in mine]
        seen, known = Counter[object](), {id(p): prefix + name for name, p in self.named_parameters()}
        for group in groups:
            name = group.get("name", "auxiliary")
            seen[name] += 1
            group["name"] = prefix + (f"{name}-{seen[name]}" if seen[name] > 1 else f"{name}")
            if named:
                held = cast("list[nn.Parameter]", group["params"])
                group["params"] = [(known[id(parameter)], parameter) for parameter in held]
        return groups

    def extra_repr(self) -> str:
        """The weights, for ``print(loss)``."""
        return f"weight={self.schedules[0] if len(self.schedules) == 1 else self.schedules}"
