"""Mutations of the diagnosis."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "diagnosis/scale.py",
        ("any first step is far", "if not abs(added) > _FAR", "if not abs(added) > 0 * _FAR"),
        ("losses that are raised are never far", "if not abs(added)", "if not added"),
        ("no scale of its own", "max(cross_entropy, 1.0)", "cross_entropy"),
    ),
    *of(
        "diagnosis/figures.py",
        ("rows that are not finite count", "    counted &= finite\n", ""),
        ("ignored rows are not finite", "num_bad = int((counted & ~finite).sum())", "num_bad = int((~finite).sum())"),
        ("gates of other features", "return each\n    return features[0]", "return features[0]\n    return features[0]"),
        ("gates of centers that are not finite", "if not known.all():", "if False:"),
        ("diagnose is silent about centers", "learned_by(loss, frozen=True):", "():"),
        ("ignored rows count", "counted &= (labels != ignored)", "counted |= (labels != ignored)"),
    ),
    *of(
        "diagnosis/_seen.py",
        ("data is taken for a network", "self._last() is features)", "False)"),
        ("calls in evaluation count", "if torch.compiler.is_compiling() or not (loss.training and torch.is_grad_enabled()):\n            return\n        features", "if torch.compiler.is_compiling():\n            return\n        features"),
        ("one call with a graph is none", "return without < count if count else None", "return not without if count else None"),
        ("what moved is at rest", "self.at_rest = (away == 0).cpu()", "self.at_rest = (away >= 0).cpu()"),
        ("what is not finite is not seen", "if bool(rows.all()):", "if True:"),
        ("what rests may hold NaN", "or averaged or frozen)", "or averaged)"),
    ),
    *of(
        "diagnosis/_steps.py",
        ("a rate of 0 is a step", "and _rate(held[1]) != 0 else None", "else None"),
        ("the gradient of a step need not be there", "if has_gradient and", "if"),
        ("no step is a step", "now is not None and before != now", "now is not None"),
        ("the version of a fused optimizer", 'if not group.get("fused"):', "if True:"),
        ("the step after a rate of 0", "return before is not None and now", "return now"),
    ),
    *of(
        "diagnosis/watch.py",
        ("a weight of 0 asks for gradients", "if float(weight) == 0 for", "if False for"),
        ("whoever holds it is asked", "if not all(self._steps.hold(learned[name]) for name in resting):", "if True:"),
        ("an optimizer that holds nothing is fine", "if p.requires_grad and id(p) not in held]", "if p.requires_grad and id(p) in ()]"),
        ("features without a graph pass", 'if self._lasts("graph", False in saw):', 'if self._lasts("graph", False):'),
        ("patience of one", "return self._lasting[what] >= self.patience", "return self._lasting[what] >= 1"),
        ("told again and again", "self._told.add(what)", "self._told.discard(what)"),
        ("without weights", "sum(weight * value for", "sum(value for"),
        ("scale of every step", "self._scale_is_known = True", "self._scale_is_known = False"),
        ("without centers no first step is far", "return max(0, *(int(each.max()) + 1 for each in whole)) if whole else 0", "return 0"),
        ("labels that were not shown are not seen", "*(calls.first_labels for calls in self._calls)", "None"),
        ("a temperature has one class", 'if name.rpartition(".")[2] == "centers"]\n        if counts', "]\n        if counts"),
        ("a NaN in cross-entropy passes", "not math.isfinite(cross_entropy)", "False"),
    ),
]  # fmt: skip
