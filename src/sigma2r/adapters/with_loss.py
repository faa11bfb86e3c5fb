"""A network and the losses on it as one module, for loops that know a model and its parameters alone."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r._shown import shown
from sigma2r._values import NotNegative, converted
from sigma2r.adapters._moves import Moves
from sigma2r.adapters.groups import loss_groups
from sigma2r.losses._module import FeatureLoss
from sigma2r.taps import FeatureTap

_WHO = "WithLoss"


class WithLoss(nn.Module):
    """A network with its losses: with labels it gives the loss, without them the logits.

    What the losses learn is part of the module, so it moves to a device, is saved and is found by whoever asks for
    ``parameters()``. Called with labels it returns ``{"loss": ..., "logits": ...}``, as the models of Hugging Face do;
    without labels the logits alone, as every classifier does, and :meth:`loss` then gives the loss of that pass.

    In training it looks, until it knows, whether what the losses learn moves while the network does, and warns once if
    it does not. That costs a comparison of a few numbers in the first steps and nothing afterwards.

    Args:
        network: Any classifier: of timm, of torchvision, of transformers, one's own. It returns ``(features, logits)``;
            or, with a tap, logits alone, in a tensor or as ``output.logits``.
        criterion: Called as ``criterion(features, logits, labels)``: a :class:`~sigma2r.losses.JointLoss`.
        tap: Where features come from if the network does not return them:
            ``FeatureTap.before_classifier(network)``. Of several layers each loss of the criterion sees one.

    Raises:
        ValueError: If network or criterion is no module, or the criterion is a loss on features alone.

    Warns:
        UserWarning: Once, if centers or anything else that the losses learn got gradients in five steps in which the
            network moved, and never moved.

    Example:
        >>> from sigma2r import CenterLoss, JointLoss
        >>> network = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
        >>> criterion = JointLoss(CenterLoss(num_classes=3, feature_dim=4), weight=0.01)
        >>> model = WithLoss(network, criterion, FeatureTap.before_classifier(network))
        >>> optimizer = torch.optim.AdamW(model.param_groups(lr=1e-3, loss_lr=0.1, weight_decay=0.01))
        >>> output = model(torch.randn(6, 5), labels=torch.arange(6) % 3)
        >>> output["loss"].shape, output["logits"].shape, model(torch.randn(6, 5)).shape
        (torch.Size([]), torch.Size([6, 3]), torch.Size([6, 3]))
    """

    accepts_loss_kwargs = False  # else transformers would leave gradients that it adds up undivided

    def __init__(self, network: nn.Module, criterion: nn.Module, tap: FeatureTap | None = None) -> None:
        super().__init__()
        for name, part in (("network", network), ("criterion", criterion)):
            if not isinstance(part, nn.Module):
                raise ValueError(f"{_WHO}: {name} must be an nn.Module; got {shown(part)}.")
        if isinstance(criterion, FeatureLoss):
            raise ValueError(
                f"{_WHO}: criterion must be called with features, logits and labels; got a {type(criterion).__name__}, "
                "which is called with features and labels. Did you mean JointLoss(loss, weight=0.01)?"
            )
        if tap is not None and not isinstance(tap, FeatureTap):
            raise ValueError(
                f"{_WHO}: tap must be a FeatureTap, such as FeatureTap.before_classifier(network); got {shown(tap)}."
            )
        self.network = network
        self.criterion = criterion
        self.tap = tap
        self._forget()

    def _forget(self) -> None:
        self._moves = Moves(_WHO)
        self._last: tuple[Tensor | list[Tensor], Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy begins anew: no features, no graph, nothing seen."""
        return {**self.__dict__, "_moves": Moves(_WHO), "_last": None}

    def forward(self, *inputs: Any, labels: Tensor | None = None, **named: Any) -> Tensor | dict[str, Tensor]:
        """The logits; with labels the loss too.

        Args:
            inputs: What the network takes.
            labels: Class indices, shape ``(N,)``.
            named: What the network takes by name, such as ``pixel_values``.

        Returns:
            Logits, shape ``(N, C)``; with labels ``{"loss": scalar, "logits": (N, C)}``.

        Raises:
            ValueError: If there is nothing for the network, or it gives something else than features and logits.
        """
        if not inputs and not named:
            raise ValueError(
                f"{_WHO}: the network must be given something; got labels alone. With the Trainer of Hugging Face say "
                "remove_unused_columns=False, which keeps the columns that the network takes."
            )
        self._last = None
        features, logits = self._features_and_logits(self.network(*inputs, **named))
        if labels is None:
            self._last = features, logits
            return logits
        return {"loss": self._joint(features, logits, labels), "logits": logits}

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of the last pass, for loops that call the loss with what the model returned.

        Args:
            logits: What the last call without labels returned, shape ``(N, C)``.
            labels: Class indices, shape ``(N,)``.

        Raises:
            ValueError: If these are not the logits of the last pass, or their loss has been taken.
        """
        if self._last is None or not _is_what_was_given(logits, self._last[1]):
            raise ValueError(
                f"{_WHO}: loss must be called once with what the model returned last, model(images), as the features "
                "of that pass go with it; got something else. Or call model(images, labels=labels)."
            )
        features, self._last = self._last[0], None
        return self._joint(features, logits, labels)

    def _joint(self, features: Tensor | list[Tensor], logits: Tensor, labels: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            self._moves.look(self.network, self.criterion, labels)
        value: Tensor = self.criterion(features, logits, labels)
        return value

    def _features_and_logits(self, output: Any) -> tuple[Tensor | list[Tensor], Tensor]:
        if self.tap is None:
            pair = isinstance(output, (tuple, list)) and len(output) == 2
            if not pair or not all(isinstance(each, Tensor) for each in output):
                raise ValueError(
                    f"{_WHO}: without a tap the network must return (features, logits); got {shown(output)}. Give "
                    "tap=FeatureTap.before_classifier(network)."
                )
            return output[0], output[1]
        logits = getattr(output, "logits", output)
        if not isinstance(logits, Tensor):
            raise ValueError(
                f"{_WHO}: with a tap the network must return logits, in a tensor or as output.logits; got "
                f"{shown(output)}."
            )
        return self.tap.seen_by_losses, logits

    def set_epoch(self, epoch: int) -> None:
        """Tell the criterion which epoch begins, counted from 0, where its weights follow that."""
        told = getattr(self.criterion, "set_epoch", None)
        if told is not None:
            told(epoch)

    def activation_checkpointing_enable(self, **keywords: Any) -> None:
        """That of the network, as the Trainer of Hugging Face asks for it.

        Raises:
            ValueError: If the network has none.
        """
        enable = getattr(self.network, "activation_checkpointing_enable", None)
        if enable is None:
            raise ValueError(
                f"{_WHO}: checkpointing of activations (gradient_checkpointing=True) must be the network's own; "
                f"{type(self.network).__name__} has no activation_checkpointing_enable(). Leave it out."
            )
        enable(**keywords)

    def param_groups(
        self, *, lr: float, loss_lr: float, weight_decay: float = 0.0, named: bool = False
    ) -> list[dict[str, object]]:
        """The groups for an optimizer: the network's, then one for each thing that the losses learn, without decay.

        Args:
            lr: Rate of the network.
            loss_lr: Rate of what the losses learn.
            weight_decay: Of the network alone.
            named: Give each parameter with its name.

        Raises:
            ValueError: If a rate or the decay is negative or not finite.
        """
        numbers = {"lr": lr, "loss_lr": loss_lr, "weight_decay": weight_decay}
        lr, loss_lr, decay = (converted(_WHO, name, NotNegative, value) for name, value in numbers.items())
        learned: Sequence[Any] = [(n, p) if named else p for n, p in self.network.named_parameters() if p.requires_grad]
        network = {"name": "network", "params": learned, "lr": lr, "weight_decay": decay}
        return [*([network] if learned else []), *loss_groups(self.criterion, lr=loss_lr, named=named)]


def _is_what_was_given(logits: object, last: Tensor) -> bool:
    """Whether these are the logits of a pass, as they were or in another precision."""
    if not isinstance(logits, Tensor) or logits.shape != last.shape:
        return False
    if logits is last or logits.dtype != last.dtype:
        return True
    return logits.untyped_storage().data_ptr() == last.untyped_storage().data_ptr()
