"""Mutations of studies."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "studies/tuning.py",
        ("the worst weight", "return max(trained, key=_merit)", "return min(trained, key=_merit)"),
        ("the less compact of equals", '-(figures["intra_inter"]', '+(figures["intra_inter"]'),
        ("chosen on test images", 'record.final["validation"]', 'record.final["test"]'),
        ("trials without images aside", "validation_fraction=ASIDE", "validation_fraction=0.0"),
        ("one sign for all", "sign = -1 if", "sign = 1 if"),
    ),
]  # fmt: skip
