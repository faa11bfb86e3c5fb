"""What is exported: from uint8 images to features, logits, probabilities, distances and acceptance, in one graph.

Axes: N images, C classes and A that were added to them, D feature dimensions.
"""

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from sigma2r._text import visible
from sigma2r.exporting.rejecting import Rejecting, distances
from sigma2r.trained.trained import Trained

IMAGES = "images"
"""The name of the input."""
BATCH = "batch"
"""The name of its first axis."""
_LONGEST = 200  # letters of what torch says


class Graph(nn.Module):
    """A trained run as one module without branches, on the CPU.

    Args:
        trained: Whose network, normalisation, centers and rejector are copied.
        dtype: Of the arithmetic; default: the run's.

    Raises:
        ValueError: If the rejector is by a score of one's own.
    """

    centers: Tensor

    def __init__(self, trained: Trained, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.preprocess = copy.deepcopy(trained.preprocess)
        self.model = copy.deepcopy(trained.model)
        self.has_centers = trained.centers is not None
        self.normalize = trained.has_unit_features
        if trained.centers is not None:
            self.register_buffer("centers", trained.centers.detach().clone())
        kind = trained.dtype if dtype is None else dtype
        self.to(device="cpu", dtype=kind)
        self.to(memory_format=torch.contiguous_format)
        self.rejecting = None if trained.rejector is None else Rejecting(trained.rejector, kind)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """``features`` (N, D), ``logits`` and ``probabilities`` (N, C), ``distances`` (N, C + A) to centers.

        Of a run with a rejector also ``scores`` and ``accepted``, (N,).

        Args:
            images: uint8, shape ``(N, ch, H, W)``.
        """
        features, logits = self.model(self.preprocess(images))
        outputs = {"features": features, "logits": logits, "probabilities": logits.softmax(1)}
        if self.has_centers:
            x = F.normalize(features, dim=1) if self.normalize else features
            outputs["distances"] = distances(x, self.centers)
        if self.rejecting is not None:
            outputs |= self.rejecting(features, logits)
        return outputs


def traced(graph: Graph, image_shape: tuple[int, int, int], called: str) -> ExportedProgram:
    """The graph as torch follows it, for any number of images, without the paths of the code that it came from.

    Args:
        graph: See :class:`Graph`.
        image_shape: Channels, height and width.
        called: What errors call the network.

    Raises:
        ValueError: In one sentence, if torch cannot follow the network, or only for one size of batch.
    """
    example = torch.zeros(2, *image_shape, dtype=torch.uint8)
    try:
        program = torch.export.export(graph, (example,), dynamic_shapes=batches_of_any_size(), strict=False)
    except Exception as error:  # whatever the code of a user or torch raises
        raise ValueError(
            f"export: the network must be one that torch.export can follow for any number of images; {called} is "
            f"not: {reason(error)}. Its forward must not branch on values, nor fix the size of a batch."
        ) from error
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def batches_of_any_size() -> Mapping[str, Mapping[int, Dim]]:
    """What torch is told of the input's shape."""
    return {IMAGES: {0: Dim(BATCH, min=1)}}


def reason(error: BaseException) -> str:
    """What first went wrong, in one line: libraries wrap it in advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    told = visible(line).rstrip(".")
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}..."
