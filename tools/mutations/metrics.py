"""Mutations of measures."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "metrics/spread.py",
        ("Eq. 12 over n", "self.scatter / (self.count - 1).clamp_min(1)", "self.scatter / self.count.clamp_min(1)"),
        ("means from where their class lies", "mean = known + sums / count", "mean = sums / count"),
        ("the variance", "(self.count - 1).clamp_min(1)).sqrt()", "(self.count - 1).clamp_min(1))"),
        ("parts merged without what lies between", "other.scatter + between)", "other.scatter)"),
        ("shares of float32", "other.count.to(self.mean.dtype) / count", "other.count / count"),
        ("each pair of classes once", "present * (present - 1))", "present * present)"),
        ("distances from nowhere", "apart = features - self.mean.index_select(0, labels)", "apart = features"),
        ("squared distances", "return squared.sqrt()", "return squared"),
        ("a tail that ends too soon", "math.ceil(share * distances.shape[0] - 1e-9)", "math.floor(share * distances.shape[0] - 1e-9)"),
    ),
    *of(
        "metrics/shell.py",
        ("the last batch alone", "_merge_stacked(torch.stack([self.moments, part]))", "part"),
        ("sums that are narrow", '"""Keep float64: the sums are exact because they are wide."""\n        return self', '"""Keep float64."""\n        return super().set_dtype(dst_type)'),
        ("mean and scatter exchanged", "ClassStatistics(moments[:, 0].long(), moments[:, 2:], moments[:, 1])", "ClassStatistics(moments[:, 0].long(), moments[:, 1:-1], moments[:, -1])"),
        ("processes are not merged", "    for part in stacked[1:]:\n        merged = merged.merge(_unpack(part))\n", ""),
    ),
    *of(
        "metrics/shell.py",
        ("the mean of classes with none", "each.nanmean()", "each.nan_to_num().mean()"),
    ),
]  # fmt: skip
