"""Is the loss doing its work? Figures of one batch, and warnings about what goes wrong over many, each told once.

Axes: N samples, C classes, D feature dimensions.
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from sigma2r._arrays import as_tensor
from sigma2r._shown import shown
from sigma2r._values import Count, checked
from sigma2r.losses import CenterLoss, SigmaSquaredRLoss
from sigma2r.losses._checks import check_features, check_measured
from sigma2r.losses._module import FeatureLoss

_NEAR = 0.01  # of Z: a gate so near to closed or to open counts as saturated
_STUCK = 0.05  # cross-entropy within this share of ln C is that of a guess
_SHRUNK = 0.1  # of its start: a feature deviation below this has collapsed
_ALL = 0.99  # so many gates saturated are all of them


@dataclass(frozen=True)
class Diagnosis:
    """Figures of one batch.

    Args:
        feature_norm: Mean length of a feature, in feature units.
        feature_std: Root mean square deviation of features from the batch's mean, over all dimensions.
        mean_gate: Mean of beta; None for a loss without gates.
        closed_gates: Share of gates below 1 % of Z.
        open_gates: Share of gates above 99 % of Z.
    """

    feature_norm: float
    feature_std: float
    mean_gate: float | None = None
    closed_gates: float | None = None
    open_gates: float | None = None

    @property
    def saturated_gates(self) -> float | None:
        """Share of gates that are closed or open: they no longer tell samples apart."""
        if self.closed_gates is None or self.open_gates is None:
            return None
        return self.closed_gates + self.open_gates

    def as_dict(self) -> dict[str, float | None]:
        """For logs."""
        return {**asdict(self), "saturated_gates": self.saturated_gates}


@torch.no_grad()
def diagnose(loss: nn.Module, features: Tensor, labels: Tensor) -> Diagnosis:
    """Figures of one batch; reading them waits for the device.

    Args:
        loss: Any loss; the gates are those of the first :class:`~sigma2r.losses.SigmaSquaredRLoss` in it.
        features: Shape ``(N, D)``, N at least 1.
        labels: Class indices, shape ``(N,)``; rows that the loss ignores do not count.

    Raises:
        ValueError: If ``loss`` is no module, or shapes, dtypes or labels do not fit.

    Example:
        >>> loss = SigmaSquaredRLoss(num_classes=1, feature_dim=1)
        >>> diagnose(loss, torch.tensor([[3.0], [-3.0]]), torch.tensor([0, 0]))
        Diagnosis(feature_norm=3.0, feature_std=3.0, mean_gate=20.0, closed_gates=0.0, open_gates=0.0)
    """
    if not isinstance(loss, nn.Module):
        raise ValueError(
            f"diagnose: loss must be an nn.Module; got {shown(loss)}. The order is diagnose(loss, features, labels)."
        )
    features, labels = check_measured("diagnose", features, labels)
    counted = torch.ones_like(labels, dtype=torch.bool)
    for ignored in {part.ignore_index for part in loss.modules() if isinstance(part, FeatureLoss)}:
        counted &= labels != ignored
    features, labels = features[counted], labels[counted]
    wide = features.detach().double() if features.device.type != "mps" else features.detach().float()
    norm = float(wide.norm(dim=1).mean())
    std = float((wide - wide.mean(0)).square().mean().sqrt())
    gated = next((part for part in loss.modules() if isinstance(part, SigmaSquaredRLoss)), None)
    if gated is None:
        return Diagnosis(norm, std)
    share = gated.gate(features, labels) / gated.ceiling
    closed, opened = (share < _NEAR).double().mean(), (share > 1 - _NEAR).double().mean()
    return Diagnosis(norm, std, float(share.mean()) * gated.ceiling, float(closed), float(opened))


class Watch:
    """Follows the centers and the features of a loss in training, and warns once about each thing that goes wrong.

    Call :meth:`observe` every so many steps, after ``backward`` and the optimizer's step and before gradients are
    cleared; where gradients of several batches are added up, only after the step. It reads values, so each call waits
    for the device.

    Args:
        loss: The loss, with or without centers.
        patience: How many observations a thing must last before it is told.

    Warns:
        UserWarning: Once each, if centers never get a gradient, if they get some and never move, if all gates are
            saturated, or if features collapse: cross-entropy stays that of a guess, ln C, while features shrink to a
            tenth of their start.
    """

    @checked
    def __init__(self, loss: nn.Module, *, patience: Count = 5) -> None:
        self.loss = loss
        self.patience = patience
        self.observations = 0
        self._start = {name: p.detach().clone() for name, p in self._centers()}
        self._last = dict(self._start)
        self._with_gradient = {name: torch.zeros(p.shape[0], dtype=torch.bool) for name, p in self._start.items()}
        self._first_std: float | None = None
        self._guessed = 0
        self._saturated = 0
        self._told: set[str] = set()

    def _centers(self) -> Iterator[tuple[str, nn.Parameter]]:
        for name, part in self.loss.named_modules():
            centers = getattr(part, "centers", None)
            averaged = isinstance(part, CenterLoss) and part.center_update == "average"
            if isinstance(centers, nn.Parameter) and (centers.requires_grad or averaged):
                yield f"{name}.centers".lstrip("."), centers

    @torch.no_grad()
    def observe(
        self,
        features: Tensor | None = None,
        labels: Tensor | None = None,
        *,
        cross_entropy: float | None = None,
        num_classes: int | None = None,
    ) -> dict[str, float]:
        """Look at the centers, and at a batch if there is one.

        Args:
            features: Of the batch, shape ``(N, D)``.
            labels: Its class indices, shape ``(N,)``: with them gates are looked at.
            cross_entropy: Its mean over the batch.
            num_classes: C, for ln C.

        Returns:
            ``drift``: mean distance of a center from its start; ``step``: the same from the last observation; both
            in feature units. ``never_had_gradient`` and ``never_moved``: numbers of centers. With labels the
            figures of :func:`diagnose` too.

        Raises:
            ValueError: If shapes, dtypes or labels do not fit.
        """
        if features is not None and labels is not None:
            features, labels = check_measured("Watch", features, labels)
        elif features is not None:
            features = as_tensor("Watch", "features", features)
            check_features("Watch", features)
        elif labels is not None:
            raise ValueError("Watch: labels are those of features; got labels alone. Call observe(features, labels).")
        self.observations += 1
        figures = {"drift": 0.0, "step": 0.0, "never_had_gradient": 0.0, "never_moved": 0.0}
        starved, moved, total = 0, False, 0
        for name, parameter in self._centers():
            if parameter.shape != self._start[name].shape:  # classes came or went: begin anew
                self._start[name] = self._last[name] = parameter.detach().clone()
                self._with_gradient[name] = torch.zeros(parameter.shape[0], dtype=torch.bool)
            if parameter.grad is not None:
                gradient = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
                self._with_gradient[name] |= (gradient != 0).any(1).cpu()
            drift = (parameter - self._start[name]).float().norm(dim=1)
            rest = (drift == 0).cpu()
            total += parameter.shape[0]
            figures["drift"] += float(drift.sum())
            figures["step"] += float((parameter - self._last[name]).float().norm(dim=1).sum())
            figures["never_moved"] += float(rest.sum())
            without = float((~self._with_gradient[name]).sum()) if parameter.requires_grad else 0.0
            figures["never_had_gradient"] += without
            starved += int(without == parameter.shape[0] and parameter.requires_grad)
            moved |= not bool(rest.all())
            self._last[name] = parameter.detach().clone()
        if total:
            figures["drift"] /= total
            figures["step"] /= total
            self._judge_centers(starved > 0, moved)
        if features is not None:
            self._judge_features(features, cross_entropy, num_classes)
        if features is not None and labels is not None:
            found = diagnose(self.loss, features, labels)
            self._judge_gates(found)
            figures |= {name: value for name, value in found.as_dict().items() if value is not None}
        return figures

    def _judge_centers(self, starved: bool, moved: bool) -> None:
        if self.observations < self.patience:
            return
        if starved:
            self._tell(
                "no gradient",
                f"centers got no gradient in {self.observations} observations. Is the loss part of what backward is "
                "called on, and is it observed before gradients are cleared?",
            )
        elif not moved:
            self._tell(
                "rest",
                f"centers never moved in {self.observations} observations. Are they in the optimizer? Add "
                "loss.param_groups(lr=...). Those that are averaged move while the loss is in training mode.",
            )

    def _judge_features(self, features: Tensor, cross_entropy: float | None, num_classes: int | None) -> None:
        std = float((features.float() - features.float().mean(0)).square().mean().sqrt())
        self._first_std = std if self._first_std is None else self._first_std
        if cross_entropy is None or num_classes is None:
            return
        guess = math.log(num_classes)
        stuck = abs(cross_entropy - guess) <= _STUCK * guess
        self._guessed = self._guessed + 1 if stuck and std < _SHRUNK * self._first_std else 0
        if self._guessed >= self.patience:
            self._tell(
                "collapse",
                f"features collapsed: cross-entropy stays at {cross_entropy:.3f}, a guess among {num_classes} classes, "
                f"while their deviation fell from {self._first_std:.3g} to {std:.3g}. Lower the weight of the loss or "
                "warm it up.",
            )

    def _judge_gates(self, found: Diagnosis) -> None:
        share = found.saturated_gates
        self._saturated = self._saturated + 1 if share is not None and share >= _ALL else 0
        if self._saturated >= self.patience:
            self._tell(
                "gates",
                f"gates are saturated: {found.closed_gates:.0%} closed, {found.open_gates:.0%} open, in "
                f"{self._saturated} observations, so the loss no longer weighs samples. Lower the learning rate of "
                "growth or the scale of features; all closed, do without through_spread.",
            )

    def _tell(self, what: str, sentence: str) -> None:
        if what not in self._told:
            self._told.add(what)
            warnings.warn(f"Watch: {sentence}", stacklevel=4)
