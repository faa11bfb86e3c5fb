"""Break each formula in turn and see a test fail: ``python -m tools.mutations [--jobs N] [WORD ...]``.

A mutation is a sign, a factor, a term or a case of an equation, changed in a copy of the source. It is caught if the
tests fail on that copy. Exit code 1 if one survives; words choose the mutations whose file or text holds one of them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOSSES = (
    "tests/losses/test_contract.py",
    "tests/losses/test_sigma2r.py",
    "tests/losses/test_center_updates.py",
    "tests/losses/test_joint.py",
    "tests/losses/test_numerics.py",
    "tests/losses/test_search.py",
    "tests/losses/test_torch_tools.py",
    "tests/losses/test_sparring.py",
    "tests/metrics",
)
SAMPLERS = (
    "tests/samplers/test_balanced.py",
    "tests/samplers/test_cover.py",
    "tests/samplers/test_orders.py",
    "tests/samplers/test_labels.py",
    "tests/samplers/test_processes.py",
)
REPORT = ("tests/report/test_paired.py", "tests/report/test_studies.py")
STUDIES = ("tests/studies/test_tuning.py",)
TESTS = {"losses": LOSSES, "metrics": LOSSES, "samplers": SAMPLERS, "report": REPORT, "studies": STUDIES}


@dataclass(frozen=True)
class Mutation:
    """A change of one place of the source.

    Args:
        file: Below ``src/sigma2r``.
        what: What is wrong with it then.
        old: Text that occurs once in the file.
        new: What takes its place.
    """

    file: str
    what: str
    old: str
    new: str

    def apply(self, source: str) -> str:
        """The changed source.

        Raises:
            ValueError: If the text does not occur exactly once.
        """
        if source.count(self.old) != 1:
            raise ValueError(f"mutations: {self.file} must hold {self.old!r} once; it does {source.count(self.old)}.")
        return source.replace(self.old, self.new)


def _of(file: str, *changes: tuple[str, str, str]) -> list[Mutation]:
    return [Mutation(file, *change) for change in changes]


MUTATIONS = [
    *_of(
        "losses/center.py",
        ("the half is lost", 'factor.get(compat or "", 0.5)', 'factor.get(compat or "", 1.0)'),
        ("distance to minus the center", "offset = x - rows_of(", "offset = x + rows_of("),
        ("a factor of another implementation", '"pytorch-ood": 1 / centers.shape[0]', '"pytorch-ood": 2.0'),
        ("Wen's count without one more", "(1 + counts)", "(2 + counts)"),
        ("Wen's step without alpha", "return alpha * pull", "return pull"),
        ("Wen's step away from the samples", "self.centers.sub_(self.step)", "self.centers.add_(self.step)"),
        ("averaged centers move under torch.func", "if moves and not is_transformed():", "if moves:"),
        ("ignored rows in the average", "kept.to(once)", "once"),
    ),
    *_of(
        "losses/sigma2r.py",
        ("Eq. 9 without epsilon", "return eps + ceiling * growth.sigmoid()", "return ceiling * growth.sigmoid()"),
        ("the slope without epsilon", "gate = torch.sigmoid((eps + reach) * excess)", "gate = torch.sigmoid(reach * excess)"),
        ("the gate without Z", "beta = ceiling * gate", "beta = gate"),
        ("the gate upside down", "torch.sigmoid((eps + reach) * excess)", "torch.sigmoid(-(eps + reach) * excess)"),
        ("the gradient of x without its 2", "pull = (2 * grad * beta)", "pull = (grad * beta)"),
        ("centers pulled away", "_summed(centers, labels, pull, -1,", "_summed(centers, labels, pull, 1,"),
        ("growth's slope without 1 - s", "torch.addcmul(reach, reach, share, value=-1)", "reach"),
        ("the gate's slope without 1 - beta/Z", "torch.addcmul(value, value, gate, value=-1) * (", "value * ("),
        ("a gate of the public function", "return ceiling * torch.sigmoid(growth_rate(", "return torch.sigmoid(growth_rate("),
        ("sparse rows with another sign", "sparse_sum(sign * rows,", "sparse_sum(rows,"),
        (
            "second derivatives of a constant",
            "_, beta, by_growth = _GatedDistance.parts(labels, growth, _squared(offset)",
            "_, beta, by_growth = _GatedDistance.parts(labels, growth.detach(), _squared(offset)",
        ),
    ),
    *_of(
        "losses/_spread.py",
        ("inner products once", "products.mul_(-2)", "products.mul_(-1)"),
        ("a sample is its own neighbour", "_diagonal(others).fill_(torch.inf)", "_diagonal(others).fill_(0.0)"),
        ("the farthest instead of the nearest", "others.topk(k, dim=2, largest=False)", "others.topk(k, dim=2, largest=True)"),
        ("a center's farthest", "(to_centers * _UNIT**2).topk(k, dim=2, largest=False)", "(to_centers * _UNIT**2).topk(k, dim=2, largest=True)"),
        ("divisor count", "* (k - 1) ** -0.5", "* k**-0.5"),
        ("divisor count, with a gradient", ".square().sum(2) / (k - 1))", ".square().sum(2) / k)"),
        ("divisor count, some missing", "/ (number - 1).clamp_min(1))", "/ number.clamp_min(1))"),
        ("Eq. 12 over k points", "/ ((k + 1) * k))", "/ (k * k))"),
        ("Eq. 12, some missing", "/ (number + 1)", "/ number.clamp_min(1)"),
        ("rms without the root", "return safe_sqrt(nearest.mean(2))", "return nearest.mean(2)"),
        ("rms over one more", "sigma = safe_sqrt(nearest.sum(2) / number.clamp_min(1))", "sigma = safe_sqrt(nearest.sum(2) / (number + 1))"),
        ("sample less sample", "sigma[0, :num_samples] - sigma[0, num_samples + groups.group]", "sigma[0, :num_samples] + sigma[0, num_samples + groups.group]"),
        ("the difference of sigmas turned round", "(sigma[:, :-1] - sigma[:, -1:]).flatten()", "(sigma[:, -1:] - sigma[:, :-1]).flatten()"),
        ("too few neighbours go through", 'return 2 if spread == "distance-std" else 1', "return 1"),
        ("pairs of a neighbourhood twice", "index[:, :, j + 1 :]\n", "index[:, :, j:-1]\n"),
        ("strangers are neighbours", "strangers = group.unsqueeze(1) != group", "strangers = group.unsqueeze(1) == group"),
    ),
    *_of(
        "losses/_groups.py",
        ("places shifted by one", "shift = edges[:-1] * width - first", "shift = edges[:-1] * width - first + 1"),
        ("ignored rows in class 0", "torch.where(kept.to(labels.device), labels, num_classes), num_classes + 1", "torch.where(kept.to(labels.device), labels, 0), num_classes + 1"),
    ),
    *_of(
        "losses/soft_nearest_neighbor.py",
        ("farther is nearer", "nearness = -(farther", "nearness = (farther"),
        ("temperature multiplies", "pairs.scale / temperature", "pairs.scale * temperature"),
        ("own and other classes exchanged", "_log_sum_exp(nearness, pairs.other, has_other) - _log_sum_exp(nearness, pairs.same, has_same)", "_log_sum_exp(nearness, pairs.same, has_same) - _log_sum_exp(nearness, pairs.other, has_other)"),
        ("the logarithm alone", "F.softplus(apart)", "apart"),
        ("singles count", "reduce(each, reduction, has_same, weights)", "reduce(each, reduction, kept, weights)"),
    ),
    *_of(
        "losses/git.py",
        ("the half is lost", "0.5 * center_weight * squared", "center_weight * squared"),
        ("the push pulls", "+ push_weight * push", "- push_weight * push"),
        ("no one in the denominator", "times / (1 + _squared_distances", "times / (2 + _squared_distances"),
        ("the sample pushes itself", "(by_class.index_select(0, y) - 1)", "by_class.index_select(0, y)"),
        ("own class among the others", "torch.where(y.unsqueeze(1) == classes, 0.0, times)", "times.expand(y.shape[0], -1)"),
        ("centers once each", "by_class = torch.zeros_like(c[:, 0]).index_add(0, y, present.detach())", "by_class = torch.ones_like(c[:, 0])"),
    ),
    *_of(
        "losses/contrastive_center.py",
        ("the half is lost", "each = 0.5 * torch.linalg.vecdot(own, own)", "each = torch.linalg.vecdot(own, own)"),
        ("no delta", "(rest + delta / scale / scale)", "(rest + 1e-9 / scale / scale)"),
        ("the own center in the sum", "rest = others * torch", "rest = (others + 1) * torch"),
        ("no scatter of the others", "+ rows_of(scatter, y) / scale / scale", ""),
        ("never per class", "rest = rest / max(others, 1)", "rest = rest / 1"),
        ("the mean of all centers", "return mean - apart / (num_classes - 1)", "return mean"),
    ),
    *_of(
        "losses/triplet_center.py",
        ("the half is lost", "nearer = 0.5 * torch", "nearer = torch"),
        ("own and nearest exchanged", "vecdot(nearest - own,", "vecdot(own - nearest,"),
        ("no margin", "(margin + nearer)", "nearer"),
        ("no hinge", "(margin + nearer).clamp_min(0)", "(margin + nearer)"),
        ("the own center is an other", "scattered(score, 1, own.unsqueeze(1), torch.inf)", "score"),
        ("the farthest center", "torch.inf).argmin(1)", "-torch.inf).argmax(1)"),
        ("lengths of centers left out", "score = half_norms / unit - rows", "score = -rows"),
    ),
    *_of(
        "losses/nearest_negative_triplet.py",
        ("the nearest negative adds", "(margin + distance - nearest)", "(margin + distance + nearest)"),
        ("no margin", "(margin + distance - nearest)", "(distance - nearest)"),
        ("no hinge", "(margin + distance - nearest).clamp_min(0)", "(margin + distance - nearest)"),
        ("the nearest of all", "torch.where(pairs.other, distance, torch.inf)", "torch.where(pairs.other | pairs.same, distance, torch.inf)"),
        ("the sum of positives", "hinges / positives.clamp_min(1).unsqueeze(1)", "hinges"),
        ("no negative, and yet a value", "(positives > 0) & has_other", "positives > 0"),
    ),
    *_of(
        "losses/contrastive.py",
        ("squared distances", "distance = pairs.distance()", "distance = pairs.distance().square()"),
        ("pairs of two classes pulled", "(margin - distance).clamp_min(0)", "(margin + distance).clamp_min(0)"),
        ("no hinge", "(margin - distance).clamp_min(0)", "(margin - distance)"),
        ("the mean over N", "each / count.clamp_min(1)", "each / (count + 1)"),
    ),
    *_of(
        "losses/_pairs.py",
        ("inner products once", "- 2 * products", "- products"),
        ("a sample and itself", "alike & ~itself", "alike"),
        ("distances in their own unit", "return self.scale * safe_sqrt", "return safe_sqrt"),
    ),
    *_of(
        "losses/_batch.py",
        ("unit length by the squared length", "torch.where(squared > 0, squared, 1.0).sqrt()", "torch.where(squared > 0, squared, 1.0)"),
        ("ignored features look in", "features = features.masked_fill(~kept.unsqueeze(1), 0.0)", "pass"),
    ),
    *_of(
        "losses/_reduction.py",
        ("weights are not divided out", "(values / torch.where(total == 0, 1.0, total)).sum()", "values.mean()"),
        ("the mean over all", "(values / has_value.sum().clamp_min(1)).sum()", "values.mean()"),
        ("weights forgotten", "values = values * weights", "values = values * 1"),
    ),
    *_of(
        "losses/joint.py",
        ("the auxiliary loss taken away", "total = total + weight * value", "total = total - weight * value"),
        ("weights without effect", "total = total + weight * value", "total = total + value"),
        ("groups of one name", "seen[name] += 1", "seen[name] = 1"),
        ("names of the parts", "known[id(parameter)]", '"centers"'),
        ("no warm-up", "min(1.0, (epoch + 1) / max(self.epochs, 1))", "1.0"),
    ),
    *_of(
        "losses/_func.py",
        ("torch.func unnoticed", "bool(torch._C._are_functorch_transforms_active())", "False"),
        ("written in place for vmap", "write = target.scatter if is_functional() else target.scatter_", "write = target.scatter_"),
    ),
    *_of(
        "losses/_precision.py",
        ("products under autocast on the way back", "return _InnerProducts.backward(ctx, grad)", "return grad @ ctx.saved_tensors[1], grad.T @ ctx.saved_tensors[0]"),
        ("half of the product rule", "inner_products(of_a, b) + inner_products(a, of_b)", "inner_products(of_a, b)"),
    ),
    *_of(
        "losses/_centers.py",
        ("sparse rows of other labels", "torch.sparse_coo_tensor(labels.unsqueeze(0), rows,", "torch.sparse_coo_tensor(labels.flip(0).unsqueeze(0), rows,"),
    ),
    *_of(
        "metrics/shell.py",
        ("the mean of classes with none", "each.nanmean()", "each.nan_to_num().mean()"),
    ),
    *_of(
        "metrics/spread.py",
        ("Eq. 12 over n", "self.scatter / (self.count - 1).clamp_min(1)", "self.scatter / self.count.clamp_min(1)"),
        ("the variance", "(self.count - 1).clamp_min(1)).sqrt()", "(self.count - 1).clamp_min(1))"),
        ("parts merged without what lies between", "other.scatter + between)", "other.scatter)"),
        ("each pair of classes once", "present * (present - 1))", "present * present)"),
        ("distances from nowhere", "apart = features - self.mean.index_select(0, labels)", "apart = features"),
        ("squared distances", "return squared.sqrt()", "return squared"),
        ("a tail that ends too soon", "math.ceil(share * distances.shape[0] - 1e-9)", "math.floor(share * distances.shape[0] - 1e-9)"),
    ),
    *_of(
        "samplers/balanced.py",
        ("each process the same batches", "rows[self.rank :: self.num_replicas]", "rows[:: self.num_replicas]"),
        ("seed and epoch added", "manual_seed(_mix(self.seed, epoch))", "manual_seed(self.seed + epoch)"),
        ("copies that share their orders", "replace(self._orders)", "self._orders"),
        ("a resumed epoch from its start", "Orders(epoch, batch)", "Orders(epoch)"),
        ("the loaded seed kept from Lightning", '"seed": seed})', '})'),
    ),
    *_of(
        "samplers/_slots.py",
        ("classes dealt in a fixed order", "torch.randperm(self.visits.shape[0], generator=generator, dtype=torch.int32)", "torch.arange(self.visits.shape[0], dtype=torch.int32)"),
        ("classes covered in a fixed order", "torch.randperm(drawn.shape[0], generator=generator, dtype=torch.int32)", "torch.arange(drawn.shape[0], dtype=torch.int32)"),
        ("a class in one batch after another", "queue.view(self.places, self.num_batches).T[", "queue.view(self.num_batches, self.places)["),
        ("visits without a level", "visits[lowest[", "visits[torch.arange(len(visits))["),
        ("small classes as often as large", "_water_level(least, total, least + counts)", "_water_level(least, total)"),
        ("what is left to the same classes", "self.open[torch.randperm(self.open.shape[0], generator=generator)[: self.rest]]", "self.open[: self.rest]"),
        ("visitors in one wide group", ".tensor_split(self.groups)", ".tensor_split(1)"),
        ("visitors one by one", "torch.cat([group.T.flatten() for group in columns])", "torch.cat([group.flatten() for group in columns])"),
        ("residents in groups", "self.resides = self.drawn >= group * self.num_batches", "self.resides = self.drawn < 0"),
        ("the most of a class without the rest", "int(part.max()) + min(self.rest, 1)", "int(part.max())"),
    ),
    *_of(
        "samplers/_draw.py",
        ("samples in a fixed order", "torch.randperm(total, generator=generator, dtype=index)", "torch.arange(total, dtype=index)"),
        ("passes of a class mixed", "order = pass_of.index_select(0, shuffled)", "order = shuffled"),
        ("one pass too few", "passes = -(-drawn // counts)", "passes = (drawn // counts).clamp_min(1)"),
    ),
    *_of(
        "samplers/_orders.py",
        ("the order that was begun, again", "self.epoch + 1, 0", "self.epoch, 0"),
        ("a chosen epoch passed by", "orders = self._orders if current.awaited else current", "orders = self._orders"),
        ("old iterators take new orders", "orders = self._orders if current.awaited else current", "orders = current"),
        ("batches done before a resume forgotten", "(epoch, first + done) if left", "(epoch, done) if left"),
        ("an iterator without its epoch", '{"epoch": self._epoch, ', '{"epoch": None, '),
    ),
    *_of(
        "samplers/_labels.py",
        ("labels of the whole set", "[_as_tensor(who, given.indices).cpu().long()]", ""),
        ("a column by its index", "return _of_array(who, given.to_numpy())", "return _of_sequence(who, [given[i] for i in range(len(given))])"),
        ("a data set opened", "isinstance(given, Mapping | Dataset)", "isinstance(given, Mapping)"),
        ("classes that are not there", "counts[counts > 0]", "counts"),
    ),
    *_of(
        "samplers/_doubts.py",
        ("nothing said of long epochs", "_FAR = 2 ", "_FAR = 2000 "),
        ("said of epochs that were chosen", "if epoch is not None and epoch >", "if (epoch or 10**9) >"),
    ),
    *_of(
        "samplers/_arguments.py",
        ("one of a class in a batch that has room for two", "each if each > 1 else batch_size", "max(1, each)"),
        ("9 of a class instead of 8", "_SAMPLES_PER_CLASS = 8 ", "_SAMPLES_PER_CLASS = 9 "),
    ),
    *_of(
        "report/paired.py",
        ("no correction for many comparisons", "alpha = (1 - LEVEL) / num_comparisons", "alpha = 1 - LEVEL"),
        ("one-sided intervals", "half_width = t_quantile(1 - alpha / 2,", "half_width = t_quantile(1 - alpha,"),
        ("the deviation instead of the error", "* spread / math.sqrt(len(values))", "* spread"),
        ("one degree of freedom more", "t_quantile(1 - alpha / 2, len(values) - 1)", "t_quantile(1 - alpha / 2, len(values))"),
        ("few seeds decide", "if self.n < FEWEST:", "if self.n < 2:"),
        ("power without the root", "abs(mean) / spread * math.sqrt(n)", "abs(mean) / spread * n"),
    ),
    *_of(
        "report/gains.py",
        ("gains of spread over the old", "100 * (b - a) / a", "100 * (b - a) / b"),
        ("gains of accuracy over the old", "100 * (a - b) / a", "100 * (a - b) / b"),
        ("the last instead of the best", "[max(values)] if values", "[values[-1]] if values"),
        ("how many times turned round", "old / new for old, new in pairs", "new / old for old, new in pairs"),
    ),
    *_of(
        "report/claims.py",
        ("higher is lower", '(found.verdict == "higher") == self.higher', '(found.verdict == "higher") != self.higher'),
        ("undecided agrees", 'return "undecided"\n        return "agrees"', 'return "agrees"\n        return "agrees"'),
        ("the best of a part speaks", "min(look.stands(found)", "max(look.stands(found)"),
        ("the fair comparison does not count", "return _fair_verdict(fair)", "return _fair_verdict([])"),
    ),
    *_of(
        "studies/tuning.py",
        ("the worst weight", "return max(trained, key=_merit)", "return min(trained, key=_merit)"),
        ("the less compact of equals", '-(figures["intra_inter"]', '+(figures["intra_inter"]'),
        ("chosen on test images", 'record.final["validation"]', 'record.final["test"]'),
        ("trials without images aside", "validation_fraction=ASIDE", "validation_fraction=0.0"),
        ("one sign for all", "sign = -1 if", "sign = 1 if"),
    ),
]  # fmt: skip


_NAMES = {
    "center": "center_loss",
    "sigma2r": "sigma_squared_r",
    "_spread": "sigma_squared_r",
    "_groups": "sigma_squared_r",
}


def is_caught(mutation: Mutation) -> bool:
    """Whether the tests fail on a copy of the repository with that change."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("src", "tests", "benchmarks", "tools"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        path = copy / "src/sigma2r" / mutation.file
        path.write_text(mutation.apply(path.read_text(encoding="utf-8")), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "OMP_NUM_THREADS": "1"}
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
        loss = Path(mutation.file).stem
        # Those of the loss in the contract first: mostly they are enough.
        few = [LOSSES[0], "-k", f"{_NAMES.get(loss, loss)} and not compiled and not composition"]
        all_of_them = ["-k", "not compiled", *TESTS[mutation.file.partition("/")[0]]]
        for chosen in (few, all_of_them) if mutation.file.startswith("losses/") else (all_of_them,):
            done = subprocess.run([*words, *chosen], cwd=copy, env=environment, capture_output=True, text=True)
            if done.returncode not in (0, 1, 5):  # 5: none of that name
                raise RuntimeError(
                    f"mutations: the tests did not run on {mutation.what!r}:\n{done.stdout}{done.stderr}"
                )
            if done.returncode == 1:
                return True
        return False


def main(arguments: Sequence[str]) -> int:
    """Make the mutations and tell which were caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    mutations = [m for m in MUTATIONS if not chosen.words or any(w in f"{m.file} {m.what}" for w in chosen.words)]
    survivors = 0
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for mutation, caught in zip(mutations, pool.map(is_caught, mutations), strict=True):
            survivors += not caught
            print(f"{'caught  ' if caught else 'SURVIVED'} {mutation.file}: {mutation.what}", flush=True)
    print(f"{len(mutations) - survivors} of {len(mutations)} mutations caught")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
