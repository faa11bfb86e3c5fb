"""fastai: a Learner whose losses learn at their own rate, without weight decay, and follow the epoch."""

import warnings
from collections.abc import Callable
from typing import Any

from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import Adam, OptimWrapper
from fastai.torch_core import trainable_params
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
    weight decay is the network's alone, whatever ``fit`` says. Predictions are probabilities, metrics see logits.
    ``learn.save`` and ``learn.load`` hold all.

    A rate that is given to ``fit``, ``fit_one_cycle`` or their like is one for all groups, so give a list: the
    network's, then those of the losses. ``freeze()`` leaves the last group alone, which is the losses'; say
    ``freeze_to(n)``.

    Args:
        dls: Loaders of fastai, or of torch in a ``DataLoaders``, with a batch sampler too.
        model: Network and losses.
        lr: Rate of the network.
        loss_lr: Rate of what the losses learn.
        wd: Weight decay of the network.
        opt_func: See ``Learner``; of torch ``partial(OptimWrapper, opt=torch.optim.AdamW)``.
        splitter: Groups of the network, as fastai has them; the rate is that of all.
        cbs: Callbacks.
        keywords: What a ``Learner`` takes.

    Raises:
        ValueError: If the model is no :class:`~sigma2r.adapters.WithLoss`, a number is negative or not finite, or a
            loss with a negative weight learns something.

    Warns:
        UserWarning: In training, if the rate of the losses was set to that of the network, or the whole network is
            frozen.
    """
    if not isinstance(model, WithLoss):
        raise ValueError(f"{_WHO}: model must be WithLoss(network, criterion); got {shown(model)}.")
    if any(group.get("maximize") for group in loss_groups(model.criterion, lr=0.0)):
        raise ValueError(
            f"{_WHO}: a loss with a negative weight must learn nothing, as optimizers of fastai lower alone; got one "
            "that does. Hold what it learns, such as a temperature."
        )
    numbers = {"lr": lr, "loss_lr": loss_lr, "wd": wd}
    lr, loss_lr, wd = (converted(_WHO, name, NotNegative, value) for name, value in numbers.items())

    def split(of: WithLoss) -> list[list[nn.Parameter]]:
        return [*_as_groups(splitter(of.network)), *_as_groups(loss_groups(of.criterion, lr=loss_lr))]

    num_groups = len(_as_groups(splitter(model.network)))
    num_own = len(split(model)) - num_groups
    return Learner(
        dls,
        model,
        loss_func=_Loss(model),
        opt_func=opt_func if isinstance(opt_func, OptimWrapper) else _Rates(opt_func),
        splitter=split,
        lr=[lr] * num_groups + [loss_lr] * num_own,
        wd=[wd] * num_groups + [0.0] * num_own,
        cbs=[*_as_list(cbs), _Follows(model, num_groups, lr, loss_lr)],
        **keywords,
    )


def _as_groups(split: Any) -> list[list[nn.Parameter]]:
    """Groups of parameters: a splitter may give one as a plain list, and an optimizer of torch takes mappings."""
    groups = [group["params"] if isinstance(group, dict) else group for group in split]
    return [groups] if groups and isinstance(groups[0], nn.Parameter) else [list(group) for group in groups]


def _as_list(callbacks: Any) -> list[Any]:
    return [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


class _Rates:
    """Makes an optimizer with a rate for each group: one of torch is made with a single one."""

    def __init__(self, opt_func: Callable[..., Any]) -> None:
        self.opt_func = opt_func

    def __call__(self, parameters: Any, lr: Any) -> Any:
        """As a Learner calls it."""
        made = self.opt_func(parameters, lr=lr[0] if isinstance(lr, list) else lr)
        made.set_hypers(lr=lr)
        return made


class _Loss:
    """What a Learner calls with predictions and labels, and asks what predictions mean."""

    def __init__(self, model: WithLoss) -> None:
        self.model = model

    def __call__(self, logits: Tensor, labels: Tensor, reduction: str = "mean") -> Tensor:
        """The joint loss of the pass that gave these logits."""
        if reduction != "mean":
            raise ValueError(
                f"{_WHO}: the joint loss must be one number for a batch, as its terms have means of their own; got "
                f"reduction={reduction!r}. Use get_preds() without with_loss."
            )
        return self.model.loss(logits, labels)

    def activation(self, logits: Tensor) -> Tensor:
        """Probabilities."""
        return logits.softmax(-1)

    def decodes(self, values: Tensor) -> Tensor:
        """Classes."""
        return values.argmax(-1)


class _Follows(Callback):  # type: ignore[misc]
    """Tells losses and sampler which epoch begins, and holds weight decay off what the losses learn."""

    order = 65  # before those that skip epochs

    def __init__(self, model: WithLoss, num_groups: int, lr: float, loss_lr: float) -> None:
        self.of = model
        self.num_groups = num_groups
        self.rates = (lr, loss_lr)
        self.has_told = False

    def before_fit(self) -> None:
        """Look at what ``fit`` has set."""
        optimizer = self.learn.opt
        for parameter in self.of.criterion.parameters():
            optimizer.state[parameter]["do_wd"] = False
        own = optimizer.hypers[self.num_groups :]
        same = all(each["lr"] == optimizer.hypers[0]["lr"] for each in own)
        if own and same and self.rates[0] != self.rates[1] and not self.has_told:
            self.has_told = True
            given = f"{own[0]['lr']:g}"
            warnings.warn(
                f"{_WHO}: what the losses learn has the network's rate, {given}, because fit was given one for all "
                f"groups. Give a list of {len(optimizer.hypers)}, the network's and then those of the losses: "
                f"[{given}, ..., {self.rates[1]:g}].",
                stacklevel=2,
            )
        if getattr(optimizer, "frozen_idx", 0) >= self.num_groups:
            warnings.warn(
                f"{_WHO}: the whole network is frozen, because freeze() leaves the last group alone, which is the "
                f"losses'. Say learn.freeze_to({max(self.num_groups - 1, 0)}).",
                stacklevel=2,
            )

    def before_epoch(self) -> None:
        """Counted as the Learner counts."""
        for thing in (self.of, self.learn.dls.train):
            tell_epoch(self.learn.epoch, thing)
