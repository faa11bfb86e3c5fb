"""How far training images are changed: each change by itself, or several under the name of a policy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from sigma2r._shown import listed
from sigma2r._suggest import unknown
from sigma2r._values import Rule, converted


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How far training images are changed.

    Args:
        crop: Random shift by up to so many pixels each way; black moves in (padding by it, then random cropping).
        rotation: Random rotation by up to so many degrees each way, one angle for each image.
        horizontal_flip: Probability of a left-right flip.
        vertical_flip: Probability of an upside-down flip.
        area: Random resized crop: a part of at least this share of the image's area, with sides as 3:4 to 4:3, is
            enlarged to the whole; 1 leaves images whole.
        color: Random brightness, contrast and saturation, each changed by up to this share.

    Raises:
        ValueError: If a value is negative, or a probability or share above 1.
    """

    crop: int = 0
    rotation: float = 0.0
    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    area: float = 1.0
    color: float = 0.0

    shorthands: ClassVar[dict[str, Any]] = {"policy": Literal["none", "crop", "photographs"] | None}
    """What may be written beside the settings, and stands for several of them."""

    def __post_init__(self) -> None:
        """Convert what was given, and refuse what makes no sense."""
        for name, wanted in _WANTED.items():
            object.__setattr__(self, name, converted("Augmentation", name, wanted, getattr(self, name)))

    def changed(self, values: Mapping[str, Any]) -> "Augmentation":
        """These settings with some others, by their names; ``policy`` puts those of :data:`POLICIES` in their place.

        Raises:
            ValueError: If one is unknown, or makes no sense.

        Example:
            >>> Augmentation(crop=4).changed({"policy": "photographs", "color": 0.1})
            Augmentation(crop=0, rotation=0.0, horizontal_flip=0.5, vertical_flip=0.0, area=0.35, color=0.1)
        """
        others = dict(values)
        policy = converted("Augmentation", "policy", self.shorthands["policy"], others.pop("policy", None))
        for name in others:
            if name not in _WANTED:
                raise unknown("setting of augmentation", str(name), [*_WANTED, *self.shorthands])
        return replace(self if policy is None else POLICIES[policy], **others)


_PIXELS = Rule("be a whole number of at least 0", lambda value: 0 <= value <= 16384 and value % 1 == 0)
_DEGREES = Rule("lie in [0, 180]", lambda value: 0 <= value <= 180)
_PROBABILITY = Rule("lie in [0, 1]", lambda value: 0 <= value <= 1)
_AREA = Rule("lie in [0.01, 1]; 1 leaves images whole", lambda value: 0.01 <= value <= 1)
_WANTED: dict[str, Any] = {
    "crop": Annotated[int, _PIXELS],
    "rotation": Annotated[float, _DEGREES],
    "horizontal_flip": Annotated[float, _PROBABILITY],
    "vertical_flip": Annotated[float, _PROBABILITY],
    "area": Annotated[float, _AREA],
    "color": Annotated[float, _PROBABILITY],
}
LATER: dict[str, Any] = {"area": 1.0, "color": 0.0}
"""Settings that came after records were published, and what they were before; files name them where they differ."""

POLICIES = {
    "none": Augmentation(),
    "crop": Augmentation(crop=4, rotation=10.0),
    "photographs": Augmentation(horizontal_flip=0.5, area=0.35, color=0.2),
}
"""Settings by name: nothing; shifts and turns alone, for letters, drawings and scans; and what the field does to
photographs, by torchvision's ``RandomResizedCrop``, ``RandomHorizontalFlip`` and a mild ``ColorJitter``."""


def describe_augmentation(augmentation: Augmentation) -> str:
    """What happens to training images, in a sentence to read before training starts.

    Example:
        >>> print(describe_augmentation(Augmentation(crop=4, horizontal_flip=0.5)))
        Training images are shifted by up to 4 pixels and flipped left to right with probability 0.5. Where a mirror image means something else, as an arrow does, add --augmentation.horizontal_flip 0.
    """  # noqa: E501 - the sentence is one line
    done, warned = [], []
    if augmentation.area < 1:
        done.append(f"cut to a part of at least {100 * augmentation.area:g} % of their area, which is enlarged")
    if augmentation.crop:
        done.append(f"shifted by up to {augmentation.crop} pixel{'s' * (augmentation.crop > 1)}")
    if augmentation.rotation:
        done.append(f"turned by up to {augmentation.rotation:g} degrees")
    if augmentation.color:
        done.append(f"changed in brightness, contrast and saturation by up to {100 * augmentation.color:g} %")
    for name, way in (("horizontal_flip", "left to right"), ("vertical_flip", "upside down")):
        if probability := getattr(augmentation, name):
            done.append(f"flipped {way} with probability {probability:g}")
            warned.append(f"--augmentation.{name} 0")
    if not done:
        return "Training images are not augmented."
    if not warned:
        return f"Training images are {listed(done)}, and not flipped."
    return (
        f"Training images are {listed(done)}. Where a mirror image means something else, as an arrow does, add "
        f"{' '.join(warned)}."
    )
