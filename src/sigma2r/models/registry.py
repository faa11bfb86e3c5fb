"""The models by the names that a user types: each ``model(images) -> (features, logits)``."""

from sigma2r._suggest import unknown
from sigma2r.losses._checks import check_count
from sigma2r.models.lenet import LeNet
from sigma2r.models.resnet18 import ResNet18

MODELS = {
    "lenet": "convolutions of 6 and 16, fully connected 120 and 84, PReLU throughout",
    "resnet18": "torchvision's ResNet18; 512 pooled features, or a linear map of them",
}
_FEATURE_DIMS = {"lenet": 84, "resnet18": 512}
_LEAST_IMAGE_SIZE = {"lenet": 8, "resnet18": 16}


def check_model(name: str) -> None:
    """Refuse a model that does not exist.

    Raises:
        ValueError: With the nearest names.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)


def default_feature_dim(name: str) -> int:
    """D of the model as it was published."""
    check_model(name)
    return _FEATURE_DIMS[name]


def build_model(
    name: str, *, in_channels: int, image_size: int, num_classes: int, feature_dim: int | None = None
) -> LeNet | ResNet18:
    """Build a model with weights from torch's global generator.

    Args:
        name: One of :data:`MODELS`.
        in_channels: Channels of the images.
        image_size: Pixels a side.
        num_classes: C.
        feature_dim: D; default: the model's own (84, 512).

    Raises:
        ValueError: If the name is unknown, a count is below 1, or images are too small for the model.
    """
    dim = default_feature_dim(name) if feature_dim is None else feature_dim
    check_count("build_model", in_channels=in_channels, num_classes=num_classes, feature_dim=dim)
    if image_size < _LEAST_IMAGE_SIZE[name]:
        raise ValueError(
            f"build_model: {name} wants images of at least {_LEAST_IMAGE_SIZE[name]} pixels a side; got {image_size}."
        )
    if name == "lenet":
        return LeNet(in_channels, image_size, num_classes, dim)
    return ResNet18(in_channels, num_classes, dim)
