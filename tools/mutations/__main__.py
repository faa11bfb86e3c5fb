"""Break each formula in turn and see a test fail: ``python -m tools.mutations [--jobs N] [--new] [WORD ...]``.

A mutation is a sign, a factor, a term or a case of an equation, or of what trains, draws and judges, changed in a copy
of the source. It is caught if the tests fail on that copy, which they must pass without it; the test that caught it
the last time runs first. Exit code 1 if one survives; words choose the mutations whose file or text holds one of them,
``--new`` those that nothing has caught yet.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.mutations import MUTATIONS, each_once, stages_of
from tools.mutations._copies import Copies, Trial
from tools.mutations._memory import Memory


def main(arguments: Sequence[str]) -> int:
    """Make the mutations and tell which were caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--new", action="store_true", help="only those of which no test is remembered")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds after which tests are said to hang")
    chosen = parser.parse_args(arguments)
    mutations = [m for m in MUTATIONS if not chosen.words or any(w in f"{m.file} {m.what}" for w in chosen.words)]
    memory = Memory()
    memory.forget_all_but(MUTATIONS)
    if chosen.new:
        mutations = [m for m in mutations if memory.test_of(m) is None]
    unchanged = (Trial(None, (words,)) for words in each_once(stages_of(m.file)[-1] for m in mutations))
    trials = [*unchanged, *(Trial(m, stages_of(m.file), memory.test_of(m)) for m in mutations)]
    caught = survivors = 0
    with tempfile.TemporaryDirectory() as folder, Copies(Path(folder), chosen.jobs, chosen.limit) as copies:
        for end in copies.run(trials):
            mutation = end.trial.mutation
            if mutation is None:
                continue
            caught += end.outcome != "passed"
            survivors += end.outcome == "passed"
            if end.test:
                memory.learn(mutation, end.test)
            word = {"passed": "SURVIVED", "failed": "caught  "}.get(end.outcome, end.outcome)
            print(f"{word} {mutation.file}: {mutation.what} ({end.seconds:.0f} s)", flush=True)
    print(f"{caught} of {caught + survivors} mutations caught")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
