"""One training run, described: everything that decides its numbers, and nothing else."""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from sigma2r.data import Augmentation, check_dataset, default_augmentation
from sigma2r.data.pixels import as_pixel_range
from sigma2r.losses.registry import CROSS_ENTROPY, ON_LOGITS, check_loss, has_classes, may_be_raised
from sigma2r.losses.yardsticks import LABEL_SMOOTHING
from sigma2r.models import check_model, default_feature_dim

Precision = Literal["32-true", "16-mixed", "bf16-mixed", "64-true"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that decides one training run, and nothing else.

    Where it runs (device, folders) is not part of it; the number of threads is, because sums come out
    differently when they are split.

    Args:
        dataset: fuzzy-rgb, fashion-mnist, cifar10, cifar100 or folder:PATH (train/ and test/ folders of class folders).
        image_size: Pixels a side that images are scaled to; default: the data set's own.
        gray: Of a folder: images to one channel (true) or to RGB (false); default: gray if all are.
        pixel_range: Of a folder: the values of black and of white, for gray images of more than 8 bits.
        missing_classes: Of a folder: allow classes without test images.
        model: lenet or resnet18.
        feature_dim: D, dimensions of the features; default: the model's own (lenet 84, resnet18 512).
        loss: cross-entropy, or a loss that is added to it (sigma2r list names them); a weight may follow an @, and
            options in brackets, as in sigma2r@0.01 or git@0.01[push_weight=0.1,negatives=other-class].
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
        optimizer: adam (the paper's settings) or sgd (momentum 0.9); one optimizer, two groups of parameters.
        lr: Learning rate of the network; decays to 0 along a cosine, a step an epoch.
        loss_lr: Learning rate of the loss's own parameters (centers, growth); decays alike.
        weight_decay: Of the network only; centers and growth have none.
        precision: Lightning's name of the arithmetic; losses compute in float32 all the same.
        augmentation: Random changes of training images; default: the data set's own.
        validation_fraction: Share of each class's training images set aside; the best checkpoint is chosen on
            them, and there is none without them.
        measure_every: Accuracy and spread on train and test every so many epochs; 0: after the last alone.
        init_seed: Decides the first weights.
        data_seed: Decides order and augmentation of the images, and the validation split.
        threads: CPU threads.

    Raises:
        ValueError: If a name is unknown or a value makes no sense.
    """

    dataset: str = "fuzzy-rgb"
    image_size: int | None = None
    gray: bool | None = None
    pixel_range: tuple[float, float] | None = None
    missing_classes: bool = False
    model: str = "lenet"
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
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = 1e-3
    loss_lr: float = 0.1
    weight_decay: float = 0.0
    precision: Precision = "32-true"
    augmentation: Augmentation | None = None
    validation_fraction: float = 0.0
    measure_every: int = 1
    init_seed: int = 0
    data_seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        """Split ``loss@weight``, fill in what the data set and the model decide, and refuse what is wrong."""
        name, weight, options = _parts(self.loss)
        self._set(loss=name, loss_options={**self.loss_options, **options})
        if weight is not None:
            self._set(loss_weight=weight)
        check_dataset(self.dataset)
        check_model(self.model)
        check_loss(self.loss, self.loss_options)
        if self.loss in ON_LOGITS:
            self._set(warmup_epochs=0, center_init="normal", layers=())
        if self.loss == CROSS_ENTROPY:
            self._set(loss_weight=0.0)
        self._set(layers=tuple(self.layers))
        self._set(pixel_range=as_pixel_range(self.pixel_range))
        if self.layers and has_classes(self.loss):
            raise ValueError(
                f"Run: layers are for losses that learn nothing for a class; {self.loss} has centers or weights of one "
                "dimension. Leave layers out."
            )
        for key in _RATES:
            self._set(**{key: float(getattr(self, key))})
        if self.feature_dim is None:
            self._set(feature_dim=default_feature_dim(self.model))
        if self.augmentation is None:
            self._set(augmentation=default_augmentation(self.dataset))
        for key, least in _LEAST.items():
            value = getattr(self, key)
            if key == "loss_weight" and may_be_raised(self.loss):
                value = abs(value)
            if value is not None and not least <= value < float("inf"):
                raise ValueError(f"Run: {key} must be at least {least}; got {value!r}.")
        if self.loss == LABEL_SMOOTHING and self.loss_weight >= 1:
            raise ValueError(f"Run: label-smoothing must lie in [0, 1); got {self.loss_weight!r}.")
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(
                f"Run: validation_fraction must lie in [0, 1); got {self.validation_fraction!r}. "
                "0.1 sets a tenth of each class aside."
            )

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
        return f"{self.loss}@{self.loss_weight:g}" + (f"[{listed}]" if listed else "")

    @property
    def run_id(self) -> str:
        """16 hex digits that name this description.

        Fields at their default do not count, so that a field added later orphans no old record.
        """
        changed = {k: v for k, v in self.as_dict().items() if v != _DEFAULTS[k]}
        return hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """The description as plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Run":
        """The description that :meth:`as_dict` wrote."""
        augmentation = values.get("augmentation")
        return cls(**{**values, "augmentation": None if augmentation is None else Augmentation(**augmentation)})


STARTS = ("layers", "warmup_epochs", "center_init")  # fields that concern an added loss alone, beside its options
_RATES = ("loss_weight", "lr", "loss_lr", "weight_decay", "validation_fraction")
_LEAST = {
    "image_size": 1,
    "feature_dim": 1,
    "loss_weight": 0,
    "warmup_epochs": 0,
    "images_per_class": 1,
    "epochs": 1,
    "batch_size": 1,
    "lr": 0,
    "loss_lr": 0,
    "weight_decay": 0,
    "measure_every": 0,
    "init_seed": 0,
    "data_seed": 0,
    "threads": 1,
}
_DEFAULTS = {f.name: f.default_factory() if callable(f.default_factory) else f.default for f in dataclasses.fields(Run)}


def _spelled(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


_SPELLED = re.compile(r"(?P<name>[^@\[]*)(?:@(?P<weight>[^\[]*))?(?:\[(?P<options>.*)\])?")


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
        options[key.strip()] = _value(value.strip())
    try:
        return match["name"], None if weight is None else float(weight), options
    except ValueError:
        raise ValueError(
            f"Run: the weight after the @ must be a number, as in sigma2r@0.01; got {spelled!r}."
        ) from None


def _value(text: str) -> Any:
    """A number, true, false or none as what it says; anything else as text."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
