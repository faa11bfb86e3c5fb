r"""The joint objective of Eq. 11: a classification loss, and beside it losses on the features.

Axes: N samples in the batch, C classes, D feature dimensions.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Real
from torch import Tensor, nn

from sigma2r._arrays import as_tensor
from sigma2r._shown import listed
from sigma2r._values import Natural, checked, converted
from sigma2r.losses._batch import IGNORE_INDEX
from sigma2r.losses._checks import check_weights, values_are_readable
from sigma2r.losses._joint_inputs import (
    check_apart,
    check_labels_given,
    check_logits,
    check_order,
    losses_of,
    one_each,
    target_of,
    weight_of,
    weights_of,
)
from sigma2r.losses._module import groups_of
from sigma2r.losses._others import all_ignored_by, as_wide_as, bare, check_take_weights, ignored_by
from sigma2r.losses._precision import without_autocast, working_dtype
from sigma2r.losses._reduction import reduce

Weight = float | Callable[[int], float]


@dataclass(frozen=True)
class WarmUp:
    """A weight that rises linearly: ``weight / epochs`` in the first epoch, ``weight`` from epoch ``epochs`` on.

    Args:
        weight: Where it ends.
        epochs: How many epochs it takes; with 0 or 1 it is constant.

    Raises:
        ValueError: If the weight is not finite, or ``epochs`` no whole number of at least 0.

    Example:
        >>> [WarmUp(0.4, epochs=4)(epoch) for epoch in (0, 1, 3, 9)]
        [0.1, 0.2, 0.4, 0.4]
    """

    weight: float
    epochs: int

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        object.__setattr__(self, "weight", converted("WarmUp", "weight", float, self.weight))
        object.__setattr__(self, "epochs", converted("WarmUp", "epochs", Natural, self.epochs))

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
        ignore_index: Rows with this label have no cross-entropy; default: that of the losses. A loss that has no
            ``ignore_index`` of its own, of another library mostly, is given the other rows alone.
        frozen_features: Features come without a graph, as from a frozen backbone with a head that learns: the losses
            on them then move their centers alone. Default: that is refused, as in training it is an accident.

    Raises:
        ValueError: If a loss is no module or another joint loss, two losses share what they learn, a weight is negative
            (and the loss is not to be raised) or not finite, there are not as many weights as losses, or the losses do
            not all ignore the same label.

    Example:
        >>> import torch
        >>> from sigma2r.losses import CenterLoss
        >>> criterion = JointLoss(CenterLoss(3, 2), weight=0.01)
        >>> features, logits, labels = torch.randn(6, 2), torch.randn(6, 3), torch.arange(6) % 3
        >>> criterion(features, logits, labels).shape
        torch.Size([])

    Source: arXiv 2009.08796, eq. 11.
    """

    sum_of_all: Callable[[Tensor], Tensor] | None = None
    """A sum over processes that share a batch, set by :func:`sigma2r.distributed.gather`."""

    @checked
    def __init__(
        self,
        auxiliary: nn.Module | Sequence[nn.Module],
        weight: Weight | Sequence[Weight],
        *,
        ignore_index: int | None = None,
        frozen_features: bool = False,
    ) -> None:
        super().__init__()
        losses, weights = losses_of(auxiliary), weights_of(weight)
        if not losses or len(losses) != len(weights):
            raise ValueError(
                f"JointLoss: there must be at least one auxiliary loss, and a weight for each; got {len(losses)} and "
                f"{len(weights)}."
            )
        if any(isinstance(getattr(loss, "_orig_mod", loss), JointLoss) for loss in losses):
            raise ValueError(
                "JointLoss: auxiliary must be a loss that is called with features and labels; got a JointLoss, which "
                "wants logits too. Give its losses in a list, and a weight for each."
            )
        check_apart(losses)
        self.auxiliaries = nn.ModuleList(losses)
        self.schedules = weights
        self.ignore_index = _common_ignore_index(losses, ignore_index)
        self._ignoring = [ignored_by(bare(loss)) is not None for loss in losses]
        self.frozen_features = frozen_features
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
        self.weights = [weight_of(loss, weight) for loss, weight in zip(self.auxiliaries, weights, strict=True)]

    def forward(
        self,
        features: Float[Tensor, "N D"] | Sequence[Tensor],
        logits: Float[Tensor, "N C"],
        labels: Int[Tensor, " N"] | Float[Tensor, "N C"] | None = None,
        *,
        targets: Real[Tensor, "..."] | None = None,
        weights: Float[Tensor, " N"] | None = None,
    ) -> Tensor:
        """The joint loss of a batch, a scalar.

        Args:
            features: What the auxiliary losses see, shape ``(N, D)``: one for all, or a sequence with one for each
                loss, as from several layers of a :class:`sigma2r.FeatureTap`.
            logits: Shape ``(N, C)``.
            labels: Class indices in ``[0, C)``, shape ``(N,)``. Shares of classes, ``(N, C)``, are taken by the
                cross-entropy and refused by losses that want a class.
            targets: What the cross-entropy is taken against instead of ``labels``, which are then those of the
                auxiliary losses alone: shares of classes, shape ``(N, C)``, as mixup and label smoothing make them,
                or class indices, shape ``(N,)``. A mixed image may be labelled ``ignore_index``: the auxiliary losses
                then leave it out.
            weights: A factor for each sample, shape ``(N,)``.

        Raises:
            ValueError: If logits do not have one row per sample, arguments were exchanged, a loss refuses its input or
                takes no weights, or, in training mode with gradients on, logits carry a graph and features do not
                (see ``frozen_features``).
        """
        return self.total(*self.terms(features, logits, labels, targets=targets, weights=weights))

    def terms(
        self,
        features: Float[Tensor, "N D"] | Sequence[Tensor],
        logits: Float[Tensor, "N C"],
        labels: Int[Tensor, " N"] | Float[Tensor, "N C"] | None = None,
        *,
        targets: Real[Tensor, "..."] | None = None,
        weights: Float[Tensor, " N"] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Cross-entropy, and each auxiliary loss before its weight, for logs."""
        check_labels_given(features, labels)
        name = "labels" if targets is None else "targets"
        try:
            seen = one_each(features, logits, len(self.auxiliaries))
            check_logits(seen[0], logits)
            self._check_graph(seen, logits)
            target = target_of(name, labels if targets is None else targets, logits)
            known = as_tensor("JointLoss", "labels", labels)
            factors = None if weights is None else check_weights("JointLoss", logits, weights, logits.shape[1])
            if factors is not None:
                check_take_weights(self.auxiliaries)
            keywords = {} if factors is None else {"weights": factors}
            auxiliary = [
                loss(each, known, **keywords) if ignores else self._of_rest(loss, each, known, keywords)
                for loss, each, ignores in zip(self.auxiliaries, seen, self._ignoring, strict=True)
            ]
        except ValueError:
            check_order(features, logits, labels, self.auxiliaries)
            raise
        try:
            return self._cross_entropy(logits, target, factors), auxiliary
        except IndexError as error:  # torch's, which has looked at the labels
            raise ValueError(
                f"JointLoss: {name} must lie in [0, {logits.shape[1]}), one index for each column of logits, or be "
                f"ignore_index={self.ignore_index}; torch says: {error}"
            ) from None

    def _of_rest(self, loss: nn.Module, features: Tensor, labels: Tensor, keywords: dict[str, Tensor]) -> Tensor:
        """A loss of others, which would take the ignored label for a class, of the other rows; 0 where there are none.

        Which these are is looked at wherever the labels are: on an accelerator that waits for it.
        """
        if labels.ndim == 1 and not labels.is_floating_point():
            rest = labels != self.ignore_index
            num_rest = int(rest.sum())
            if num_rest < rest.shape[0]:
                if num_rest == 0:
                    return features[:0].sum()
                keywords = {name: factors[rest.to(factors.device)] for name, factors in keywords.items()}
                features, labels = features[rest.to(features.device)], labels[rest]
        return cast("Tensor", loss(as_wide_as(loss, features), labels, **keywords))

    def _check_graph(self, seen: Sequence[Tensor], logits: Tensor) -> None:
        """Refuse to train a network that the losses on its features would not reach; looks at no value."""
        trains = self.training and torch.is_grad_enabled() and logits.requires_grad
        if not trains or self.frozen_features:
            return
        for place, features in enumerate(seen):
            if features.is_floating_point() and not features.requires_grad:
                which = "features" if len(seen) == 1 else f"features[{place}]"
                raise ValueError(
                    f"JointLoss: in training features must carry the graph of the network, as the logits do; {which} "
                    f"of shape {tuple(features.shape)} carry none, so their loss would not reach it. Do they come from "
                    "detach(), no_grad(), or a tap that a pass without gradients wrote to last? For a frozen backbone "
                    "say JointLoss(..., frozen_features=True); to evaluate, use torch.no_grad() or eval()."
                )

    def total(self, cross_entropy: Tensor, auxiliary: Sequence[Tensor]) -> Tensor:
        """The weighted sum of :meth:`terms`."""
        total = cross_entropy
        for weight, value in zip(self.weights, auxiliary, strict=True):
            total = total + weight * value
        return total

    def _cross_entropy(self, logits: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        """The mean over rows that are not ignored; 0, and in the graph, where there is none."""
        with without_autocast(logits):
            logits = logits.to(working_dtype(logits))
            if self.sum_of_all is not None:
                return self._cross_entropy_of_all(logits, target, weights, self.sum_of_all)
            if target.ndim == 2:
                return reduce(F.cross_entropy(logits, target.to(logits), reduction="none"), "mean", None, weights)
            labels = target.to(logits.device)
            if weights is not None:
                each = F.cross_entropy(logits, labels, ignore_index=self.ignore_index, reduction="none")
                return reduce(each, "mean", labels != self.ignore_index, weights)
            if values_are_readable(labels):  # torch's mean of nothing is NaN: looked at where that is free
                mean = F.cross_entropy(logits, labels, ignore_index=self.ignore_index)
                return logits[:0].sum() if mean.isnan() and (labels == self.ignore_index).all() else mean
            total = F.cross_entropy(logits, labels, ignore_index=self.ignore_index, reduction="sum")
            return total / (labels != self.ignore_index).sum().clamp_min(1)

    def _cross_entropy_of_all(
        self, logits: Tensor, target: Tensor, weights: Tensor | None, sum_of_all: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """The mean over the rows of all processes, of which this one has some, or none."""
        if target.ndim == 2:
            each, share = F.cross_entropy(logits, target.to(logits), reduction="none"), torch.ones_like(logits[:, 0])
        else:
            labels = target.to(logits.device)
            each = F.cross_entropy(logits, labels, ignore_index=self.ignore_index, reduction="none")
            share = (labels != self.ignore_index).to(logits.dtype)
        if weights is not None:
            share = share * weights.to(logits)
        count = sum_of_all(share.sum().detach())
        return sum_of_all((each * share).sum() / torch.where(count == 0, 1.0, count))

    def distances(self, features: Float[Tensor, "N D"]) -> Float[Tensor, "N C"]:
        """Those to the centers of the auxiliary loss that has some; see :meth:`CenterLoss.distances`.

        Args:
            features: What that loss sees, shape ``(N, D)``.

        Raises:
            ValueError: If no loss has centers, or several have, or features do not fit.
        """
        return cast("Tensor", self._loss_with_centers("distances").distances(features))

    def predict(self, features: Float[Tensor, "N D"]) -> Int[Tensor, " N"]:
        """The class of the nearest center of the auxiliary loss that has some; see :meth:`CenterLoss.predict`.

        Args:
            features: What that loss sees, shape ``(N, D)``.

        Raises:
            ValueError: If no loss has centers, or several have, or features do not fit or are not finite.
        """
        return cast("Tensor", self._loss_with_centers("predict").predict(features))

    def _loss_with_centers(self, asked: str) -> Any:
        """The one auxiliary loss that has ``distances`` and ``predict``.

        Raises:
            ValueError: If none has, or several have.
        """
        losses = list(enumerate(self.auxiliaries))
        having = [(i, loss) for i, loss in losses if hasattr(loss, "distances") and hasattr(loss, "predict")]
        if len(having) == 1:
            return having[0][1]
        names = listed([type(getattr(loss, "_orig_mod", loss)).__name__ for _, loss in having or losses])
        remedy = (
            f"Ask one of them: joint.auxiliaries[{having[0][0]}].{asked}(features)."
            if having
            else "Prototypes of features without centers: ClassPrototypes.fit(features, labels)."
        )
        raise ValueError(
            f"JointLoss.{asked}: one of its losses must have centers; {'several have' if having else 'none has'} "
            f"({names}). {remedy}"
        )

    def param_groups(self, *, lr: float, named: bool = False, prefix: str = "") -> list[dict[str, object]]:
        """The groups of the auxiliary losses for an optimizer; none if they learn nothing.

        A module without ``param_groups`` of its own gives one for each of its parameters, without weight decay.

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
            given = groups_of(loss, lr, recurse=True) if own is None else cast("list[dict[str, object]]", own(lr=lr))
            mine: list[dict[str, object]] = [{"name": "auxiliary", "lr": lr, **each} for each in given]
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


def _common_ignore_index(losses: Sequence[nn.Module], asked: int | None) -> int:
    """The label that all losses ignore; where none says one, the one that is asked for."""
    stated = {f"{value} ({who})": value for loss in losses for who, value in all_ignored_by(loss)}
    values = set(stated.values())
    if len(values | ({asked} if asked is not None else set())) > 1:
        beside = "" if asked is None else f"{asked} beside "
        raise ValueError(
            f"JointLoss: all losses and the cross-entropy must ignore the same label; got ignore_index={beside}"
            f"{', '.join(stated)}. Give each loss the same; JointLoss follows them if it is given none."
        )
    return values.pop() if values else IGNORE_INDEX if asked is None else asked
