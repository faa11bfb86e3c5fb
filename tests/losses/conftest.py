"""Fixtures for the losses."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    """Forget what earlier tests compiled: torch.compile stops after eight versions of one function."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()
