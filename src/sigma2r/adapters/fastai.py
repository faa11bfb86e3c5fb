"""fastai: a Learner whose losses learn at their own rate, without weight decay, and follow the epoch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import fastai.callback.schedule  # noqa: F401  its import gives a Learner fit_one_cycle, fine_tune and lr_find
import torch.nn.functional as F
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import Adam, OptimWrapper
from fastai.torch_core import trainable_params
from fastcore.basics import even_mults
from fastcore.foundation import L
from torch import Tensor, nn

from sigma2r._shown import shown
from sigma2r._values import NotNegative, converted
from sigma2r.adapters.epochs import tell_epoch
from sigma2r.adapters.groups import loss_groups
from sigma2r.adapters.with_loss import WithLoss

_WHO = "compact_learner"


def compact_learner(
    dls: DataLoaders,
    model: WithLoss,
    *,
    lr: float = 1e-3,
    loss_lr: float = 0.1,
    wd: float = 0.01,
    opt_func: Any = Adam,
    splitter: Callable[[nn.Module], Any] = trainable_params,
    cbs: Any = None,
    **keywords: Any,
) -> Learner:
    """A ``fastai.learner.Learner`` of a :class:`~sigma2r.adapters.WithLoss`, with all of its own arguments.

    Its groups of parameters are those of the network and then one for each thing that the losses learn, at ``loss_lr``;
    weight decay is the network's alone, whatever ``fit`` says. Predictions are probabilities, metrics see logits; the
    loss of a single item, as ``get_preds(with_loss=True)`` and interpretations ask for it, is its cross-entropy.
    ``learn.save`` and ``learn.load`` hold all.

    A rate that is given to ``fit``, ``fit_one_cycle``, ``fine_tune``, ``lr_find`` or their like is the network's, be it
    one number, a slice, or one for each of its groups; the losses keep ``loss_lr``. A list of one for every group sets
    theirs too. ``freeze()`` and ``freeze_to(-n)`` count the groups of the network alone, so losses always learn.

    Args:
        dls: Loaders of fastai, or of torch in a ``DataLoaders``, with a batch sampler too.
        model: Network and losses.
        lr: Rate of the network.
        loss_lr: Rate of what the losses learn.
        wd: Weight decay of the network.
        opt_func: See ``Learner``; of torch ``partial(OptimWrapper, opt=torch.optim.AdamW)``, or
            ``OptimWrapper(opt=...)`` of an optimizer whose groups are those of ``model.param_groups``. Rates and decay
            are those of ``compact_learner``.
        splitter: Groups of the network, as fastai has them; the rate is that of all.
        cbs: Callbacks.
        keywords: What a ``Learner`` takes.

    Raises:
        ValueError: If the model is no :class:`~sigma2r.adapters.WithLoss`, another loss is asked for, a number is
            negative or not finite, the optimizer has other groups or a rate of its own, or a loss with a negative
            weight learns something; in training, if labels are mixed, or weight decay is set for what the losses learn.
    """
    if not isinstance(model, WithLoss):
        raise ValueError(f"{_WHO}: model must be WithLoss(network, criterion); got {shown(model)}.")
    if "loss_func" in keywords:
        raise ValueError(
            f"{_WHO}: the loss must be that of the model; got loss_func={shown(keywords['loss_func'])}, which would "
            "take its place. Leave it out; what belongs to the loss is said in WithLoss(network, criterion)."
        )
    if any(group.get("maximize") for group in loss_groups(model.criterion, lr=0.0)):
        raise ValueError(
            f"{_WHO}: a loss with a negative weight must learn nothing, as optimizers of fastai lower alone; got one "
            "that does. Hold what it learns, such as a temperature."
        )
    numbers = {"lr": lr, "loss_lr": loss_lr, "wd": wd}
    lr, loss_lr, wd = (converted(_WHO, name, NotNegative, value) for name, value in numbers.items())

    split = _Split(splitter)
    num_groups = len(_as_groups(splitter(model.network)))
    num_own = len(split(model)) - num_groups
    own = {"lr": [loss_lr] * num_own, "wd": [0.0] * num_own}
    if isinstance(opt_func, OptimWrapper):
        _check_groups(opt_func, split(model), num_groups)
        makes = _own_hypers(opt_func, num_groups, own)
    else:
        _check_options(opt_func)
        makes = _Makes(opt_func, num_groups, own)
    return Learner(
        dls,
        model,
        loss_func=_Loss(model),
        opt_func=makes,
        splitter=split,
        lr=[lr] * num_groups + own["lr"],
        wd=[wd] * num_groups + own["wd"],
        cbs=[*_as_list(cbs), _Follows(model)],
        **keywords,
    )


def _check_groups(made: OptimWrapper, wanted: list[list[nn.Parameter]], num_groups: int) -> None:
    """Refuse an optimizer that is there already with groups that no rate of ours would fit."""
    if [{id(p) for p in group} for group in made.param_lists] != [{id(p) for p in group} for group in wanted]:
        raise ValueError(
            f"{_WHO}: an optimizer in opt_func must hold the network in {num_groups} of its groups, as the splitter "
            f"has them, and then one for each thing that the losses learn, {len(wanted)} in all; got other groups, "
            f"{len(made.param_lists)} in all. Build it of model.param_groups(lr=..., loss_lr=...), or give "
            "partial(OptimWrapper, opt=torch.optim.AdamW)."
        )


def _check_options(opt_func: Any) -> None:
    """Refuse a rate or decay that those of the Learner would take the place of."""
    options = opt_func.keywords if isinstance(opt_func, partial) else {}
    for name, ours in {"lr": "lr", "wd": "wd", "weight_decay": "wd"}.items():
        if name in options:
            raise ValueError(
                f"{_WHO}: {ours} must be said to {_WHO}, which sets it anew; got {name}={options[name]!r} in "
                f"opt_func. Say {_WHO}(..., {ours}={options[name]!r})."
            )


def _as_groups(split: Any) -> list[list[nn.Parameter]]:
    """Groups of parameters: a splitter may give one as a plain list, and an optimizer of torch takes mappings."""
    groups = [group["params"] if isinstance(group, dict) else group for group in split]
    return [groups] if groups and isinstance(groups[0], nn.Parameter) else [list(group) for group in groups]


def _as_list(callbacks: Any) -> list[Any]:
    return [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


class _Split:
    """Groups of parameters: the network's, then one for each thing that the losses learn."""

    def __init__(self, splitter: Callable[[nn.Module], Any]) -> None:
        self.splitter = splitter

    def __call__(self, of: WithLoss) -> list[list[nn.Parameter]]:
        """As a Learner calls it."""
        return [*_as_groups(self.splitter(of.network)), *_as_groups(loss_groups(of.criterion, lr=0.0))]


