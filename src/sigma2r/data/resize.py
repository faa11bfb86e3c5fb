"""How an image of another size comes to the size of all: its middle in its own proportions, or all of it, pulled."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL import Image

Resize = Literal["crop", "stretch"]
"""``"crop"``: scaled in its proportions until it covers the size, then its middle. ``"stretch"``: each side alone."""

_LONGEST = 16  # times the pixels wanted that a whole image is scaled to


def resized(image: "Image.Image", width: int, height: int, resize: Resize) -> "Image.Image":
    """An image of that size, by Pillow's bilinear filter, which averages where it makes an image smaller.

    ``"crop"`` is torchvision's ``Resize`` of the shorter side followed by ``CenterCrop``, to the bit: the longer side
    becomes a whole number of pixels, rounded down, and of an odd rest the even half is cut off in front. Of an image
    more than 16 times as long as wide the middle alone is scaled, which may differ by rounding.

    Args:
        image: In 8 bits.
        width: Pixels wanted.
        height: Pixels wanted.
        resize: In which way.

    Example:
        >>> from PIL import Image
        >>> resized(Image.new("L", (300, 200)), 64, 64, "crop").size
        (64, 64)
    """
    from PIL.Image import Resampling

    if resize == "stretch":
        return image.resize((width, height), Resampling.BILINEAR)
    wide, high = covering(image.width, image.height, width, height)
    left, top = round((wide - width) / 2), round((high - height) / 2)
    if wide * high > _LONGEST * width * height:  # a line of a million pixels would become 64 million
        along, down = image.width / wide, image.height / high
        box = (left * along, top * down, (left + width) * along, (top + height) * down)
        return image.resize((width, height), Resampling.BILINEAR, box=box)
    scaled = image if image.size == (wide, high) else image.resize((wide, high), Resampling.BILINEAR)
    return scaled.crop((left, top, left + width, top + height))


def covering(width: int, height: int, least_width: int, least_height: int) -> tuple[int, int]:
    """The smallest size in the proportions of ``width`` to ``height`` that covers another one.

    Example:
        >>> covering(500, 375, 224, 224), covering(100, 301, 32, 32)
        ((298, 224), (32, 96))
    """
    if least_width * height >= least_height * width:  # the width decides
        return least_width, least_width * height // width
    return least_height * width // height, least_height


def describe_resize(image_size: int, resize: Resize) -> str:
    """What happens to images of another size, in a sentence to read before training starts.

    Example:
        >>> print(describe_resize(64, "crop"))
        Images are scaled until the shorter side has 64 pixels, and the middle 64 x 64 are used. --resize stretch uses all of an image, and does not keep its proportions.
    """  # noqa: E501 - the sentence is one line
    size = f"{image_size} x {image_size}"
    if resize == "stretch":
        return f"Images are scaled to {size} pixels, whatever their proportions. --resize crop keeps these."
    return (
        f"Images are scaled until the shorter side has {image_size} pixels, and the middle {size} are used. --resize "
        "stretch uses all of an image, and does not keep its proportions."
    )
