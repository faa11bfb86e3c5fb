"""The training step: Eq. 11 on features and logits, one optimizer with a group for the loss's own parameters."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sigma2r.data.augmentation import Augmentation
from sigma2r.data.preprocess import Preprocess
from sigma2r.diagnosis import far_from_scale
from sigma2r.losses import JointLoss
from sigma2r.losses._module import FeatureLoss
from sigma2r.losses._precision import working_dtype
from sigma2r.taps import FeatureTap
from sigma2r.training.fine_tuning import FineTuning, Freezer, backbone_of, network_groups

_GATED = 10  # batches


class TrainingDivergedError(RuntimeError):
    """Features or weights stopped being finite."""


class CompactClassifier(pl.LightningModule):
    """A network with features and logits, trained on cross-entropy and, if there is one, an added loss.

    Args:
        model: ``model(images) -> (features, logits)``.
        criterion: The joint loss; None trains on cross-entropy alone.
        layers: Layers of the model whose outputs the losses of the criterion see, one each; none: the features.
        label_smoothing: Of the cross-entropy where it stands alone.
        preprocess: Normalisation of the images.
        augmentation: Random changes of training images.
        data_seed: Decides them, together with the epoch.
        init_seed: Decides, with both, what model and losses draw from torch's global generator while they train.
        epochs: Length of the cosine.
        optimizer: ``"adam"`` or ``"sgd"`` (momentum 0.9).
        lr: Learning rate of the network at the first epoch.
        loss_lr: Learning rate of the loss's own parameters at the first epoch.
        weight_decay: Of the network.
        fine_tuning: How its backbone is trained, where that is not how the rest is.
        accumulate: Batches whose gradients are averaged for one step.

    Raises:
        ValueError: If there is a backbone to be frozen, or to have a rate of its own, and the model has none.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: JointLoss | None,
        preprocess: Preprocess,
        *,
        augmentation: Augmentation,
        data_seed: int,
        init_seed: int = 0,
        epochs: int,
        optimizer: str,
        lr: float,
        loss_lr: float,
        weight_decay: float,
        layers: Sequence[str] = (),
        label_smoothing: float = 0.0,
        fine_tuning: FineTuning | None = None,
        accumulate: int = 1,
    ) -> None:
        super().__init__()
        self.model = model
        self.label_smoothing = label_smoothing
        self._tap = FeatureTap(model, *layers) if layers else None
        self.criterion = criterion
        self.preprocess = preprocess
        self.augmentation = augmentation
        self.data_seed = data_seed
        self.init_seed = init_seed
        self.epochs = epochs
        self.optimizer_name = optimizer
        self.lr = lr
        self.loss_lr = loss_lr
        self.weight_decay = weight_decay
        self.fine_tuning = fine_tuning or FineTuning()
        self.accumulate = accumulate
        self._freezer = Freezer(backbone_of(model)) if self.fine_tuning.concerns_backbone else None
        self._share = 1.0
        self._gates: list[Tensor] = []
        self._generator = torch.Generator()
        self._first_bad_step = torch.full((), -1)

    def on_train_epoch_start(self) -> None:
        """Set this epoch's rates and its augmentation: both follow from the epoch alone, so resuming is exact."""
        epoch = self.current_epoch
        self._generator.manual_seed(self.data_seed * 1_000_003 + epoch)
        torch.manual_seed((self.init_seed * 1_000_003 + self.data_seed) * 1_000_003 + epoch)  # dropout and its like
        self._first_bad_step = torch.full((), -1, device=self.device)
        self._gates = []
        if self.criterion is not None:
            self.criterion.set_epoch(epoch)
        if self._freezer is not None:
            self._freezer.set(self.fine_tuning.is_frozen(epoch))
            if self.criterion is not None:
                self.criterion.frozen_features = self.fine_tuning.is_frozen(epoch)
        decay = 0.5 * (1 + math.cos(math.pi * epoch / self.epochs))
        for group in self.optimizers(use_pl_optimizer=False).param_groups:  # type: ignore[union-attr]
            group["lr"] = decay * group["initial_lr"]

    def augmented(self, images: Tensor) -> Tensor:
        """Training images as the network sees them; each call changes them in other ways."""
        changed: Tensor = self.preprocess(images, self.augmentation, self._generator)
        return changed

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """The joint loss of a batch, and its terms."""
        images, labels = batch
        features, logits = self.model(images)
        if self.criterion is None:
            logits = logits.to(working_dtype(logits))
            cross_entropy = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
            auxiliary, loss = torch.zeros_like(cross_entropy), cross_entropy
        else:
            cross_entropy, each = self.criterion.terms(self.seen_by_losses(features), logits, labels)
            loss = self.criterion.total(cross_entropy, each)
            auxiliary = torch.stack(each).sum()
        self._watch(features, loss, batch_idx)
        self._keep_gates(features, labels, batch_idx)
        if self.current_epoch == 0 and batch_idx == 0 and self.criterion is not None:
            self._say_if_far_from_scale(cross_entropy.detach(), loss.detach())
            self._say_if_features_stay(features)
        self.log("loss", loss.detach(), prog_bar=True)
        terms = {"loss": loss, "cross_entropy": cross_entropy.detach(), "auxiliary": auxiliary.detach()}
        if self.accumulate == 1:
            return terms
        left = int(self.trainer.num_training_batches) - batch_idx // self.accumulate * self.accumulate
        self._share = self.accumulate / min(self.accumulate, left)
        return {**terms, "joint": loss.detach()}  # Lightning divides the other

    def backward(self, loss: Tensor, *args: Any, **keywords: Any) -> None:
        """The gradients of a batch; where an epoch's last step has fewer batches, it averages over these alone.

        Args:
            loss: Divided by ``accumulate``.
            args: Lightning's.
            keywords: Lightning's.
        """
        super().backward(loss if self._share == 1 else loss * self._share, *args, **keywords)

    @torch.no_grad()
    def _keep_gates(self, features: Tensor, labels: Tensor, step: int) -> None:
        """The gates of an epoch's last batches, as training saw them; of a loss that has some."""
        loss = None if self.criterion is None else self.criterion.auxiliary
        gate = getattr(loss, "gate", None) if isinstance(loss, FeatureLoss) else None
        if gate is None or step < int(self.trainer.num_training_batches) - _GATED:
            return
        seen = self.seen_by_losses(features)
        self._gates.append(gate(seen if isinstance(seen, Tensor) else seen[0], labels).detach())

    def gate_figures(self) -> dict[str, dict[str, float]]:
        """Mean, 1 % and 99 % of the gates of an epoch's last ten batches, and the mean slope; for no gates nothing."""
        if not self._gates:
            return {}
        gates = torch.cat(self._gates).double()
        low, high = torch.quantile(gates, gates.new_tensor([0.01, 0.99])).tolist()
        assert self.criterion is not None
        slope = getattr(self.criterion.auxiliary, "growth_rate", None)
        told = {"mean": float(gates.mean()), "low": low, "high": high}
        return {"gate": told if slope is None else {**told, "slope": float(slope().mean())}}

    def seen_by_losses(self, features: Tensor) -> Tensor | list[Tensor]:
        """What the losses of the criterion see of the last forward pass: outputs of the named layers, or features."""
        return features if self._tap is None else [self._tap[name] for name in self._tap]

    def told_of_epoch(self) -> dict[str, Any]:
        """How this epoch was trained, where that is not the usual way; for the history."""
        told: dict[str, Any] = {}
        if self.fine_tuning.freeze != 0:
            told["frozen"] = self.fine_tuning.is_frozen(self.current_epoch)
        if self.fine_tuning.lr is not None:
            groups = self.optimizers(use_pl_optimizer=False).param_groups  # type: ignore[union-attr]
            told["backbone_lr"] = next(group["lr"] for group in groups if group["name"] == "backbone")
        if self.accumulate > 1:
            told["steps"] = -(-int(self.trainer.num_training_batches) // self.accumulate)
        return told

    def let_go(self) -> None:
        """Let the whole model learn again, in the modes that it was in."""
        if self._freezer is not None:
            self._freezer.set(False)

    def _watch(self, features: Tensor, loss: Tensor, step: int) -> None:
        """Stop where features are not finite: at once on the CPU, elsewhere after the epoch, without waiting."""
        bad = ~(torch.isfinite(features.detach()).all() & torch.isfinite(loss.detach()))
        if features.device.type != "cpu":
            self._first_bad_step = torch.where(bad & (self._first_bad_step < 0), step, self._first_bad_step)
        elif bad:
            self.diverged(step)

    def _say_if_far_from_scale(self, cross_entropy: Tensor, loss: Tensor) -> None:
        """Once, at the first step: losses on features that begin far above the cross-entropy decide it alone."""
        assert self.criterion is not None
        added = float(loss - cross_entropy)
        can_start_at_means = any(hasattr(part, "init_centers") for part in self.criterion.auxiliaries)
        sentence = far_from_scale(float(cross_entropy), added, has_centers=can_start_at_means)
        if sentence is not None:
            warnings.warn(f"train: {sentence}", stacklevel=2)

    def _say_if_features_stay(self, features: Tensor) -> None:
        """Once: behind a backbone that is never trained there may be nothing that a loss on features changes."""
        seen = self.seen_by_losses(features)
        if self.fine_tuning.freeze is None and not any(
            each.requires_grad for each in ([seen] if isinstance(seen, Tensor) else seen)
        ):
            warnings.warn(
                "train: with freeze all the features stay what the backbone makes of an image: the added loss moves "
                "its centers alone, if it has any, and changes no feature. Another feature_dim puts a layer that "
                "learns behind the backbone.",
                stacklevel=2,
            )

    def on_train_epoch_end(self) -> None:
        """Refuse to end an epoch, and so to write a checkpoint, with features or weights that are not finite."""
        step = int(self._first_bad_step)
        if step >= 0:
            self.diverged(step)
        if not all(bool(torch.isfinite(parameter).all()) for parameter in self.parameters()):
            self.diverged(int(self.trainer.num_training_batches) - 1)

    def diverged(self, step: int) -> None:
        """Say where training broke.

        Raises:
            TrainingDivergedError: Always.
        """
        raise TrainingDivergedError(
            f"train: features must stay finite; they became NaN or infinite in epoch {self.current_epoch + 1} at "
            f"step {step + 1}. The checkpoint of the last good epoch is kept. Lower lr ({self.lr:g}), loss_lr "
            f"({self.loss_lr:g}) or the loss's weight."
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """One optimizer; for Adam two groups are exactly the paper's two optimizers."""
        groups = network_groups(self.model, self.fine_tuning, lr=self.lr, weight_decay=self.weight_decay)
        groups += self.criterion.param_groups(lr=self.loss_lr) if self.criterion else []
        for group in groups:
            group["initial_lr"] = group["lr"]
        if self.optimizer_name == "sgd":
            return torch.optim.SGD(groups, momentum=0.9, fused=True)
        return torch.optim.Adam(groups, fused=True)
