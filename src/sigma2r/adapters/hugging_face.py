"""The Trainer of Hugging Face: groups for what losses learn, balanced batches, and losses that follow the epoch."""

import inspect
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sigma2r._shown import shown
from sigma2r._values import NotNegative, converted
from sigma2r.adapters.epochs import tell_epoch
from sigma2r.adapters.groups import check_own_groups, own_groups
from sigma2r.adapters.with_loss import WithLoss

_WHO = "CompactTrainer"


class CompactTrainer(Trainer):  # type: ignore[misc]
    """A ``transformers.Trainer`` of a :class:`~sigma2r.adapters.WithLoss`, with all of its own arguments.

    The network has the optimizer, the rate and the weight decay of the ``TrainingArguments``; what the losses learn is
    in the same optimizer, at ``loss_lr`` and without weight decay. A schedule multiplies all rates. Checkpoints hold
    what the losses learn, and going on from one is exact. The columns that are kept of a data set are those that the
    network's ``forward`` names.

    The norm that ``max_grad_norm`` clips (1.0 unless you say otherwise) is that of all gradients together, those of
    centers included.

    Args:
        model: Network and losses; or leave it out and give ``model_init``, which makes one.
        args: The ``TrainingArguments``.
        loss_lr: Rate of what the losses learn; an optimizer that is given, ``optimizers=(optimizer, None)``, has to
            have it in groups of theirs, as ``model.param_groups`` makes them.
        batch_sampler: Batches of indices of the training set, such as a
            :class:`~sigma2r.samplers.BalancedBatchSampler`; default: the Trainer's own. Its length and size take the
            place of ``per_device_train_batch_size``.
        keywords: What a ``Trainer`` takes.

    Raises:
        ValueError: If the model is no :class:`~sigma2r.adapters.WithLoss`, the rate is negative or not finite, or
            another loss is asked for, by ``label_smoothing_factor`` or ``compute_loss_func``; and when it trains, if an
            optimizer that is given moves what the losses learn at another rate, decays it, or does not hold it.
    """

    def __init__(
        self,
        model: WithLoss | None = None,
        args: TrainingArguments | None = None,
        *,
        loss_lr: float,
        batch_sampler: Sampler[list[int]] | None = None,
        **keywords: Any,
    ) -> None:
        if model is not None or keywords.get("model_init") is None:
            _check_model(model)
        smoothing = 0.0 if args is None else args.label_smoothing_factor
        if smoothing or keywords.get("compute_loss_func") is not None:
            other = f"label_smoothing_factor={smoothing:g}" if smoothing else "compute_loss_func"
            raise ValueError(
                f"{_WHO}: the loss must be that of the model; got {other}, which would take its place. Leave it out; "
                "smoothed labels are the targets of a JointLoss."
            )
        self.loss_lr: float = converted(_WHO, "loss_lr", NotNegative, loss_lr)
        self.batch_sampler = batch_sampler
        super().__init__(model, args, **keywords)
        self.add_callback(_Epochs())

    def call_model_init(self, *args: Any) -> WithLoss:
        """A model of ``model_init``, anew for each training."""
        return _check_model(super().call_model_init(*args))

    def create_optimizer(self, *args: Any, **keywords: Any) -> torch.optim.Optimizer:
        """That of the arguments, with groups for what the losses learn; one that was given has to have them."""
        is_given = self.optimizer is not None
        optimizer: torch.optim.Optimizer = super().create_optimizer(*args, **keywords)
        if not is_given:
            return own_groups(optimizer, self.model.criterion, lr=self.loss_lr)
        check_own_groups(_WHO, optimizer, self.model.criterion, lr=self.loss_lr)
        return optimizer

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The loader of the training set, in the batches of the sampler that was given."""
        if self.batch_sampler is None or self.train_dataset is None:
            loader: DataLoader[Any] = super().get_train_dataloader()
            return loader
        prepared: DataLoader[Any] = self.accelerator.prepare(
            DataLoader(
                self.train_dataset,
                batch_sampler=self.batch_sampler,
                collate_fn=self._get_collator_with_removed_columns(self.data_collator, description="training"),
                num_workers=self.args.dataloader_num_workers,
                pin_memory=self.args.dataloader_pin_memory,
                persistent_workers=self.args.dataloader_persistent_workers,
                prefetch_factor=self.args.dataloader_prefetch_factor,
            )
        )
        return prepared

    def _set_signature_columns_if_needed(self) -> None:
        """Keep what the network takes: ``WithLoss`` itself takes whatever comes."""
        taken = inspect.signature(self.model.network.forward).parameters
        self._signature_columns: list[str] = [*taken, "label", "label_ids", *self.label_names]


def _check_model(model: Any) -> WithLoss:
    if not isinstance(model, WithLoss):
        raise ValueError(f"{_WHO}: model must be WithLoss(network, criterion); got {shown(model)}.")
    return model


class _Epochs(TrainerCallback):  # type: ignore[misc]
    """Tells the losses which epoch begins; the loader is told by the Trainer."""

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **keywords: Any
    ) -> None:
        """Also where training goes on within an epoch."""
        tell_epoch(int(state.epoch or 0), keywords["model"])
