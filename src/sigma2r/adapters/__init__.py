"""Our losses in training loops of others: one module that holds network and losses, and what their loops leave out.

Nothing here imports another library than torch. What a library wants beside that stands in a module of its own, which
imports it: :mod:`~sigma2r.adapters.hugging_face`, :mod:`~sigma2r.adapters.skorch`, :mod:`~sigma2r.adapters.fastai`.
"""

from sigma2r.adapters.epochs import set_epoch
from sigma2r.adapters.groups import own_groups
from sigma2r.adapters.with_loss import WithLoss

__all__ = ["WithLoss", "own_groups", "set_epoch"]
