"""What a score is: from the features or the logits of samples, how known each looks."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sigma2r.evaluation._inputs import matrix
from sigma2r.evaluation._kept import KeepsDtype
from sigma2r.losses._precision import without_autocast

_CHUNK = 2**22  # numbers that are judged at once

Sees = Literal["features", "logits"]


class Judged(NamedTuple):
    """What a score says of samples."""

    score: Tensor
    """(N,), float32 or wider; **higher is more known**; NaN or minus infinity where the sample is not finite."""
    label: Tensor
    """(N,) int64: the class that each sample is taken for, as the score sees it."""


class Score(KeepsDtype):
    """Abstract: how known samples look. Of every score holds: **higher is more known**.

    Distances are therefore negated, and so is the energy. A score of one's own sets :attr:`sees`, and gives
    :meth:`judge_rows`; what it learned it holds in buffers.
    """

    name: ClassVar[str] = ""
    """What it is called on the command line and in a stored state."""

    sees: ClassVar[Sees] = "features"
    """What it is called with."""

    learns: ClassVar[bool] = True
    """Whether it must be fitted, by other samples than those that set a threshold."""

    settings: ClassVar[tuple[str, ...]] = ()
    """The attributes, numbers and words, that a stored state holds beside the buffers."""

    @classmethod
    def fit(cls, features: Any, labels: Any) -> "Score":
        """What the score learns from known samples, by its default settings."""
        raise NotImplementedError

    @property
    def num_classes(self) -> int | None:
        """C, where it is known before anything is judged."""
        return None

    @property
    def width(self) -> int | None:
        """Of what it sees, the second dimension, where it is known."""
        return None

    def judge_rows(self, rows: Tensor) -> Judged:
        """The score and class of a few samples, (N, D) or (N, C), float32 or wider."""
        raise NotImplementedError

    def judge(self, seen: Float[Tensor, "N D"], who: str | None = None) -> Judged:
        """The score and class of each sample, a few at a time; no gradient runs through it.

        Args:
            seen: Features ``(N, D)`` or logits ``(N, C)``, as :attr:`sees` says.
            who: What a message begins with; default: the class's name.

        Raises:
            ValueError: If they do not fit.
        """
        rows = matrix(who or type(self).__name__, self.sees, seen, self.width)
        with torch.no_grad(), without_autocast(rows):
            size = max(1, _CHUNK // max(1, rows.shape[1]))
            parts = [self.judge_rows(part) for part in torch.split(rows, size)]
        return Judged(torch.cat([part.score for part in parts]), torch.cat([part.label for part in parts]))

    def forward(self, seen: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
        """How known each sample looks, shape ``(N,)``; higher is more known."""
        return self.judge(seen).score

    def add_class(self, features: Float[Tensor, "M D"]) -> None:
        """Add a class behind those that are there, by its images; nothing is trained.

        Raises:
            ValueError: If the score comes from what a network was trained to say.
        """
        raise ValueError(
            f"{type(self).__name__}.add_class: a score that takes more classes without training must see features; "
            f"{self.name or 'this'} sees {self.sees}. Those that do: center-distance, mahalanobis, nearest-neighbors."
        )

    def keywords(self) -> dict[str, Any]:
        """The settings, as the constructor takes them."""
        return {name: getattr(self, name) for name in self.settings}

    def hold(self, **tensors: Tensor) -> None:
        """Keep what was learned, apart from the graph and from whoever gave it."""
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor.detach().clone())

    def extra_repr(self) -> str:
        """Settings and sizes, for ``print(score)``."""
        sizes = [f"{name}={tuple(tensor.shape)}" for name, tensor in self.named_buffers(recurse=False)]
        return ", ".join([*(f"{name}={value!r}" for name, value in self.keywords().items()), *sizes])


def grown(rows: Tensor, more: Sequence[Tensor]) -> Tensor:
    """``rows`` with more behind them, in their dtype and on their device."""
    return torch.cat([rows, *(each.detach().to(rows) for each in more)])
