"""skorch, and with it scikit-learn: a classifier whose losses learn at their own rate, on balanced batches."""

from collections.abc import Callable
from typing import Any

from skorch import NeuralNetClassifier
from skorch.utils import data_from_dataset
from torch import Tensor, nn
from torch.utils.data import Sampler

from sigma2r._shown import shown
from sigma2r._values import NotNegative, converted
from sigma2r.adapters._names import as_labels, as_precise_as, indices_of, names_of
from sigma2r.adapters.epochs import tell_epoch
from sigma2r.adapters.groups import loss_groups
from sigma2r.adapters.with_loss import WithLoss

_WHO = "CompactNetClassifier"


class CompactNetClassifier(NeuralNetClassifier):  # type: ignore[misc]
    """A ``skorch.NeuralNetClassifier`` of a :class:`~sigma2r.adapters.WithLoss`, with all of its own arguments.

    What the losses learn is in skorch's own optimizer, in groups at ``loss_lr`` and without weight decay;
    ``optimizer__param_groups`` and all other options are those of the network. ``save_params`` holds it.

    Labels may be class indices, as skorch has them, or names of any kind, as classifiers of scikit-learn have them:
    texts, numbers from 1. Those are numbered in the order of ``classes``, sorted by default, and ``predict`` gives them
    back; what is called in training sees indices. Floating-point data is taken in the precision of the module.

    Args:
        module: The :class:`~sigma2r.adapters.WithLoss`, or what makes one, as skorch wants it: a function of the
            ``module__...`` arguments. From one that is made already, ``fit`` goes on; a function begins anew.
        args: See ``NeuralNetClassifier``.
        loss_lr: Rate of what the losses learn.
        criterion: Says that the module gives logits; leave it as it is, without options. The losses are the module's.
        iterator_train__batch_sampler: Batches of indices, such as a
            :class:`~sigma2r.samplers.BalancedBatchSampler`; or what makes one of the labels that are trained on,
            ``partial(BalancedBatchSampler, batch_size=60)``, where ``train_split`` sets others aside.
        keywords: See ``NeuralNetClassifier``.

    Raises:
        ValueError: When it is initialized, if the module is no :class:`~sigma2r.adapters.WithLoss`, another criterion
            is asked for, or the rate is negative or not finite; in training, if there are more or fewer names of
            classes than the losses have classes, or a label is none of ``classes``.
    """

    def __init__(
        self,
        module: WithLoss | Callable[..., WithLoss],
        *args: Any,
        loss_lr: float = 0.1,
        criterion: Any = nn.CrossEntropyLoss,
        **keywords: Any,
    ) -> None:
        super().__init__(module, *args, criterion=criterion, **keywords)
        self.loss_lr = loss_lr

    def initialize_module(self) -> "CompactNetClassifier":
        """Make the module, and refuse what is none of ours."""
        super().initialize_module()
        self._names: Any = None
        self._trains = False
        if not isinstance(self.module_, WithLoss):
            raise ValueError(
                f"{_WHO}: module must be WithLoss(network, criterion), or a function that makes one; got "
                f"{shown(self.module_)}."
            )
        return self

    def initialize_criterion(self) -> "CompactNetClassifier":
        """Refuse a loss that would never be taken."""
        options = self.get_params_for("criterion")
        if self.criterion is not nn.CrossEntropyLoss or options:
            got = f"criterion__{next(iter(options))}" if options else shown(self.criterion)
            raise ValueError(
                f"{_WHO}: criterion must be nn.CrossEntropyLoss without options, as the losses are those of the "
                f"module; got {got}. Leave it out; what belongs to the loss is said in WithLoss(network, criterion)."
            )
        super().initialize_criterion()
        return self

    def initialize_optimizer(self, *args: Any, **keywords: Any) -> "CompactNetClassifier":
        """Groups of the network as skorch makes them, and those of what the losses learn."""
        rate = converted(_WHO, "loss_lr", NotNegative, self.loss_lr)
        (network,), options = self.get_params_for_optimizer("optimizer", self.module_.network.named_parameters())
        self.optimizer_ = self.optimizer([*network, *loss_groups(self.module_.criterion, lr=rate)], **options)
        return self

    def set_params(self, **keywords: Any) -> "CompactNetClassifier":
        """Of an optimizer that is there, ``lr`` and weight decay set the network's, ``loss_lr`` the losses' rate."""
        own = self._own_groups() if getattr(self, "initialized_", False) else []
        before = [(group["lr"], group.get("weight_decay")) for group in own]
        super().set_params(**keywords)
        rate = keywords.get("loss_lr")
        for group, (lr, decay) in zip(own, before, strict=True):
            if rate is not None or {"lr", "optimizer__lr"} & keywords.keys():
                group["lr"] = lr if rate is None else converted(_WHO, "loss_lr", NotNegative, rate)
            if "optimizer__weight_decay" in keywords:
                group["weight_decay"] = decay
        return self

    def _own_groups(self) -> list[dict[str, Any]]:
        """Those of what the losses learn."""
        learned = {id(parameter) for parameter in self.module_.criterion.parameters()}
        groups: list[dict[str, Any]] = self.optimizer_.param_groups
        return [group for group in groups if any(id(parameter) in learned for parameter in group["params"])]

    @property
    def classes_(self) -> Any:
        """Those of the labels, as they were given; in training of the indices."""
        names = None if getattr(self, "_trains", False) else getattr(self, "_names", None)
        return super().classes_ if names is None else names

    def fit_loop(self, X: Any, y: Any = None, *args: Any, **keywords: Any) -> "CompactNetClassifier":  # noqa: N803 skorch's
        """Train on class indices, whatever the labels are."""
        if y is not None:
            if self._names is None:
                known = as_labels(y if self.classes is None else self.classes)
                self._names = names_of(_WHO, known, self.module_.criterion)
                if self._names is not None and self.classes is not None:
                    self._names = known
            y = y if self._names is None else indices_of(_WHO, as_labels(y), self._names)
        self._trains = True
        try:
            super().fit_loop(X, y, *args, **keywords)
        finally:
            self._trains = False
        return self

    def infer(self, x: Any, **keywords: Any) -> Any:
        """A pass, of data in the precision of the module."""
        return super().infer(as_precise_as(self.module_, x), **keywords)

    def predict(self, X: Any) -> Any:  # noqa: N803 skorch's
        """The most probable classes, as the labels were given."""
        indices = super().predict(X)
        return indices if self._names is None or self._trains else self._names[indices]

    def get_loss(self, y_pred: Tensor, y_true: Tensor, *args: Any, **keywords: Any) -> Tensor:
        """The joint loss of the pass that gave these logits."""
        value: Tensor = self.module_.loss(y_pred, y_true)
        return value

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        """A loader; in training with the batches that were asked for."""
        options = self.get_params_for("iterator_train")
        asked = options.pop("batch_sampler", None)
        if not training or asked is None:
            return super().get_iterator(dataset, training=training)
        options.pop("batch_size", None)
        self.batch_sampler_ = asked if isinstance(asked, Sampler) else asked(_labels(dataset))
        state = self.batch_sampler_.state_dict() if hasattr(self.batch_sampler_, "state_dict") else {}
        told = state.get("samples", len(dataset))
        if told != len(dataset):
            raise ValueError(
                f"{_WHO}: batches must be of the {len(dataset)} samples that are trained on; the sampler is of {told}. "
                "Give train_split=None, or partial(BalancedBatchSampler, batch_size=...), which is then called with "
                "the labels."
            )
        return self.iterator_train(dataset, batch_sampler=self.batch_sampler_, **options)

    def on_epoch_begin(self, net: Any, *args: Any, **keywords: Any) -> None:
        """Tell losses and sampler which epoch begins; one that was gone on from counts on."""
        super().on_epoch_begin(net, *args, **keywords)
        epoch = len(self.history) - 1
        for part in (self.module_, getattr(self, "batch_sampler_", None)):
            tell_epoch(epoch, part)


def _labels(dataset: Any) -> Any:
    """Those of the samples that a data set of skorch holds, also where it is a part of another."""
    _, labels = data_from_dataset(dataset)
    return labels
