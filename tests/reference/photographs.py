"""Parts enlarged and colors changed, pixel by pixel, from the definitions; floats of Python alone."""

import math


def enlarged(image, size, place):
    """The window of an image of one channel (rows of numbers), as many pixels as the image has.

    ``size`` and ``place`` are shares of width and height; a pixel's middle lies at half a pixel.
    """
    height, width = len(image), len(image[0])

    def along(pixel, share, start, pixels):
        return min(max((start + (pixel + 0.5) / pixels * share) * pixels - 0.5, 0.0), pixels - 1.0)

    def at(x, y):
        left, top = min(math.floor(x), width - 2), min(math.floor(y), height - 2)
        right, below = x - left, y - top
        upper = (1 - right) * image[top][left] + right * image[top][left + 1]
        lower = (1 - right) * image[top + 1][left] + right * image[top + 1][left + 1]
        return (1 - below) * upper + below * lower

    return [
        [at(along(x, size[0], place[0], width), along(y, size[1], place[1], height)) for x in range(width)]
        for y in range(height)
    ]


def recolored(image, brightness, contrast, saturation):
    """Rows of pixels (red, green, blue) from 0 to 255: brighter, then of more contrast, then more colorful."""

    def cut(value):
        return min(max(value, 0.0), 255.0)

    def gray(pixel):
        return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]

    pixels = [pixel for row in image for pixel in row]
    mean = brightness * math.fsum(gray(pixel) for pixel in pixels) / len(pixels)
    changed = [[[cut(brightness * value) for value in pixel] for pixel in row] for row in image]
    changed = [[[cut(contrast * value + (1 - contrast) * mean) for value in pixel] for pixel in row] for row in changed]
    return [
        [[cut(saturation * value + (1 - saturation) * gray(pixel)) for value in pixel] for pixel in row]
        for row in changed
    ]
