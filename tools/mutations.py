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
    "tests/losses/test_sparring.py",
    "tests/metrics",
)
REPORT = ("tests/report/test_paired.py", "tests/report/test_studies.py")
STUDIES = ("tests/studies/test_tuning.py",)
DATA = ("tests/data",)
TESTS = {"data": DATA, "losses": LOSSES, "metrics": LOSSES, "report": REPORT, "studies": STUDIES}


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
        ("Wen's step away from the samples", "centers.sub_(self.step)", "centers.add_(self.step)"),
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
        ("sparse rows with another sign", "sign * rows, table.shape", "rows, table.shape"),
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
        ("the own center is an other", "score.scatter_(1, own.unsqueeze(1), torch.inf)", "score"),
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
        ("no warm-up", "min(1.0, (epoch + 1) / max(self.epochs, 1))", "1.0"),
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
    *_of(
        "data/augment.py",
        ("a flip that mixes up axes under rotation", "1.0 - 2.0 * flip_x, 1.0 - 2.0 * flip_y", "1.0 - 2.0 * flip_y, 1.0 - 2.0 * flip_x"),
        ("a flip that shears under rotation", "-sin * sign_y * height", "-sin * sign_x * height"),
        ("pixels that are not square", "sin * sign_x * width / height", "sin * sign_x"),
        ("rotated by half", "math.radians(augmentation.rotation)", "math.radians(augmentation.rotation / 2)"),
        ("never rotated", "if augmentation.rotation > 0:", "if augmentation.rotation > 180:"),
        ("shifts that are the same each time", "torch.randint(-most, most + 1, (count,), generator=generator)", "torch.randint(-most, most + 1, (count,), generator=torch.Generator().manual_seed(0))"),
        ("a flip that is not said", 'warned.append(f"--augmentation.{name} 0")', "pass"),
    ),
    *_of(
        "data/preprocess.py",
        ("normalisation fitted to all images", "torch.split(indices, 4096)", "torch.split(torch.arange(len(data)), 4096)"),
        ("the same on disk", "for i in indices[::step]", "for i in range(0, len(data), step)"),
        ("the first of the images on disk", "indices[::step]", "indices[:_SAMPLE]"),
        ("training without augmentation", "pixels = augment(pixels, augmentation, generator)", "pass"),
        ("black moves in after normalisation", "images.to(self.mean.dtype)", "images.to(self.mean.dtype) - self.mean"),
    ),
    *_of(
        "data/loaders.py",
        ("the first images for validation", "torch.randperm(labels.shape[0], generator=generator)", "torch.arange(labels.shape[0])"),
        ("one validation split for all seeds", "generator = torch.Generator().manual_seed(seed)", "generator = torch.Generator().manual_seed(0)"),
        ("the first images of a class", "indices[torch.randperm(indices.shape[0], generator=torch.Generator().manual_seed(seed))]", "indices"),
        ("a class set aside as a whole", "counts - 1)[labels", "counts)[labels"),
        ("a worker's traceback", "return error", "raise"),
        ("workers that stay after an error", "del batch  #", "pass  #"),
    ),
    *_of(
        "data/registry.py",
        ("arrows are flipped", "FOLDER: Augmentation(crop=4, rotation=10.0)", "FOLDER: Augmentation(crop=4, rotation=10.0, horizontal_flip=0.5)"),
        ("a setting that nothing heeds", "if value is not None):", "if value is False):"),
        ("classes may always be missing", "missing_classes=missing_classes,", "missing_classes=True,"),
    ),
    *_of(
        "data/names.py",
        ("names that begin with a dot", 'name.startswith(".") or', ""),
        ("system names in capitals", "name.lower() in SYSTEM_NAMES", "name in SYSTEM_NAMES"),
        ("endings in capitals", "return name[dot:].lower()", "return name[dot:]"),
        ("a name of bytes", "name.encode()", "pass"),
    ),
    *_of(
        "data/tree.py",
        ("a circle of links", "if own in above:", "if False:"),
        ("links that lead up", "for path in (real, *real.parents)", "for path in (real,)"),
        ("folders read twice", "if own in self.read:", "if False:"),
        ("a link before the folder itself", "(self.links if entry.is_symlink() else self.todo)", "self.todo"),
        ("hidden classes", "            if is_hidden(entry.name):\n                self.passed_over.hide(entry.name)\n            elif", "            if"),
        ("pipes are images", 'return "file" if entry.is_file() else "neither"', 'return "file"'),
        ("another order", 'return path.replace(os.sep, "\\0")', "return path"),
        ("val/ before test/", "if (root / split).is_dir():", "if (root / split).is_dir() and not others:"),
    ),
    *_of(
        "data/formats.py",
        ("Ghostscript", '_NOT_READ = {"EPS", ', "_NOT_READ = {"),
        ("whatever a parser raises", "    except Exception as error:  # whatever", "    except OSError as error:  # whatever"),
        ("a plugin's endings", "len(Image.registered_extensions()), len(Image.OPEN))[0]", "0, 0)[0]"),
        ("formats by their ending alone", "[own, *formats]", "[own]"),
    ),
    *_of(
        "data/pixels.py",
        ("a key of 16 bits", "tuple(value >> 8 for value in key)", "key"),
        ("lying on its side", "    turn_upright(image)\n", ""),
        ("damaged EXIF ends the run", "    except Exception:  # the pixels", "    except KeyboardInterrupt:  # the pixels"),
        ("the lowest bits", "seen = values >> (_bits(image) - 8)", "seen = values & 255"),
        ("12 bits for 16", "values >> (_bits(image) - 8)", "values >> 8"),
        ("clipped instead of scaled", "seen = values >> (_bits(image) - 8)", "seen = values"),
        ("floats by a guess", 'elif image.mode in _SIXTEEN_BITS or (image.mode == "I"', 'elif image.mode == "F" or image.mode in _SIXTEEN_BITS or (image.mode == "I"'),
        ("a range without its low end", "(values.double() - low)", "values.double()"),
        ("transparent is black", '"RGB", image.size, "white"', '"RGB", image.size, "black"'),
        ("alpha thrown away", "if image.has_transparency_data:", "if False:"),
        ("white for black", "if _tiff(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO:", "if False:"),
        ("palettes are coloured", "return palette[0::3] == palette[1::3] == palette[2::3]", "return False"),
        ("palettes are gray", "return palette[0::3] == palette[1::3] == palette[2::3]", "return True"),
        ("decoded before its size is looked at", "if not rescale and sorted(image.size) != sorted((width, height)):", "if False:"),
    ),
    *_of(
        "data/survey.py",
        ("one gray image makes all gray", "return all(mapped(", "return any(mapped("),
        ("a range that nothing needs", "if pixel_range is not None and self.wide is None:", "if False:"),
        ("pages lost in silence", "if self.paged is not None:", "if False:"),
        ("bits lost in silence", "if self.wide is not None and pixel_range is None:", "if False:"),
    ),
    *_of(
        "data/folder.py",
        ("gray by the training images alone", "    if tree is training:\n        try:", "    if tree is training:\n        return\n        try:"),
        ("classes that train lacks", "if unknown or (missing and not missing_classes):", "if missing and not missing_classes:"),
        ("an empty class", "    _refuse_empty(training)\n", ""),
        ("what is passed over is not said", '    tree.passed_over.say(f"folder: in {shown(tree.folder)}")\n', ""),
        ("labels of the classes that have images", "for label, paths in enumerate(classes)", "for label, paths in enumerate(filter(None, classes))"),
    ),
    *_of(
        "data/threads.py",
        ("results in another order", "[work(item) for item in part]", "[work(item) for item in reversed(part)]"),
        ("the last of a handful left out", "yield from results", "yield from results[:63]"),
    ),
    *_of(
        "data/fingerprint.py",
        ("labels do not count", "digest.update(data.labels", "len(data.labels"),
        ("class names do not count", '"classes": data.class_names, ', ""),
        ("the shape does not count", '"shape": data.image_shape, ', ""),
        ("the first part of the pixels", "torch.split(images.cpu(), max(1,", "torch.split(images.cpu()[:2], max(1,"),
        ("the names of files for their content", "hashlib.file_digest(file, \"sha256\").digest()", "hashlib.sha256(bytes(path)).digest()"),
        ("by size and time alone", "status.st_mtime_ns, status.st_ctime_ns)", "status.st_mtime_ns)"),
        ("remembered too soon", "if time.time() - newest < _SETTLED_S:", "if False:"),
    ),
    *_of(
        "data/unpack.py",
        ("as much as there is", "if not 0 <= size <= self.granted:", "if False:"),
        ("bounded nowhere", "if self.position > self.most:", "if False:"),
        ("granted again and again", "self.granted -= size", "pass"),
    ),
    *_of(
        "data/packed.py",
        ("cut off between two files", "if file.last != _END:", "if False:"),
        ("damage behind the end", "            file.drain()\n", ""),
        ("hidden files in an archive", "if hidden := next(filter(is_hidden, parts), None):", "if hidden := None:"),
        ("other classes in test", "if differing:", "if False:"),
        ("pixels without bound", "> _MOST_PIXELS:", "> 10**12:"),
    ),
    *_of(
        "data/cifar.py",
        ("one of several archives in silence", "if len(packed) > 1:", "if False:"),
        ("unpickled whatever its checksum", "if found != checksum:", "if False:"),
    ),
    *_of(
        "data/idx.py",
        ("a header that is believed", "if count > _LARGEST:", "if False:"),
        ("all that a gzip file holds", "file.read(count + 1)", "file.read()"),
        ("more than the header tells", "file.read(count + 1)", "file.read(count)"),
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
