"""Mutations of the report."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "report/paired.py",
        ("no correction for many comparisons", "alpha = (1 - LEVEL) / num_comparisons", "alpha = 1 - LEVEL"),
        ("one-sided intervals", "half_width = t_quantile(1 - alpha / 2,", "half_width = t_quantile(1 - alpha,"),
        ("the deviation instead of the error", "* spread / math.sqrt(len(values))", "* spread"),
        ("one degree of freedom more", "t_quantile(1 - alpha / 2, len(values) - 1)", "t_quantile(1 - alpha / 2, len(values))"),
        ("few seeds decide", "if self.n < FEWEST:", "if self.n < 2:"),
        ("power without the root", "abs(mean) / spread * math.sqrt(n)", "abs(mean) / spread * n"),
    ),
    *of(
        "report/verdicts.py",
        ("higher is lower", '(found.verdict == "higher") == self.higher', '(found.verdict == "higher") != self.higher'),
        ("undecided agrees", 'return "undecided"\n        return "agrees"', 'return "agrees"\n        return "agrees"'),
        ("the best of a part speaks", "min(look.stands(found)", "max(look.stands(found)"),
        ("the fair comparison does not count", "return _fair_verdict(fair)", "return _fair_verdict([])"),
    ),
]  # fmt: skip
