"""Any model of timm by its name, ``timm:resnet18``, with first weights or with those of timm's hub."""

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sigma2r._call import broken
from sigma2r._extras import or_which_extra
from sigma2r._suggest import near
from sigma2r.models.backbone import Backbone
from sigma2r.models.modes import evaluating

TIMM = "timm:"


@dataclass(frozen=True)
class Expected:
    """What published weights expect of images.

    Args:
        channels: How many.
        image_size: Pixels a side that they were trained on.
        mean: By channel, of pixels in [0, 1].
        std: By channel, alike.
    """

    channels: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def is_timm(name: str) -> bool:
    """Whether a model is one of timm's, by its name.

    Example:
        >>> is_timm("timm:resnet18"), is_timm("resnet18"), is_timm("timm:")
        (True, False, False)
    """
    return name.startswith(TIMM) and name != TIMM


def check_timm(name: str) -> None:
    """Refuse a name that timm does not know; timm is imported.

    Args:
        name: ``timm:NAME``, perhaps with the tag of its weights: ``timm:resnet18.a1_in1k``.

    Raises:
        ImportError: In one sentence, if timm is missing.
        ValueError: With the nearest names.
    """
    timm, wanted = _timm(), name.removeprefix(TIMM)
    if not timm.is_model(wanted):
        known = timm.list_models()
        raise ValueError(
            f"unknown model of timm {wanted!r}; timm {timm.__version__} has {len(known):,}, which timm.list_models() "
            f"lists.{near(wanted, known)}"
        )
    architecture, _, tag = wanted.partition(".")
    tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise ValueError(f"unknown weights of {TIMM}{architecture} {tag!r}; known: {', '.join(tags) or 'none'}.")


def expected_images(name: str) -> Expected:
    """What the published weights of a model of timm expect of images, as timm's ``pretrained_cfg`` says.

    Raises:
        ImportError: In one sentence, if timm is missing.
        ValueError: If timm does not know the name.
    """
    check_timm(name)
    cfg = _timm().get_pretrained_cfg(name.removeprefix(TIMM))
    return Expected(cfg.input_size[0], cfg.input_size[-1], tuple(cfg.mean), tuple(cfg.std))


def describe_expected(expected: Expected) -> str:
    """What weights want of images, in a sentence.

    Example:
        >>> describe_expected(Expected(3, 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))
        'Weights of images of 224 pixels a side, normalised by mean 0.5, 0.5, 0.5 and deviation 0.5, 0.5, 0.5.'
    """
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (expected.mean, expected.std))
    side = expected.image_size
    return f"Weights of images of {side} pixels a side, normalised by mean {mean} and deviation {std}."


def classifiers_of(name: str) -> tuple[str, ...]:
    """What timm calls the classifier of a model, which a backbone does not have: ``fc``, ``head.fc``, two of some."""
    named = _timm().get_pretrained_cfg(name.removeprefix(TIMM)).classifier or ()
    return (named,) if isinstance(named, str) else tuple(named)


def build_timm(
    name: str,
    *,
    in_channels: int,
    image_size: int,
    num_classes: int,
    feature_dim: int | None = None,
    pretrained: bool = False,
) -> Backbone:
    """A backbone of timm with its pooled features, and a head.

    Args:
        name: As :func:`check_timm` takes it.
        in_channels: Channels of the images.
        image_size: Pixels a side; a transformer is built for them.
        num_classes: C.
        feature_dim: D; default: the width of the pooled features.
        pretrained: With the weights that timm's hub has of it, all but their classifier.

    Raises:
        ImportError: In one sentence, if timm is missing.
        ValueError: If timm does not know the name, the weights are not to be had, images do not fit, or the network
            gives no pooled features.
    """
    check_timm(name)
    timm, wanted = _timm(), name.removeprefix(TIMM)
    cfg = timm.get_pretrained_cfg(wanted)
    if pretrained and not timm.models.is_model_pretrained(wanted):
        raise ValueError(f"{name}: --pretrained takes weights of timm's hub, which has none of it. Leave it out.")
    sizes = {"img_size": image_size} if cfg.fixed_input_size else {}
    told = f"images of {in_channels} channels and {image_size} x {image_size} pixels"
    try:
        backbone = timm.create_model(wanted, pretrained=pretrained, num_classes=0, in_chans=in_channels, **sizes)
    except Exception as error:  # of timm, of its hub, or of the network between
        if not pretrained:
            raise broken(f"{name}: building it for {told}", error) from error
        said = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
        raise ValueError(
            f"{name}: the weights of --pretrained must be on timm's hub, as {cfg.hf_hub_id or cfg.url}, or in its "
            f"cache on this machine; they cannot be had ({type(error).__name__}: {said}). Without internet, --weights "
            "FILE takes them from a file."
        ) from error
    width = _width(name, backbone, torch.zeros(2, in_channels, image_size, image_size), told)
    model = Backbone(backbone, width, num_classes, feature_dim)
    if pretrained:
        model.started_from = {"hub": f"{cfg.hf_hub_id or cfg.url}", "fingerprint": _fingerprint(backbone)}
    return model


def _timm() -> Any:
    with or_which_extra("a model of timm"):
        import timm
    return timm


@torch.no_grad()
def _width(name: str, backbone: nn.Module, images: Tensor, told: str) -> int:
    """How many features come out for two black images; timm's ``num_features`` is not always that."""
    try:
        with evaluating(backbone):
            features = backbone(images)
    except Exception as error:  # mostly that so few pixels are none after its strides
        raise broken(f"{name}: {told} may be too small for it; calling it", error) from error
    if not isinstance(features, Tensor) or features.ndim != 2 or features.shape[0] != images.shape[0]:
        got = f"shape {tuple(features.shape)}" if isinstance(features, Tensor) else f"a {type(features).__name__}"
        raise ValueError(f"{name}: a backbone must give pooled features of shape (N, D); it gives {got}.")
    return int(features.shape[1])


def _fingerprint(backbone: nn.Module) -> str:
    """16 hex digits that name what all weights hold."""
    digest = hashlib.sha256()
    for key, value in sorted(backbone.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
