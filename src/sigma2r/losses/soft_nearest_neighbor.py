r"""Soft nearest neighbour loss: how near a sample's class is to it, among all samples.

Axes: N samples in the batch, D feature dimensions.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from sigma2r._values import Positive, checked
from sigma2r.losses._batch import IGNORE_INDEX, prepare
from sigma2r.losses._checks import check_positive
from sigma2r.losses._module import FeatureLoss, groups_of
from sigma2r.losses._pairs import pairs_of
from sigma2r.losses._precision import without_autocast
from sigma2r.losses._reduction import Reduction, check_reduction, reduce
from sigma2r.losses._tuples import Mined


def soft_nearest_neighbor_loss(
    features: Float[Tensor, "N D"],
    labels: Int[Tensor, " N"],
    *,
    temperature: float | Float[Tensor, ""] = 1.0,
    weights: Float[Tensor, " N"] | None = None,
    ignore_index: int = IGNORE_INDEX,
    normalize: bool = False,
    reduction: Reduction = "mean",
) -> Tensor:
    r"""Minus the logarithm of the chance that a neighbour, picked by distance, is of the sample's class.

    .. math:: \ell_i = -\log \frac{\sum_{j \ne i, y_j = y_i} e^{-\lVert x_i - x_j \rVert^2 / T}}
                                  {\sum_{k \ne i} e^{-\lVert x_i - x_k \rVert^2 / T}}

    Computed as log(1 + e^(b - a)) with a and b the logarithms of the sums over the own and over the other classes:
    nothing underflows, and a value near 0 keeps its digits.

    Args:
        features: Deep features :math:`x`, shape ``(N, D)``; half precision is computed in float32.
        labels: Class indices :math:`y`, shape ``(N,)``.
        temperature: T, in squared feature units; a number, or a scalar tensor through which gradients run.
        weights: A factor for each sample, shape ``(N,)``; the mean is then the weighted one.
        ignore_index: Rows with this label are as if they were not there.
        normalize: Divide each feature by its Euclidean length first.
        reduction: ``"none"``, ``"mean"`` over the samples that have a value, or ``"sum"``.

    Returns:
        Without unit, at least 0; shape ``(N,)`` for ``"none"``, otherwise a scalar. A sample without another of its
        class in the batch has no value: 0, and it does not count in the mean.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a setting makes no sense.

    Example:
        >>> features, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 0, 1])
        >>> soft_nearest_neighbor_loss(features, labels, reduction="none")
        tensor([0.0003, 0.0486, 0.0000])

    Source: "Analyzing and Improving Representations with the Soft Nearest Neighbor Loss", ICML 2019, eq. 1; eq. 2 of
    arXiv 2009.08796. Both divide by all m samples also where some have no partner; ``reduction="sum"`` over m is
    that. Others add 1e-5 to quotient and logarithm, which caps a value at 11.5 and takes its gradient away.
    """
    who = "soft_nearest_neighbor_loss"
    if not isinstance(temperature, Tensor):
        check_positive(who, temperature=temperature)
    elif temperature.ndim:
        raise ValueError(f"{who}: temperature must be one number; got shape {tuple(temperature.shape)}.")
    check_reduction(who, reduction)
    with without_autocast(features):
        x, y, kept = prepare(who, features, labels, weights=weights, ignore_index=ignore_index, normalize=normalize)
        pairs = pairs_of(x, y, kept, least_scale=1.0)  # squares that vanish leave the nearness 1
        has_same, has_other = pairs.same.any(1), pairs.other.any(1)
        # All of a row less the same number: nothing changes, and only what is farther than the nearest can overflow.
        nearest = torch.where(pairs.same | pairs.other, pairs.squared.detach(), torch.inf)
        nearest = nearest.amin(1, keepdim=True) if x.shape[0] else pairs.squared
        farther = pairs.squared - torch.where(nearest.isinf(), 0.0, nearest)
        nearness = -(farther * (pairs.scale / temperature) * pairs.scale)
        apart = _log_sum_exp(nearness, pairs.other, has_other) - _log_sum_exp(nearness, pairs.same, has_same)
        each = torch.where(has_same & has_other, F.softplus(apart), 0.0)
        return reduce(each, reduction, has_same, weights)


def _log_sum_exp(values: Tensor, chosen: Tensor, any_chosen: Tensor) -> Tensor:
    """Over the chosen of each row; 0, and without gradient, where none is."""
    masked = values.masked_fill(~chosen, -torch.inf).masked_fill(~any_chosen.unsqueeze(1), 0.0)
    return masked.logsumexp(1)


class SoftNearestNeighborLoss(FeatureLoss):
    """:func:`soft_nearest_neighbor_loss`; it learns nothing, or its temperature alone.

    Its authors raise it at hidden layers, where entangled classes do good, and lower it over the temperature: a
    negative weight in :class:`JointLoss` does both, whose :meth:`~JointLoss.param_groups` then ask the optimizer to
    ``maximize`` the joint loss over the temperature.

    Args:
        temperature: T, or where it starts.
        learn_temperature: Learn 1/T, through its logarithm, so that it stays positive; the authors learn 1/T itself.
        ignore_index, normalize, reduction: See :func:`soft_nearest_neighbor_loss`.

    Example:
        >>> loss = SoftNearestNeighborLoss(temperature=10.0)
        >>> loss(torch.randn(32, 84), torch.arange(32) % 10).shape
        torch.Size([])
    """

    function = staticmethod(soft_nearest_neighbor_loss)
    settings = ("ignore_index", "normalize", "reduction")
    may_be_raised = True

    @checked
    def __init__(
        self,
        *,
        temperature: Positive = 1.0,
        learn_temperature: bool = False,
        ignore_index: int = IGNORE_INDEX,
        normalize: bool = False,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(ignore_index=ignore_index, normalize=normalize, reduction=reduction)
        self.log_inverse_temperature = nn.Parameter(torch.tensor(-math.log(temperature))) if learn_temperature else None
        self._temperature = temperature

    @property
    def temperature(self) -> float | Tensor:
        """T: the number that was given, or the learned one with its graph."""
        learned = self.log_inverse_temperature
        return self._temperature if learned is None else (-learned).exp()

    def keywords(self) -> dict[str, Any]:
        """The settings, and the temperature as it is now."""
        return {"temperature": self.temperature, **super().keywords()}

    def forward(
        self,
        features: Float[Tensor, "N D"],
        labels: Int[Tensor, " N"],
        indices_tuple: Mined | None = None,
        *,
        weights: Float[Tensor, " N"] | None = None,
    ) -> Tensor:
        """The loss of a batch."""
        weights = self.weighed(features, indices_tuple, weights)
        return soft_nearest_neighbor_loss(features, labels, weights=weights, **self.keywords())

    def extra_repr(self) -> str:
        """The settings, for ``print(loss)``."""
        learned = self.log_inverse_temperature
        now = self._temperature if learned is None else (-learned.detach()).exp().item()
        shown = {"temperature": now, "learn_temperature": learned is not None, **super().keywords()}
        return ", ".join(f"{name}={value!r}" for name, value in shown.items())

    def param_groups(self, *, lr: float, named: bool = False, prefix: str = "") -> list[dict[str, object]]:
        """The group of the temperature for an optimizer, at ``lr`` and without weight decay; none if it is given.

        Args:
            lr: Its learning rate.
            named: Give it with its name, as torch wants it beside ``network.named_parameters()``.
            prefix: Before its name.
        """
        return groups_of(self, lr, named=named, prefix=prefix)
