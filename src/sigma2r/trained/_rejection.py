"""Where a rejector joins a trained run: whoever stores one with a run reads it here, and all else follows.

Predictions of a run with a rejector have ``accepted``, and so have the tables that ``sigma2r predict`` writes.
"""

from pathlib import Path
from typing import Protocol

from torch import Tensor


class AcceptsFeatures(Protocol):
    """Says of which images the network may speak."""

    def accepts(self, features: Tensor, logits: Tensor) -> Tensor:
        """A truth value for each row, shape ``(N,)``: True where it is like the classes that were trained."""


def stored_rejector(folder: Path) -> AcceptsFeatures | None:
    """The rejector that is stored with a run; None where there is none, as no version has stored one yet."""
    return None
