"""fastai: a Learner whose losses learn at their own rate, without weight decay, and follow the epoch."""

from collections.abc import Callable
from functools import partial
from typing import Any

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
    weight decay is the network's alone, whatever ``fit`` says. Predictions are probabilities, metrics see logits.
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
        opt_func: See ``Learner``; of torch ``partial(OptimWrapper, opt=torch.optim.AdamW)``.
        splitter: Groups of the network, as fastai has them; the rate is that of all.
        cbs: Callbacks.
        keywords: What a ``Learner`` takes.

    Raises:
        ValueError: If the model is no :class:`~sigma2r.adapters.WithLoss`, a number is negative or not finite, or a
            loss with a negative weight learns something.
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

    split = _Split(splitter)
    num_groups = len(_as_groups(splitter(model.network)))
    num_own = len(split(model)) - num_groups
    return Learner(
        dls,
        model,
        loss_func=_Loss(model),
        opt_func=opt_func if isinstance(opt_func, OptimWrapper) else _Rates(opt_func, num_groups, loss_lr),
        splitter=split,
        lr=[lr] * num_groups + [loss_lr] * num_own,
        wd=[wd] * num_groups + [0.0] * num_own,
        cbs=[*_as_list(cbs), _Follows(model)],
        **keywords,
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


class _Rates:
    """Makes an optimizer whose rates and frozen groups are the network's, unless all groups are meant."""

    def __init__(self, opt_func: Callable[..., Any], num_groups: int, loss_lr: float) -> None:
        self.opt_func = opt_func
        self.num_groups = num_groups
        self.loss_lr = loss_lr

    def __call__(self, parameters: Any, lr: Any) -> Any:
        """As a Learner calls it; one of torch is made with a single rate."""
        made = self.opt_func(parameters, lr=lr[0] if isinstance(lr, list) else lr)
        made.set_hyper = partial(_set_hyper, made, self.num_groups, self.loss_lr)
        made.freeze_to = partial(_freeze_to, made, self.num_groups)
        made.set_hypers(lr=lr)
        return made


def _set_hyper(made: Any, num_groups: int, loss_lr: float, key: str, value: Any) -> None:
    """As the optimizer does, but that a rate which is not given for every group is that of the network."""
    num_own = len(made.param_lists) - num_groups
    if key == "lr" and num_own:
        if isinstance(value, slice):
            low, high = value.start, value.stop
            value = even_mults(low, high, num_groups) if low else [*[high / 10] * (num_groups - 1), high]
        rates = list(L(value, use_list=None))
        if len(rates) in (1, num_groups):
            value = [*(rates * num_groups if len(rates) == 1 else rates), *[loss_lr] * num_own]
    type(made).set_hyper(made, key, value)


def _freeze_to(made: Any, num_groups: int, n: int) -> None:
    """As the optimizer does, but that it counts back from the last group of the network."""
    type(made).freeze_to(made, n if n >= 0 else max(num_groups + n, 0))


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

    def __init__(self, model: WithLoss) -> None:
        self.of = model

    def before_fit(self) -> None:
        """Whatever decay ``fit`` has set."""
        for parameter in self.of.criterion.parameters():
            self.learn.opt.state[parameter]["do_wd"] = False

    def before_epoch(self) -> None:
        """Counted as the Learner counts."""
        for thing in (self.of, self.learn.dls.train):
            tell_epoch(self.learn.epoch, thing)
