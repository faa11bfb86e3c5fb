"""Mutations of the paper."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "paper/gains.py",
        ("gains of spread over the old", "100 * (b - a) / a", "100 * (b - a) / b"),
        ("gains of accuracy over the old", "100 * (a - b) / a", "100 * (a - b) / b"),
        ("the last instead of the best", "[max(values)] if values", "[values[-1]] if values"),
        ("how many times turned round", "old / new for old, new in pairs", "new / old for old, new in pairs"),
    ),
]  # fmt: skip
