"""Fixtures and rules for every test: seeded randomness, and no skip that goes unnoticed."""

import os
from collections.abc import Iterator

import pytest
import torch
from PIL import Image

REQUIRE_ALL = os.environ.get("SIGMA2R_REQUIRE_ALL") == "1"


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def _global_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    """Forget what earlier tests compiled: torch.compile stops after eight versions of one function."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def noise_image(width: int, height: int, spread: float, seed: int = 0) -> Image.Image:
    """A gray image of noise about 128. Pillow has one too, whose noise no seed decides."""
    drawn = torch.randn(height, width, generator=torch.Generator().manual_seed(seed))
    return Image.fromarray((128 + spread * drawn).clamp(0, 255).to(torch.uint8).numpy())


def require(name: str, present: bool) -> None:
    """Skip the test that calls this where ``name`` is absent; under SIGMA2R_REQUIRE_ALL=1 fail instead."""
    if present:
        return
    if REQUIRE_ALL:
        pytest.fail(f"SIGMA2R_REQUIRE_ALL=1, and this test needs: {name}")
    pytest.skip(f"needs {name}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with one line that names what was not run for want of data or a browser."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = sorted(
        {str(r.longrepr[2]).removeprefix("Skipped: needs ") for r in skipped if isinstance(r.longrepr, tuple)}
    )
    if reasons:
        terminalreporter.write_line(f"Not run ({len(skipped)} tests) for want of: {'; '.join(reasons)}")
