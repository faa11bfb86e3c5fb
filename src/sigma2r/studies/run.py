"""One training run, described: everything that decides its numbers, and nothing else."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from sigma2r._resolve import is_path, resolve
from sigma2r._suggest import unknown
from sigma2r._values import Count, Natural, NotNegative, Rule, converted
from sigma2r.data import Augmentation, check_dataset, default_augmentation, is_listed
from sigma2r.data import augmentation as augmentations
from sigma2r.data.pixels import as_pixel_range
from sigma2r.data.resize import Resize
from sigma2r.models import check_model, default_feature_dim, is_own
from sigma2r.models.hub import check_timm, expected_images, is_timm
from sigma2r.studies.losses import CROSS_ENTROPY, ON_LOGITS, check_own_loss, has_classes, may_be_raised, own_options
from sigma2r.studies.yardsticks import LABEL_SMOOTHING

Precision = Literal["32-true", "16-mixed", "bf16-mixed", "64-true"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that decides one training run, and nothing else.

    Where it runs (device, folders) is not part of it; the number of threads is, because sums come out
    differently when they are split.

    Args:
        dataset: fuzzy-rgb, fashion-mnist, cifar10, cifar100, folder:PATH (train/ and test/, perhaps val/, of class
            folders; or class folders alone), csv:FILE (columns path, label, perhaps split) or the path of one's own,
            package.module:function.
        image_size: Pixels a side that images are scaled to; default: the data set's own, and of a
            folder or a csv file for a model with weights the size that these were trained on.
        resize: Of a folder or a csv file: how images come to that size: crop (the middle, in its proportions; the
            default) or stretch (all of it, pulled).
        gray: Of these: images to one channel (true) or to RGB (false); default: gray if all are.
        pixel_range: Of these: the values of black and of white, for gray images of more than 8 bits.
        missing_classes: Of these: allow classes without test or validation images.
        test_fraction: Of these, where they have no test images: share of each class that is set aside; default 0.2.
        test_seed: Decides which test images are set aside, and nothing else.
        model: lenet, resnet18, timm:NAME or the path of one's own, package.module:Name.
        pretrained: Of timm: start from the weights of its hub; their mean and deviation then normalise the images.
        weights: Of timm: start from the weights of this file instead (safetensors, or torch.save of tensors alone).
        feature_dim: D, dimensions of the features; default: the model's own (lenet 84, resnet18 512, of timm the width
            of its pooled features).
        loss: cross-entropy, or a loss that is added to it (sigma2r list names them, pml:NAME is one of
            pytorch-metric-learning, and package.module:Name one's own); a weight may follow an @, and options in
            brackets, as in sigma2r@0.01 or git@0.01[push_weight=0.1,negatives=other-class].
        loss_weight: lambda of Eq. 11, the weight of the added loss; of label-smoothing, how much. Below 0 for
            soft-nearest-neighbor, to raise it.
        loss_options: Options of the added loss, such as {neighbors: 7, spread: distance-std}; sigma2r list
            names them.
        layers: Layers of the model, as its named_modules() names them, whose outputs the added loss sees, each with
            that weight; default: the features alone. For losses that learn nothing for a class.
        warmup_epochs: Epochs over which the weight of the added loss rises linearly to loss_weight.
        center_init: Where class centers start: normal (N(0, center_std^2), the paper's, see loss_options) or
            class-means (of the training features before the first step).
        images_per_class: Use no more training images of a class than these, drawn by data_seed; default: all.
        epochs: Passes over the training set.
        batch_size: Images in a batch, balanced over the classes.
        sampling: repeat (every class as often as the largest, the default) or cover (each image about once, for classes
            of very unequal size).
        optimizer: adam (the paper's settings) or sgd (momentum 0.9); one optimizer, two groups of parameters.
        lr: Learning rate of the network; decays to 0 along a cosine, a step an epoch.
        loss_lr: Learning rate of the loss's own parameters (centers, growth); decays alike.
        weight_decay: Of the network only; centers and growth have none.
        freeze: Epochs, or all, in which the backbone of the model is not trained: neither its weights nor the
            statistics of its batch norms move, and its dropout is off.
        backbone_lr: Learning rate of the backbone; decays alike. Default: that of the network, which otherwise is that
            of the head and of what lies between.
        accumulate: Batches whose gradients are averaged for one step. Losses that compare the samples of a batch see
            one batch at a time all the same.
        ema: Average the weights over the steps, each time by this much of what they were, as 0.999; all figures, the
            checkpoints and the model are then of the averaged weights. Default: no average.
        precision: Lightning's name of the arithmetic; losses compute in float32 all the same.
        augmentation: Random changes of training images; default, of each that is not given: that of the policy (none,
            crop or photographs) or, without one, the data set's own.
        validation_fraction: Share of each class's training images set aside, where none are for validation; the best
            checkpoint is chosen on validation images, and there is none without them.
        measure_every: Accuracy and spread on train and test every so many epochs; 0: after the last alone.
        patience: End the training once the accuracy on validation images has not risen for so many epochs. Default:
            train for all epochs.
        init_seed: Decides the first weights.
        data_seed: Decides order and augmentation of the images, and the validation split.
        threads: CPU threads.

    Raises:
        ValueError: If a name is unknown or a value makes no sense.
    """

    dataset: str = "fuzzy-rgb"
    image_size: int | None = None
    resize: Resize | None = None
    gray: bool | None = None
    pixel_range: tuple[float, float] | None = None
    missing_classes: bool = False
    test_fraction: float | None = None
    test_seed: int = 0
    model: str = "lenet"
    pretrained: bool = False
    weights: str | None = None
    feature_dim: int | None = None
    loss: str = "sigma2r"
    loss_weight: float = 0.01
    loss_options: dict[str, Any] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    warmup_epochs: int = 0
    center_init: Literal["normal", "class-means"] = "normal"
    images_per_class: int | None = None
    epochs: int = 10
    batch_size: int = 256
    sampling: Literal["repeat", "cover"] = "repeat"
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = 1e-3
    loss_lr: float = 0.1
    weight_decay: float = 0.0
    freeze: int | Literal["all"] = 0
    backbone_lr: float | None = None
    accumulate: int = 1
    ema: float | None = None
    precision: Precision = "32-true"
    augmentation: Augmentation | None = None
    validation_fraction: float = 0.0
    measure_every: int = 1
    patience: int | None = None
    init_seed: int = 0
    data_seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        """Convert what was given, fill in what the data set and the model decide, and refuse what is wrong."""
        self._set(**{key: converted("Run", key, kind, getattr(self, key)) for key, kind in _WANTED.items()})
        name, weight, options = _parts(self.loss)
        self._set(loss=name, loss_weight=self.loss_weight if weight is None else weight)
        check_dataset(self.dataset)
        check_model(self.model)
        self._set(loss_options=own_options(name, {**self.loss_options, **options}))
        if self.loss in ON_LOGITS:
            self._set(warmup_epochs=0, center_init="normal", layers=())
        if not is_path(self.loss) and not has_classes(self.loss):
            self._set(center_init="normal")  # there are no centers
        if self.loss == CROSS_ENTROPY:
            self._set(loss_weight=0.0)
        self._set(pixel_range=as_pixel_range(self.pixel_range))
        self._refuse_what_no_model_takes()
        if isinstance(self.freeze, int) and self.freeze >= self.epochs:
            self._set(freeze="all")
        if self.starts_from_weights and self.image_size is None and is_listed(self.dataset):
            self._set(image_size=expected_images(self.model).image_size)
        if self.layers and not is_path(self.loss) and has_classes(self.loss):
            raise ValueError(
                f"Run: layers are for losses that learn nothing for a class; {self.loss} has centers or weights of one "
                "dimension. Leave layers out."
            )
        if self.feature_dim is None:
            self._set(feature_dim=default_feature_dim(self.model))
        if self.augmentation is None:
            self._set(augmentation=default_augmentation(self.dataset))
        if self.resize is None and self.image_size is not None and is_listed(self.dataset):
            self._set(resize="crop")
        if not is_path(self.loss):
            self._refuse_weight_below_0()
        if self.loss == LABEL_SMOOTHING and self.loss_weight >= 1:
            raise ValueError(f"Run: label-smoothing must lie in [0, 1); got {self.loss_weight!r}.")

    def _refuse_what_no_model_takes(self) -> None:
        if self.starts_from_weights and not is_timm(self.model):
            raise ValueError(f"Run: pretrained and weights are for models of timm, timm:NAME; got {self.model}.")
        if self.pretrained and self.weights is not None:
            raise ValueError("Run: a model starts from the weights of a hub or of a file; got pretrained and weights.")
        frozen, own_rate = self.freeze != 0, self.backbone_lr is not None
        if (frozen or own_rate) and not (is_timm(self.model) or is_own(self.model)):
            raise ValueError(
                "Run: freeze and backbone_lr are for models with a backbone, timm:NAME or one's own with a part of "
                f"that name; {self.model} starts anew as a whole."
            )
        if own_rate and (self.freeze == "all" or (frozen and self.freeze >= self.epochs)):
            raise ValueError("Run: backbone_lr is for a backbone that is trained; it is frozen in all epochs.")
        if self.patience is not None and self.measure_every == 0:
            raise ValueError("Run: patience wants measures within the training; measure_every 0 takes one at its end.")

    @property
    def starts_from_weights(self) -> bool:
        """Whether the model starts from weights that were trained before."""
        return self.pretrained or self.weights is not None

    def check_own_code(self) -> None:
        """Import what paths name, so that a wrong one is told before anything is trained; look up a name of timm.

        Reading a description does not: a record from elsewhere runs no code.

        Raises:
            ImportError: In one sentence, if timm is wanted and missing.
            ValueError: If there is no such thing, or the loss does not take its options or its weight.
        """
        for kind, path in self.own_code.items():
            if kind != "loss":
                resolve(kind, path)
        if is_timm(self.model):
            check_timm(self.model)
        check_own_loss(self.loss, self.loss_options)
        self._refuse_weight_below_0()

    def _refuse_weight_below_0(self) -> None:
        if self.loss_weight < 0 and not may_be_raised(self.loss):
            raise ValueError(f"Run: loss_weight must be a finite number of at least 0; got {self.loss_weight!r}.")

    @property
    def own_code(self) -> dict[str, str]:
        """What is code of others, by a dotted path or a library's name; images may lie where one is named."""
        named = {"data set": self.dataset, "model": self.model, "loss": self.loss}
        named_by_us = (is_listed(self.dataset), is_timm(self.model), False)
        own = zip(named.items(), named_by_us, strict=True)
        return {kind: name for (kind, name), ours in own if is_path(name) and not ours}

    def _set(self, **values: object) -> None:
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @property
    def loss_name(self) -> str:
        """What sets the run's loss apart: :attr:`spelled_loss`, and how weight and centers start if not plainly."""
        if self.loss == CROSS_ENTROPY:
            return CROSS_ENTROPY
        started = {key: getattr(self, key) for key in STARTS if getattr(self, key) != _DEFAULTS[key]}
        return self._spelled({**dict(sorted(self.loss_options.items())), **started})

    @property
    def spelled_loss(self) -> str:
        """The loss as a user types it: ``center@0.4``, ``sigma2r@0.01[spread=std]``."""
        return CROSS_ENTROPY if self.loss == CROSS_ENTROPY else self._spelled(dict(sorted(self.loss_options.items())))

    def _spelled(self, options: dict[str, Any]) -> str:
        listed = ",".join(f"{key}={_spelled(value)}" for key, value in options.items())
        short = f"{self.loss_weight:g}"
        weight = short if float(short) == self.loss_weight else repr(self.loss_weight)
        return f"{self.loss}@{weight}" + (f"[{listed}]" if listed else "")

    @property
    def run_id(self) -> str:
        """16 hex digits that name this description.

        Fields at their default do not count, so that a field added later orphans no old record; nor does what was the
        one way before there was a choice.
        """
        changed = {k: v for k, v in self.as_written().items() if v not in (_DEFAULTS[k], _BEFORE.get(k, _DEFAULTS[k]))}
        return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """The description as plain values, for JSON."""
        return dataclasses.asdict(self)

    def as_written(self) -> dict[str, Any]:
        """The description as files hold it: :meth:`as_dict` without the fields of :data:`LATER` at their default.

        So a run that uses none of them leaves the bytes that it left before there were any.
        """
        values = {k: v for k, v in self.as_dict().items() if k not in LATER or v != _DEFAULTS[k]}
        settings = values["augmentation"]
        return {**values, "augmentation": {k: v for k, v in settings.items() if v != augmentations.LATER.get(k)}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Run":
        """The description that :meth:`as_dict` wrote, or some of it: what is left out is as usual.

        Settings of the augmentation that are left out are those of its policy or, without one, of the data set.

        Raises:
            ValueError: If it is no mapping, a field is unknown, or a value makes no sense.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"Run: a description must be a mapping of its fields; got {type(values).__name__}.")
        for key in values:
            if key not in _DEFAULTS:
                raise unknown("field of a run", str(key), _DEFAULTS)
        augmentation = values.get("augmentation")
        if isinstance(augmentation, Mapping):
            usual = default_augmentation(str(values.get("dataset", _DEFAULTS["dataset"])))
            augmentation = usual.changed(augmentation)
        return cls(**{**values, "augmentation": augmentation})

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> "Run":
        """The description that a record holds: what it does not tell is as it was before it could be told.

        Raises:
            ValueError: As :meth:`from_dict` does.
        """
        if isinstance(values, Mapping):
            scaled = values.get("image_size") is not None and is_listed(str(values.get("dataset")))
            before = {"resize": _BEFORE["resize"]} if scaled else {}
            augmentation = values.get("augmentation")
            whole = {**augmentations.LATER, **augmentation} if isinstance(augmentation, Mapping) else augmentation
            values = {**before, **values, "augmentation": whole}
        return cls.from_dict(values)


STARTS = ("layers", "warmup_epochs", "center_init")  # fields that concern an added loss alone, beside its options
LATER = (
    "resize", "test_fraction", "test_seed", "pretrained", "weights", "freeze", "backbone_lr", "accumulate", "ema",
    "patience",
)  # fmt: skip
"""Fields that came after records were published; files name them where they are used."""
_BEFORE = {"resize": "stretch"}  # how a field was before there was a choice, if that is not its default
IMAGE_SIDE = Rule("be a whole number from 1 to 16384", lambda value: 1 <= value <= 16384 and value % 1 == 0)
_SEED = Rule("be a whole number from 0 to 10**12", lambda value: 0 <= value <= 10**12 and value % 1 == 0)
_THREADS = Rule("be a whole number from 1 to 1024", lambda value: 1 <= value <= 1024 and value % 1 == 0)
_PROPER_SHARE = Rule("lie in [0, 1); 0.1 sets a tenth of each class aside", lambda value: 0 <= value < 1)
_TEST_SHARE = Rule("lie in (0, 1); 0.2 sets a fifth of each class aside", lambda value: 0 < value < 1)
_DECAY = Rule("lie in (0, 1); 0.999 averages over some 1000 steps", lambda value: 0 < value < 1)
_WANTED: dict[str, Any] = {
    "dataset": str,
    "image_size": Annotated[int, IMAGE_SIDE] | None,
    "resize": Resize | None,
    "gray": bool | None,
    "missing_classes": bool,
    "test_fraction": Annotated[float, _TEST_SHARE] | None,
    "test_seed": Annotated[int, _SEED],
    "model": str,
    "pretrained": bool,
    "weights": str | None,
    "feature_dim": Count | None,
    "loss": str,
    "loss_weight": float,
    "loss_options": dict[str, Any],
    "layers": tuple[str, ...],
    "warmup_epochs": Natural,
    "center_init": Literal["normal", "class-means"],
    "images_per_class": Count | None,
    "epochs": Count,
    "batch_size": Count,
    "sampling": Literal["repeat", "cover"],
    "optimizer": Literal["adam", "sgd"],
    "lr": NotNegative,
    "loss_lr": NotNegative,
    "weight_decay": NotNegative,
    "freeze": Natural | Literal["all"],
    "backbone_lr": NotNegative | None,
    "accumulate": Count,
    "ema": Annotated[float, _DECAY] | None,
    "precision": Precision,
    "augmentation": Augmentation | None,
    "validation_fraction": Annotated[float, _PROPER_SHARE],
    "measure_every": Natural,
    "patience": Count | None,
    "init_seed": Annotated[int, _SEED],
    "data_seed": Annotated[int, _SEED],
    "threads": Annotated[int, _THREADS],
}
_DEFAULTS = {f.name: f.default_factory() if callable(f.default_factory) else f.default for f in dataclasses.fields(Run)}


def _spelled(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


_SPELLED = re.compile(r"(?P<name>[^:]*\.py:\w[\w.]*|[^@\[]*)(?:@(?P<weight>[^\[]*))?(?:\[(?P<options>.*)\])?")


def _parts(spelled: str) -> tuple[str, float | None, dict[str, Any]]:
    """Name, weight and options of a loss as a user types it: ``git@0.01[push_weight=0.1]``."""
    match = _SPELLED.fullmatch(spelled)
    if match is None:
        raise ValueError(f"Run: a loss is spelled NAME@WEIGHT[OPTION=VALUE,...]; got {spelled!r}.")
    weight, options = match["weight"], {}
    for item in filter(None, (match["options"] or "").split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise ValueError(f"Run: options of a loss are spelled OPTION=VALUE; got {item!r} in {spelled!r}.")
        if key.strip() in options:
            raise ValueError(f"Run: an option of a loss must stand once; {key.strip()!r} stands twice in {spelled!r}.")
        options[key.strip()] = value.strip()
    try:
        taken = None if weight is None else converted("Run", "loss_weight", float, weight, from_text=True)
    except ValueError:
        raise ValueError(
            f"Run: the weight after the @ must be a number, as in sigma2r@0.01; got {spelled!r}."
        ) from None
    return match["name"], taken, options
