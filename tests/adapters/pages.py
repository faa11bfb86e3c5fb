"""The recipes of the documents, run beside the tests of their library."""

import re
from pathlib import Path

PAGES = Path(__file__).parent.parent.parent / "docs" / "adapters"


def run_page(name: str) -> dict[str, object]:
    """Run the blocks of a page, one after the other; what they have defined."""
    path, namespace = PAGES / name, {}
    blocks = re.findall(r"^```python\n(.*?)^```", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        exec(compile(block, str(path), "exec"), namespace)
    return namespace
