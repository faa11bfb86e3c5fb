r"""Images that are nearly the same, by their pixels: every pair is looked at, in memory that is bounded.

Axes: N images, F numbers of a signature, P pairs.

Pixels and not features: a network that is trained to pull a class together makes near neighbours of all its images.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from sigma2r._values import Count, Positive, checked
from sigma2r.losses._distances import own_distances

_SIDE = 16  # pixels of a signature
_FLAT = 1.0  # standard deviation of gray levels, of 255, below which an image has nothing to be compared by
_BLOCK = 4096  # rows of signatures that are held against as many others at a time
_SAMPLE = 1000  # images whose nearest are looked for, to know what is usual
_SLACK = 1e-4  # of a squared distance that comes from a product of float32 numbers

NEAR = 0.3
"""How much nearer than usual two images are that count as nearly the same."""
MOST = 0.5
"""The distance beyond which no two images do; a correlation of 0.875."""


def signatures(images: UInt8[Tensor, "N ch H W"]) -> Float[Tensor, "N F"]:
    """An image in small: means over at most 16 x 16 areas, less their mean, over their length.

    So brightness and contrast do not count, and what is finer than an area does little. An image of one colour in each
    channel and no more than noise has the signature 0, which is near to none.

    Args:
        images: Shape ``(N, ch, H, W)``, uint8.

    Returns:
        Shape ``(N, F)``, float32, of length 1 or 0; F is the number of areas and channels.
    """
    height, width = images.shape[2:]
    small = F.adaptive_avg_pool2d(images.float(), (min(height, _SIDE), min(width, _SIDE))).flatten(1)
    small = small - small.mean(1, keepdim=True)
    length = torch.linalg.vector_norm(small, dim=1, keepdim=True)
    flat = length < _FLAT * small.shape[1] ** 0.5
    scaled: Tensor = small / length.clamp_min(1e-12)
    return scaled.masked_fill(flat, 0.0)


@checked
def near_pairs(
    small: Float[Tensor, "N F"], within: Positive, block: Count = _BLOCK
) -> tuple[Int[Tensor, "P 2"], Float[Tensor, " P"]]:
    """All pairs of images whose signatures are at most so far apart, each pair once, in the order of their rows.

    Every pair is looked at, by products of ``block`` x ``block`` of them at a time; the distance of what may be near is
    then taken by difference.

    Args:
        small: Shape ``(N, F)``, as :func:`signatures` gives them.
        within: The largest Euclidean distance, in (0, 1): two of length 1 that have nothing in common are 1.41 apart.
        block: Rows at a time.

    Returns:
        Positions, the smaller first, shape ``(P, 2)``; and the distances, shape ``(P,)``.
    """
    known = (small.square().sum(1) > 0.5).nonzero().flatten()
    parts = torch.split(known, block)
    pairs, distances = [torch.empty(0, 2, dtype=torch.int64)], [torch.empty(0, dtype=torch.float64)]
    for number, rows in enumerate(parts):
        for columns in parts[number:]:
            product = small[rows] @ small[columns].T
            places = (2 - 2 * product <= within**2 + _SLACK).nonzero()
            found = torch.stack([rows[places[:, 0]], columns[places[:, 1]]], 1)
            found = found[found[:, 0] < found[:, 1]]
            apart = own_distances(small[found[:, 0]], small[found[:, 1]])
            pairs.append(found[apart <= within])
            distances.append(apart[apart <= within])
    whole, apart = torch.cat(pairs), torch.cat(distances)
    order = (whole[:, 0] * small.shape[0] + whole[:, 1]).argsort()
    return whole[order], apart[order]


def usual_distance(small: Float[Tensor, "N F"]) -> float:
    """The median distance from an image to the nearest that is not the same, over some 1,000 of the images.

    Args:
        small: Shape ``(N, F)``, as :func:`signatures` gives them.

    Returns:
        A distance; infinite where there are no two that differ.
    """
    known = small[small.square().sum(1) > 0.5]
    step = max(1, known.shape[0] // _SAMPLE)
    nearest = []
    for rows in torch.split(known[::step], 64):
        best = torch.full((rows.shape[0],), torch.inf)
        for block in torch.split(known, _BLOCK):
            squares = 2 - 2 * rows @ block.T
            best = torch.minimum(best, squares.masked_fill(squares <= _SLACK, torch.inf).amin(1))
        nearest.append(best)
    found = torch.cat(nearest) if nearest else torch.empty(0)
    found = found[found.isfinite()]
    return float(found.median().sqrt()) if found.numel() else float("inf")


def near_within(small: Float[Tensor, "N F"], near: float = NEAR) -> float:
    """The distance within which two images are nearly the same: a share of the usual one, and at most :data:`MOST`."""
    return min(near * usual_distance(small), MOST)
