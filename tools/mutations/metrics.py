"""Mutations of measures."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "metrics/spread.py",
        ("Eq. 12 over n", "self.scatter / (self.count - 1).clamp_min(1)", "self.scatter / self.count.clamp_min(1)"),
        ("the variance", "(self.count - 1).clamp_min(1)).sqrt()", "(self.count - 1).clamp_min(1))"),
        ("parts merged without what lies between", "other.scatter + between)", "other.scatter)"),
        ("each pair of classes once", "present * (present - 1))", "present * present)"),
        ("distances from nowhere", "apart = features - self.mean.index_select(0, labels)", "apart = features"),
        ("squared distances", "return squared.sqrt()", "return squared"),
        ("a tail that ends too soon", "math.ceil(share * distances.shape[0] - 1e-9)", "math.floor(share * distances.shape[0] - 1e-9)"),
    ),
]  # fmt: skip
