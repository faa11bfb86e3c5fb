"""Figures of one batch: how large features are, and whether gates still tell samples apart.

Axes: N samples, C classes, D feature dimensions.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from sigma2r._arrays import as_tensor
from sigma2r._shown import shown
from sigma2r.diagnosis._seen import learned_by, said_not_finite
from sigma2r.losses import JointLoss, SigmaSquaredRLoss
from sigma2r.losses._checks import check_features, check_measured
from sigma2r.losses._module import FeatureLoss

_NEAR = 0.01  # of Z: a gate so near to closed or to open counts as saturated


@dataclass(frozen=True)
class Diagnosis:
    """Figures of one batch, of the rows that are finite.

    Args:
        feature_norm: Mean length of a feature, in feature units.
        feature_std: Root mean square deviation of features from the batch's mean, over all dimensions.
        mean_gate: Mean of beta; None for a loss without gates. This and the shares are NaN where a center or growth of
            the classes in the batch is not finite.
        closed_gates: Share of gates below 1 % of Z.
        open_gates: Share of gates above 99 % of Z.
        num_not_finite: Rows of features that hold NaN or infinite values.
    """

    feature_norm: float
    feature_std: float
    mean_gate: float | None = None
    closed_gates: float | None = None
    open_gates: float | None = None
    num_not_finite: int = 0

    @property
    def saturated_gates(self) -> float | None:
        """Share of gates that are closed or open: they no longer tell samples apart."""
        if self.closed_gates is None or self.open_gates is None:
            return None
        return self.closed_gates + self.open_gates

    def as_dict(self) -> dict[str, float | None]:
        """For logs."""
        return {**asdict(self), "saturated_gates": self.saturated_gates}


def diagnose(loss: nn.Module, features: Tensor | Sequence[Tensor], labels: Tensor) -> Diagnosis:
    """Figures of one batch; reading them waits for the device.

    Args:
        loss: Any loss; the gates are those of the first :class:`~sigma2r.losses.SigmaSquaredRLoss` in it.
        features: Shape ``(N, D)``, N at least 1; or one for each loss, as :class:`~sigma2r.losses.JointLoss` takes
            them: then the figures are of those that the gates see, or of the first.
        labels: Class indices, shape ``(N,)``; rows that the loss ignores do not count.

    Raises:
        ValueError: If ``loss`` is no module, or shapes, dtypes or labels do not fit.

    Warns:
        UserWarning: If rows hold NaN or infinite values, which the figures leave out, or centers or growth do, which
            the figures of gates show as NaN if the batch has their classes.

    Example:
        >>> loss = SigmaSquaredRLoss(num_classes=1, feature_dim=1)
        >>> diagnose(loss, torch.tensor([[3.0], [-3.0]]), torch.tensor([0, 0])).mean_gate
        20.0
    """
    if not isinstance(loss, nn.Module):
        raise ValueError(
            f"diagnose: loss must be an nn.Module; got {shown(loss)}. The order is diagnose(loss, features, labels)."
        )
    features, indices = check_batch("diagnose", loss, features, labels)
    assert indices is not None, "labels were given"
    found = figures_of(loss, features, indices)
    if found.num_not_finite:
        warnings.warn(
            f"diagnose: {found.num_not_finite} of {len(labels)} rows of features hold NaN or infinite values and are "
            "left out of the figures.",
            stacklevel=2,
        )
    for name, parameter in learned_by(loss, frozen=True):
        sentence = said_not_finite(name, parameter)
        if sentence is not None:
            warnings.warn(f"diagnose: {sentence}", stacklevel=2)
    return found


@torch.no_grad()
def figures_of(loss: nn.Module, features: Tensor | Sequence[Tensor], labels: Tensor) -> Diagnosis:
    """:func:`diagnose` without a warning."""
    features = seen_by_gates(loss, features)
    finite = features.isfinite().all(1)
    counted = counted_rows(loss, features, labels)
    num_bad = int((counted & ~finite).sum())
    counted &= finite
    features, labels = features[counted], labels[counted.to(labels.device)]
    wide = features.double() if features.device.type != "mps" else features.float()
    norm = float(wide.norm(dim=1).mean())
    std = float((wide - wide.mean(0)).square().mean().sqrt())
    gated = first_part(loss, SigmaSquaredRLoss)
    if gated is None:
        return Diagnosis(norm, std, num_not_finite=num_bad)
    share = gated.gate(features, labels) / gated.ceiling
    known = (gated.centers.isfinite().all(1) & gated.growth.isfinite())[labels.to(gated.centers.device)]
    if not known.all():
        return Diagnosis(norm, std, math.nan, math.nan, math.nan, num_bad)
    closed, opened = (share < _NEAR).double().mean(), (share > 1 - _NEAR).double().mean()
    return Diagnosis(norm, std, float(share.mean()) * gated.ceiling, float(closed), float(opened), num_bad)


def check_batch(who: str, loss: nn.Module, features: Any, labels: Any) -> tuple[Tensor | list[Tensor], Tensor | None]:
    """Features, one for all losses or one for each of a joint loss, and labels, if there are any, as tensors.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit.
    """
    joint = first_part(loss, JointLoss)
    one_each = joint is not None and isinstance(features, (list, tuple)) and len(features) == len(joint.auxiliaries)
    if one_each and all(isinstance(each, Tensor) for each in features):
        rows = [check_batch(who, loss, each, labels) for each in features]
        return [each for each, _ in rows if isinstance(each, Tensor)], rows[0][1]
    if labels is not None:
        return check_measured(who, features, labels)
    features = as_tensor(who, "features", features)
    check_features(who, features)
    return features, None


def seen_by_gates(loss: nn.Module, features: Tensor | Sequence[Tensor]) -> Tensor:
    """Of features for each loss those that the first loss with gates sees; the first where none has any."""
    if isinstance(features, Tensor):
        return features
    joint, gated = first_part(loss, JointLoss), first_part(loss, SigmaSquaredRLoss)
    for part, each in zip(joint.auxiliaries if joint is not None else (), features, strict=False):
        if any(inside is gated for inside in part.modules()):
            return each
    return features[0]


def counted_rows(loss: nn.Module, features: Tensor, labels: Tensor | None) -> Tensor:
    """Which rows of a batch the loss does not ignore, (N,) bool beside the features."""
    counted = torch.ones(features.shape[0], dtype=torch.bool, device=features.device)
    if labels is not None:
        for ignored in {part.ignore_index for part in loss.modules() if isinstance(part, FeatureLoss)}:
            counted &= (labels != ignored).to(features.device)
    return counted


_Part = TypeVar("_Part", bound=nn.Module)


def first_part(loss: nn.Module, kind: type[_Part]) -> _Part | None:
    """The first module of a kind among a loss and its parts."""
    return next((part for part in loss.modules() if isinstance(part, kind)), None)