class _Makes:
    """Makes an optimizer whose rates, decay and frozen groups are the network's, unless all groups are meant."""

    def __init__(self, opt_func: Callable[..., Any], num_groups: int, own: dict[str, list[float]]) -> None:
        self.opt_func = opt_func
        self.num_groups = num_groups
        self.own = own

    def __call__(self, parameters: Any, lr: Any) -> Any:
        """As a Learner calls it; one of torch is made with a single rate."""
        made = self.opt_func(parameters, lr=lr[0] if isinstance(lr, list) else lr)
        made = _own_hypers(made, self.num_groups, self.own)
        made.set_hypers(lr=lr)
        return made


def _own_hypers(made: Any, num_groups: int, own: dict[str, list[float]]) -> Any:
    """An optimizer, of fastai or around one of torch, that keeps the rate and decay of what the losses learn."""
    made.set_hyper = partial(_set_hyper, made, num_groups, own)
    made.freeze_to = partial(_freeze_to, made, num_groups)
    decays = [hyper["wd"] for hyper in made.hypers if "wd" in hyper]
    if decays:
        made.set_hyper("wd", decays[:num_groups])
    return made


def _set_hyper(made: Any, num_groups: int, own: dict[str, list[float]], key: str, value: Any) -> None:
    """As the optimizer does, but that a rate or decay which is not given for every group is that of the network."""
    if own.get(key):
        if isinstance(value, slice):
            low, high = value.start, value.stop
            value = even_mults(low, high, num_groups) if low else [*[high / 10] * (num_groups - 1), high]
        given = list(L(value, use_list=None))
        if len(given) in (1, num_groups):
            value = [*(given * num_groups if len(given) == 1 else given), *own[key]]
        elif key == "wd" and any(given[num_groups:]):
            raise ValueError(
                f"{_WHO}: wd must be that of the network alone, as centers that decay are drawn to the origin; got "
                f"{given}. Give one number, or one for each of its {num_groups} groups."
            )
    type(made).set_hyper(made, key, value)


def _freeze_to(made: Any, num_groups: int, n: int) -> None:
    """As the optimizer does, but that it counts back from the last group of the network."""
    type(made).freeze_to(made, n if n >= 0 else max(num_groups + n, 0))


class _Loss:
    """What a Learner calls with predictions and labels, and asks what predictions mean."""

    y_int = True  # what mixes images then leaves labels as they are, and asks for the loss of each item

    def __init__(self, model: WithLoss) -> None:
        self.model = model
        self.reduction = "mean"  # which the library exchanges for a while

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The joint loss of the pass that gave these logits; of each item its cross-entropy."""
        if self.reduction == "mean":
            return self.model.loss(logits, labels)
        if self.model.training:
            raise ValueError(
                f"{_WHO}: in training each image must have one class, as features have one center, and the joint loss "
                "is one number for a batch; got mixed images, or a callback that asks for the loss of each. Leave out "
                "MixUp, CutMix and their like."
            )
        ignored = getattr(self.model.criterion, "ignore_index", -100)
        labels = labels if labels.is_floating_point() else labels.long()
        return F.cross_entropy(logits, labels, ignore_index=ignored, reduction=self.reduction)

    def activation(self, logits: Tensor) -> Tensor:
        """Probabilities."""
        return logits.softmax(-1)

    def decodes(self, values: Tensor) -> Tensor:
        """Classes."""
        return values.argmax(-1)


class _Follows(Callback):  # type: ignore[misc]
    """Tells losses and sampler which epoch begins."""

    order = 65  # before those that skip epochs

    def __init__(self, model: WithLoss) -> None:
        self.of = model

    def before_epoch(self) -> None:
        """Counted as the Learner counts."""
        for thing in (self.of, self.learn.dls.train):
            tell_epoch(self.learn.epoch, thing)
