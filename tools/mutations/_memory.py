"""Which test caught a mutation the last time: it is run first, since the same one mostly catches it again."""

import json
from collections import defaultdict
from pathlib import Path

from tools.mutations._mutation import Mutation

_FILE = Path(__file__).parent / "caught_by.json"


class Memory:
    """Names of tests by what they caught, kept in a file of the repository.

    Args:
        path: The file; one that is not there remembers nothing.
    """

    def __init__(self, path: Path = _FILE) -> None:
        self._path = path
        self._tests: dict[str, dict[str, str]] = defaultdict(dict)
        if path.exists():
            self._tests.update(json.loads(path.read_text(encoding="utf-8")))

    def test_of(self, mutation: Mutation) -> str | None:
        """What caught it, as pytest names it."""
        return self._tests.get(mutation.file, {}).get(mutation.what)

    def learn(self, mutation: Mutation, test: str) -> None:
        """Keep what caught it now."""
        if self.test_of(mutation) == test:
            return
        self._tests[mutation.file][mutation.what] = test
        text = json.dumps(self._tests, indent=1, sort_keys=True, ensure_ascii=False)
        part = self._path.with_suffix(".part")
        part.write_text(f"{text}\n", encoding="utf-8")
        part.replace(self._path)

    def forget_all_but(self, mutations: list[Mutation]) -> None:
        """Drop what was kept for mutations that are gone."""
        known = {(mutation.file, mutation.what) for mutation in mutations}
        kept: dict[str, dict[str, str]] = defaultdict(dict)
        for file, tests in self._tests.items():
            for what, test in tests.items():
                if (file, what) in known:
                    kept[file][what] = test
        self._tests = kept
