"""Losses whose batch is spread over processes of ``torch.distributed``."""

from sigma2r.distributed.gather import gather

__all__ = ["gather"]
