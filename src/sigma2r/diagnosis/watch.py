"""Warnings about what goes wrong over many steps, each told once.

Axes: N samples, C classes, D feature dimensions.
"""

import math
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sigma2r._values import Count, checked
from sigma2r.diagnosis._seen import Followed, TrainingCalls, learned_by, said_not_finite
from sigma2r.diagnosis._steps import Steps
from sigma2r.diagnosis.figures import Diagnosis, check_batch, counted_rows, figures_of, first_part, seen_by_gates
from sigma2r.diagnosis.scale import far_from_scale
from sigma2r.losses import JointLoss
from sigma2r.losses._module import FeatureLoss

_STUCK = 0.05  # cross-entropy within this share of ln C is that of a guess
_SHRUNK = 0.1  # of its start: a feature deviation below this has collapsed
_ALL = 0.99  # so many gates saturated are all of them


class Watch:
    """Follows a loss in training, and warns once about each thing that goes wrong.

    Call :meth:`observe` every so many steps, after ``backward`` and the optimizer's step and before gradients are
    cleared. It reads values, so each call waits for the device. Between observations hooks note, without waiting, what
    the loss is called with; a copy of the loss has none, and :meth:`remove` takes them off.

    Args:
        loss: The loss, with or without centers.
        patience: How many observations a thing must last before it is told.
        optimizer: The one, or all, of the training: then it is told at once if none holds what the loss learns, and
            what they hold need not move before they have stepped, at a learning rate above 0. Without it every
            observation should come after a step, also where gradients of several batches are added up.
        frozen_features: Features come without a graph on purpose; a :class:`~sigma2r.losses.JointLoss` says so itself.

    Warns:
        UserWarning: Once each, if centers never get a gradient, if what is learned gets some and never moves or is in
            no optimizer, if features reach the loss in training without a graph, if features, what is learned or the
            cross-entropy that is given are NaN or infinite, if the first step is :func:`far_from_scale`, if all gates
            are saturated, or if features collapse: cross-entropy stays that of a guess, ln C, while features shrink to
            a tenth of their start.
    """

    @checked
    def __init__(
        self,
        loss: nn.Module,
        *,
        patience: Count = 5,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer] | None = None,
        frozen_features: bool = False,
    ) -> None:
        self.loss = loss
        self.patience = patience
        self.optimizers = [optimizer] if isinstance(optimizer, torch.optim.Optimizer) else optimizer
        self.observations = 0
        self._steps = Steps(self.optimizers)
        self._joint = first_part(loss, JointLoss)
        self.frozen_features = frozen_features or (self._joint is not None and self._joint.frozen_features)
        self._followed = {name: Followed(parameter) for name, parameter in learned_by(self.loss)}
        self._calls = [TrainingCalls(part) for part in self._added()]
        self._first_std: float | None = None
        self._scale_is_known = False
        self._lasting = dict.fromkeys(("collapse", "gates", "graph"), 0)
        self._told: set[str] = set()

    def _added(self) -> list[nn.Module]:
        """The losses on features."""
        if self._joint is not None:
            return list(self._joint.auxiliaries)
        return [part for part in self.loss.modules() if isinstance(part, FeatureLoss)] or [self.loss]

    def remove(self) -> None:
        """Take the hooks off the loss; a second time nothing happens."""
        for calls in self._calls:
            calls.remove()

    @torch.no_grad()
    def observe(
        self,
        features: Tensor | Sequence[Tensor] | None = None,
        labels: Tensor | None = None,
        *,
        cross_entropy: float | None = None,
        num_classes: int | None = None,
    ) -> dict[str, float]:
        """Look at what the loss learns, and at a batch if there is one.

        Args:
            features: Of the batch, shape ``(N, D)``; or one for each loss of a :class:`~sigma2r.losses.JointLoss`.
            labels: Its class indices, shape ``(N,)``: with them gates are looked at, and ignored rows left out.
            cross_entropy: Its mean over the batch; only what is given here is looked at.
            num_classes: C, for ln C; default for the first step: that of the centers, or the highest label plus one.

        Returns:
            ``drift``: mean distance of a center from its start; ``step``: the same from the last observation; both
            in feature units. ``never_had_gradient`` and ``never_moved``: numbers of centers. With labels the
            figures of :func:`diagnose` too.

        Raises:
            ValueError: If shapes, dtypes or labels do not fit.
        """
        if features is not None:
            features, labels = check_batch("Watch", self.loss, features, labels)
        elif labels is not None:
            raise ValueError("Watch: labels are those of features; got labels alone. Call observe(features, labels).")
        self.observations += 1
        cross_entropy = None if cross_entropy is None else float(cross_entropy)
        figures = self._look_at_centers()
        self._judge_optimizer()
        self._judge_centers()
        self._judge_graph()
        self._judge_scale(features, labels, cross_entropy, num_classes)
        self._judge_finite(features, labels, cross_entropy)
        if features is None:
            return figures
        self._judge_features(seen_by_gates(self.loss, features), labels, cross_entropy, num_classes)
        if labels is not None:
            found = figures_of(self.loss, features, labels)
            self._judge_gates(found)
            figures |= {name: value for name, value in found.as_dict().items() if value is not None}
        return figures

    def _look_at_centers(self) -> dict[str, float]:
        figures = {"drift": 0.0, "step": 0.0, "never_had_gradient": 0.0, "never_moved": 0.0}
        total, resting = 0, self._without_weight()
        for name, parameter in learned_by(self.loss):
            followed = self._followed.get(name)
            if followed is None:  # it learns only since
                followed = self._followed[name] = Followed(parameter)
            followed.look(parameter)
            if id(parameter) not in resting:
                followed.looks += 1
            if id(parameter) not in resting and followed.at_rest.all():
                followed.chances += self._steps.could_move(name, parameter, has_gradient=followed.has_gradient)
            if name.rpartition(".")[2] != "centers":
                continue
            total += parameter.shape[0]
            figures["drift"] += followed.drift
            figures["step"] += followed.step
            figures["never_moved"] += float(followed.at_rest.sum())
            if parameter.requires_grad:
                figures["never_had_gradient"] += float((~followed.had_gradient).sum())
        if total:
            figures["drift"] /= total
            figures["step"] /= total
        return figures

    def _without_weight(self) -> set[int]:
        """What is learned by losses whose weight is 0 now, as in the first epochs of a warm-up."""
        if self._joint is None:
            return set()
        pairs = zip(self._joint.auxiliaries, self._joint.weights, strict=True)
        return {id(parameter) for loss, weight in pairs if float(weight) == 0 for parameter in loss.parameters()}

    def _judge_optimizer(self) -> None:
        if self.optimizers is None or self.observations > 1:
            return
        held = {id(p) for optimizer in self.optimizers for group in optimizer.param_groups for p in group["params"]}
        missing = [name for name, p in self.loss.named_parameters() if p.requires_grad and id(p) not in held]
        if missing:
            self._tell(
                "rest",
                f"{_listed(missing)} will never move: no group of the optimizer holds them. Add "
                "loss.param_groups(lr=...).",
            )

    def _judge_centers(self) -> None:
        learned = dict(learned_by(self.loss))
        followed = {name: each for name, each in self._followed.items() if name in learned}
        centers = {name for name in learned if name.rpartition(".")[2] == "centers"}
        starved = {n for n in centers if learned[n].requires_grad and not followed[n].had_gradient.any()}
        resting = {
            name
            for name, each in followed.items()
            if name not in starved
            and each.chances >= self.patience
            and each.at_rest.all()
            and (name in centers or each.had_gradient.any())
        }
        starved = {name for name in starved if followed[name].looks >= self.patience}
        if starved:
            self._tell(
                "no gradient",
                f"{_summary(starved, centers)} got no gradient in {min(followed[n].looks for n in starved)} "
                "observations. Is the loss part of what backward is called on, with a weight that is not 0, and is it "
                "observed before gradients are cleared?",
            )
        if resting:
            remedy = "The optimizer holds them and has stepped: is the step too small for their dtype?"
            if not all(self._steps.hold(learned[name]) for name in resting):
                remedy = (
                    "Are they in the optimizer? Add loss.param_groups(lr=...). Those that are averaged move while the "
                    "loss is in training mode."
                )
            self._tell(
                "rest",
                f"{_summary(resting, centers)} never moved in {min(followed[n].chances for n in resting)} "
                f"observations. {remedy}",
            )

    def _judge_graph(self) -> None:
        saw = [calls.saw_a_graph() for calls in self._calls]
        if self.frozen_features or all(each is None for each in saw):
            return
        if self._lasts("graph", False in saw):
            self._tell(
                "graph",
                f"features reach the loss without a graph, in {self._lasting['graph']} observations, so the network "
                "learns nothing from it. Do they come from detach(), no_grad(), or a tap that a pass without gradients "
                "wrote to last? For a frozen backbone say frozen_features=True.",
            )

    def _judge_finite(
        self, features: Tensor | Sequence[Tensor] | None, labels: Tensor | None, cross_entropy: float | None
    ) -> None:
        for each in self._for_each(features):
            bad = int((counted_rows(self.loss, each, labels) & ~each.isfinite().all(1)).sum())
            if bad:
                self._tell(
                    "features are not finite",
                    f"{bad} of {each.shape[0]} rows of features hold NaN or infinite values and are left out of all "
                    "figures. Lower the learning rate, or the weight of the loss.",
                )
        if cross_entropy is not None and not math.isfinite(cross_entropy):
            self._tell(
                "cross-entropy is not finite",
                f"cross-entropy is {cross_entropy}. Lower the learning rate, or the weight of the loss.",
            )
        for name, parameter in learned_by(self.loss, frozen=True):
            sentence = said_not_finite(name, parameter)
            if sentence is not None:
                self._tell(f"{name} not finite", sentence)

    def _judge_scale(
        self,
        features: Tensor | Sequence[Tensor] | None,
        labels: Tensor | None,
        cross_entropy: float | None,
        num_classes: int | None,
    ) -> None:
        """Once, as soon as both sides of the first step are known; only where weights are."""
        if self._scale_is_known or self._joint is None:
            return
        values = self._first_values(features, labels)
        num_classes = num_classes or self._num_classes(labels)
        if not values or not (num_classes or cross_entropy):
            return
        beside = max(cross_entropy or 0.0, math.log(max(num_classes, 2)))
        self._scale_is_known = True
        added = sum(weight * value for weight, value in zip(self._joint.weights, values, strict=True))
        starts = any(hasattr(part, "init_centers") for part in self._joint.modules())
        sentence = far_from_scale(beside, added, has_centers=starts)
        if sentence is not None:
            self._tell("scale", sentence)

    def _num_classes(self, labels: Tensor | None) -> int:
        """C: that of the centers; where there are none, the highest label that was seen plus one; 0: none was seen."""
        counts = [p.shape[0] for name, p in learned_by(self.loss, frozen=True) if name.rpartition(".")[2] == "centers"]
        if counts:
            return max(counts)
        seen = [each for each in (labels, *(calls.first_labels for calls in self._calls)) if each is not None]
        whole = [each for each in seen if each.numel() and not each.is_floating_point()]
        return max(0, *(int(each.max()) + 1 for each in whole)) if whole else 0

    def _first_values(self, features: Tensor | Sequence[Tensor] | None, labels: Tensor | None) -> list[float]:
        """Of each loss in its first call; where hooks saw none, of these features; empty if there are none either."""
        values = [calls.first for calls in self._calls]
        seen = self._for_each(features)
        if any(value is None for value in values) and labels is not None and len(seen) == len(values):
            pairs = list(zip(self._added(), seen, strict=True))
            if all(getattr(loss, "feature_dim", each.shape[1]) == each.shape[1] for loss, each in pairs):
                values = [loss(each, labels) for loss, each in pairs]
        known = [float(value.float().mean()) for value in values if value is not None]
        return known if len(known) == len(values) else []

    def _for_each(self, features: Tensor | Sequence[Tensor] | None) -> list[Tensor]:
        """What each loss on features sees."""
        if isinstance(features, Tensor):
            return [features] * len(self._calls)
        return list(features or ())

    def _judge_features(
        self, features: Tensor, labels: Tensor | None, cross_entropy: float | None, num_classes: int | None
    ) -> None:
        features = features[counted_rows(self.loss, features, labels) & features.isfinite().all(1)]
        if not features.shape[0]:
            return
        std = float((features.float() - features.float().mean(0)).square().mean().sqrt())
        self._first_std = std if self._first_std is None else self._first_std
        if cross_entropy is None or num_classes is None:
            return
        guess = math.log(num_classes)
        stuck = abs(cross_entropy - guess) <= _STUCK * guess
        if self._lasts("collapse", stuck and std < _SHRUNK * self._first_std):
            self._tell(
                "collapse",
                f"features collapsed: cross-entropy stays at {cross_entropy:.3f}, a guess among {num_classes} classes, "
                f"while their deviation fell from {self._first_std:.3g} to {std:.3g}. Lower the weight of the loss or "
                "warm it up.",
            )

    def _judge_gates(self, found: Diagnosis) -> None:
        share = found.saturated_gates
        if self._lasts("gates", share is not None and share >= _ALL):
            self._tell(
                "gates",
                f"gates are saturated: {found.closed_gates:.0%} closed, {found.open_gates:.0%} open, in "
                f"{self._lasting['gates']} observations, so the loss no longer weighs samples. Lower the learning rate "
                "of growth or the scale of features; all closed, do without through_spread.",
            )

    def _lasts(self, what: str, is_so: bool) -> bool:
        """Whether it has been so in as many observations on end as there is patience."""
        self._lasting[what] = self._lasting[what] + 1 if is_so else 0
        return self._lasting[what] >= self.patience

    def _tell(self, what: str, sentence: str) -> None:
        if what not in self._told:
            self._told.add(what)
            warnings.warn(f"Watch: {sentence}", stacklevel=5)


def _summary(names: set[str], centers: set[str]) -> str:
    """Names of what is learned, in a few words where it is all centers."""
    return "centers" if centers and centers <= names else _listed(sorted(names))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
