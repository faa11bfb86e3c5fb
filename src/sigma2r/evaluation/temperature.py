"""Temperature scaling: one number, fitted on validation images, by which logits are divided.

Axes: N images, C classes.
"""

import math
import warnings
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sigma2r._arrays import as_tensor
from sigma2r.evaluation._inputs import check_finite, matrix
from sigma2r.losses._checks import check_labels

_LEAST, _MOST = 1e-2, 1e2  # temperatures that are tried
_STEPS = 100
_AT_ONCE = 2**21  # numbers held at once in float64


def fit_temperature(logits: Float[Tensor, "N C"], labels: Int[Tensor, " N"]) -> float:
    r"""The temperature :math:`T` with the least mean cross-entropy of ``logits / T``.

    As a function of :math:`1 / T` the cross-entropy is convex; Newton's steps, halved into the interval where the
    least must lie, find it.

    Args:
        logits: Of validation images, shape ``(N, C)``: never of those that the calibration is measured on.
        labels: Their class indices, shape ``(N,)``.

    Returns:
        In [0.01, 100].

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a logit is not finite.

    Warns:
        UserWarning: If the best temperature lies beyond what is tried, as where every image is classified correctly, or
            logits say nothing, whatever the temperature, which is then 1.

    Example:
        >>> logits, labels = torch.tensor([[4.0, 0.0]] * 4), torch.tensor([0, 0, 0, 1])
        >>> round(fit_temperature(logits, labels), 4)  # three out of four: log 3 = 4 / T
        3.641

    Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
    """
    logits, labels = check_logits("fit_temperature", logits, labels)
    if bool((logits == logits[:, :1]).all()):
        warnings.warn(
            "fit_temperature: the logits of each validation image are all the same, and no temperature changes what "
            "they say; 1 is taken.",
            stacklevel=2,
        )
        return 1.0
    low, high = 1 / _MOST, 1 / _LEAST
    at_low, at_high = _slope(logits, labels, low)[0], _slope(logits, labels, high)[0]
    if at_high <= 0 or at_low >= 0:
        bound = _LEAST if at_high <= 0 else _MOST
        warnings.warn(
            f"fit_temperature: the best temperature lies beyond {bound:g}, which is taken; are all validation images "
            f"classified {'correctly' if bound == _LEAST else 'by chance'}?",
            stacklevel=2,
        )
        return bound
    scale = min(max(1.0, low), high)
    for _ in range(_STEPS):
        slope, curvature = _slope(logits, labels, scale)
        low, high = (scale, high) if slope < 0 else (low, scale)
        after = scale - slope / curvature if curvature > 0 else math.nan
        after = after if low < after < high else math.sqrt(low * high)
        if abs(after - scale) <= 1e-12 * scale:
            break
        scale = after
    return 1 / scale


def check_logits(who: str, logits: object, labels: object) -> tuple[Tensor, Tensor]:
    """Logits ``(N, C)`` and labels ``(N,)``, N at least 1.

    Raises:
        ValueError: If shapes, dtypes or labels do not fit, or a logit is not finite.
    """
    rows = matrix(who, "logits", logits)
    indices = check_labels(who, rows, as_tensor(who, "labels", labels), rows.shape[1]).to(rows.device)
    if not rows.shape[0]:
        raise ValueError(f"{who}: logits must hold one row per image; got none.")
    check_finite(who, "logits", rows)
    return rows.detach(), indices


def in_parts(logits: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Some rows at a time, the logits in float64."""
    rows = max(1, _AT_ONCE // max(1, logits.shape[1]))
    for some, own in zip(torch.split(logits, rows), torch.split(labels, rows), strict=True):
        yield some.double(), own


def _slope(logits: Tensor, labels: Tensor, scale: float) -> tuple[float, float]:
    """First and second derivative of the mean cross-entropy of ``scale * logits`` by ``scale``."""
    slope = curvature = 0.0
    for some, own in in_parts(logits, labels):
        shares = (scale * some).softmax(1)
        mean = (shares * some).sum(1, keepdim=True)
        slope += float((mean - some.gather(1, own.unsqueeze(1))).sum())
        curvature += float((shares * (some - mean).square()).sum())
    return slope / logits.shape[0], curvature / logits.shape[0]
