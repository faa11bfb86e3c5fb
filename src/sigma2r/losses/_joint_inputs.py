"""What a joint loss takes, and what it says of the rest: losses, weights, features, class indices, soft labels.

Axes: N samples in the batch, C classes, D feature dimensions.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from sigma2r._arrays import as_tensor, is_array, one_of_several
from sigma2r._kinds import number
from sigma2r._shown import shown
from sigma2r._values import NotNegative, converted
from sigma2r.losses._advice import are_features, are_indices, other_order
from sigma2r.losses._checks import check_tensor, class_indices, values_are_readable
from sigma2r.losses._module import ClassLoss

WHO = "JointLoss"
_CONTAINERS = (nn.ModuleDict, nn.ModuleList, nn.ParameterDict, nn.ParameterList)
_ROUNDED = 0.02  # shares with two digits sum to 1 within this, and those in bfloat16 within less


def losses_of(auxiliary: Any) -> list[nn.Module]:
    """One loss or several as a list.

    Raises:
        ValueError: If one is no module, or a container that cannot be called with features and labels.
    """
    alone = isinstance(auxiliary, (nn.Module, str)) or not isinstance(auxiliary, Iterable)
    losses = [auxiliary] if alone and not isinstance(auxiliary, nn.ModuleList) else list(auxiliary)
    for loss in losses:
        if not isinstance(loss, nn.Module):
            remedy = f" Did you mean {loss.__name__}(...)?" if isinstance(loss, type) else ""
            if number(loss) is not None:
                remedy = " The order is JointLoss(auxiliary, weight)."
            raise ValueError(f"{WHO}: auxiliary must be a loss, an nn.Module, or several; got {shown(loss)}.{remedy}")
        forward = getattr(type(loss), "forward", None)
        chain = forward is nn.Sequential.forward and len(list(loss.children())) != 1
        if chain or (isinstance(loss, _CONTAINERS) and forward is nn.Module.forward):
            raise ValueError(
                f"{WHO}: auxiliary must be a loss that is called with features and labels; got {type(loss).__name__}, "
                "which cannot be. Give its losses in a list, and a weight for each."
            )
    return losses


def check_apart(losses: Sequence[nn.Module]) -> None:
    """Refuse losses that share what they learn: no optimizer takes a parameter in two groups.

    Raises:
        ValueError: Naming the first that is shared.
    """
    owners: dict[int, int] = {}
    for place, loss in enumerate(losses):
        for name, parameter in loss.named_parameters():
            owner = owners.setdefault(id(parameter), place)
            if owner != place and (parameter.requires_grad or loss is losses[owner]):
                raise ValueError(
                    f"{WHO}: no two losses may share what they learn; auxiliary[{owner}] and auxiliary[{place}] share "
                    f"{name}. Build a loss for each."
                )


def weights_of(weight: Any) -> list[Any]:
    """One weight or several as a list."""
    if getattr(weight, "ndim", None) == 1 and hasattr(weight, "tolist"):
        return cast("list[Any]", weight.tolist())
    return list(weight) if isinstance(weight, Sequence) and not isinstance(weight, str) else [weight]


def weight_of(loss: nn.Module, weight: Any) -> float:
    """A weight as a number; one that is learned stays a tensor.

    Raises:
        ValueError: If it is not finite, or negative where the loss is not to be raised.
    """
    kind = float if getattr(loss, "may_be_raised", False) else NotNegative
    learned = isinstance(weight, Tensor) and weight.requires_grad
    value = converted(WHO, "weight", kind, weight.detach() if learned else weight)
    return cast("float", weight if learned else value)


def one_each(features: Any, logits: Any, num_losses: int) -> list[Tensor]:
    """The features that each loss sees.

    Raises:
        ValueError: If they are neither one tensor nor one for each loss.
    """
    if isinstance(features, Tensor):
        return [features] * num_losses
    listed = isinstance(features, Iterable) and not isinstance(features, (str, Mapping)) and not is_array(features)
    seen = list(features) if listed else []
    if not seen or not all(isinstance(one, Tensor) for one in seen):
        check_tensor(WHO, "features", features)
    if len(seen) != num_losses:
        both = len(seen) == 2 and seen[1].shape == getattr(logits, "shape", None)
        remedy = one_of_several(seen, "features") if all(one.ndim < 2 for one in seen) else ""
        remedy = " Does the network return both? Then features, logits = network(images)." if both else remedy
        raise ValueError(
            f"{WHO}: features must be one tensor, or one for each of the {num_losses} auxiliary losses; got "
            f"{len(seen)}.{remedy}"
        )
    return seen


def check_labels_given(features: Any, labels: Any) -> None:
    """Refuse a call without labels, such as that with what the network returned and the labels.

    Raises:
        ValueError: As above.
    """
    if labels is None:
        raise ValueError(
            f"{WHO}: labels must be given; got none. The order is loss(features, logits, labels)."
            f"{one_of_several(features, 'features')}"
        )


def check_logits(features: Tensor, logits: Any) -> None:
    """Refuse logits without one row per sample.

    Raises:
        ValueError: As above.
    """
    check_tensor(WHO, "logits", logits)
    if logits.ndim != 2 or logits.shape[0] != features.shape[0]:
        raise ValueError(
            f"{WHO}: logits must have one row per row of features, shape ({features.shape[0]}, C); got "
            f"{tuple(logits.shape)}. The order is loss(features, logits, labels)."
        )


def check_order(features: Any, logits: Any, labels: Any, losses: Iterable[nn.Module]) -> None:
    """Refuse arguments that would fit in another order: asked where they do not fit as they are.

    Raises:
        ValueError: Naming those that were exchanged.
    """
    known = next((loss for loss in losses if isinstance(loss, ClassLoss)), None)

    def fit(features: Tensor, logits: Tensor, labels: Tensor) -> bool:
        if known is not None and (features.shape[1:], logits.shape[1:]) != ((known.feature_dim,), (known.num_classes,)):
            return False
        if not are_features(features) or not are_features(logits) or logits.shape[0] != features.shape[0]:
            return False
        return are_indices(labels, features.shape[0]) or is_soft(labels, logits)

    if found := other_order(fit, {"features": features, "logits": logits, "labels": labels}):
        raise ValueError(f"{WHO}: {found}")


def is_soft(labels: Tensor, logits: Tensor) -> bool:
    """Whether labels are shares of classes, (N, C), by shape and kind of number."""
    return labels.is_floating_point() and labels.shape == logits.shape


def target_of(name: str, given: Any, logits: Tensor) -> Tensor:
    """What cross-entropy is taken against: class indices (N,), int64, or shares of classes (N, C).

    Raises:
        ValueError: If ``given`` is neither; what shares hold is looked at where :func:`values_are_readable`.
    """
    target = as_tensor(WHO, name, given)
    if is_soft(target, logits) or (name == "targets" and target.shape == logits.shape and not target.is_complex()):
        if target.numel() and values_are_readable(target):
            _check_shares(name, target.detach())
        return target
    if name == "targets" and target.ndim > 1:
        raise ValueError(
            f"{WHO}: targets must be shares of classes, with the shape of logits, {tuple(logits.shape)}, or class "
            f"indices, shape ({logits.shape[0]},); got {tuple(target.shape)}."
        )
    return class_indices(WHO, name, given, *logits.shape)


def _check_shares(name: str, target: Tensor) -> None:
    """Refuse rows (N, C) that are no shares of classes, which torch takes as they are.

    Raises:
        ValueError: If a value is negative or not finite, or the sum of a row is further from 1 than rounding explains.
    """
    wide = target if target.dtype == torch.float64 else target.float()
    low, high = (float(end) for end in wide.aminmax())
    least, most = (float(end) for end in wide.sum(1).aminmax())
    if low >= 0 and least >= 1 - _ROUNDED and most <= 1 + _ROUNDED:
        return
    got = f"values from {low:.4g} to {high:.4g} and sums from {least:.4g} to {most:.4g}"
    remedy = f" Samples of several classes? Then {name} / {name}.sum(1, keepdim=True); rows of none have weight 0."
    if not math.isfinite(most) or not math.isfinite(low):
        got, remedy = "NaN or infinite values", ""
    elif low < 0 or high > 1:
        remedy = f" Are these logits? Then {name}.softmax(1)."
    raise ValueError(
        f"{WHO}: {name} must be shares of classes, none below 0 and with a sum of 1 in each row; got {got}.{remedy}"
    )
