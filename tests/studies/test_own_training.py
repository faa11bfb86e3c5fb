"""Code of one's own while it trains: left as it is written, tried beforehand, and told in one sentence if it raises."""

import signal
import sys
from pathlib import Path

import pytest
import torch

from sigma2r._resolve import files_of
from sigma2r.studies.fit import fit
from sigma2r.studies.launch import LocalLauncher, Task
from sigma2r.studies.run import Run
from sigma2r.studies.trial import try_own_loss
from sigma2r.studies.where import Where
from tests.studies.test_cli import call

QUIET = Where(device="cpu", progress=False)
CODE = """
import torch
from torch import nn
from sigma2r.data import ImageData

def data(split):
    images = torch.arange(12 * 3 * 64).reshape(12, 3, 8, 8) % 251
    return ImageData(images.to(torch.uint8), torch.arange(12) % 2, ("a", "b"))

def turned(split):
    whole = data(split)
    return ImageData(whole.images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2), whole.labels, whole.class_names)

def leaves(split): raise SystemExit("no images today")

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(256, num_classes)
    def forward(self, images):
        features = self.conv(images)
        features = features.view(features.size(0), -1)
        return features, self.head(features)

class Solid(Net):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.conv = nn.Conv3d(1, 4, (3, 3, 3), padding=(0, 1, 1))
    def forward(self, images): return super().forward(images[:, None])

class Raising(Net):
    def forward(self, images):
        if len(images) == 6: raise IndexError("of six")
        return super().forward(images)

class Plain(nn.Module):
    def __init__(self): super().__init__(); self.calls = 0; self.register_buffer("seen", torch.zeros(()))
    def forward(self, features, labels):
        self.calls += 1
        self.seen += 1
        if self.calls == 2: self.second()
        return features.square().mean() * 1e-3
    def second(self): pass

class Missing(Plain):
    def second(self): {}["nothing"]
class Typed(Plain):
    def second(self): raise TypeError("oh")
class Oh(Plain):
    def second(self): raise RuntimeError("oh")
class Within(Plain):
    def second(self): torch.zeros(2) @ torch.zeros(3)
class Leaving(Plain):
    def second(self): raise SystemExit("bye")
class Stopped(Plain):
    def second(self): raise KeyboardInterrupt
class Ended(Plain):
    def second(self): raise SystemExit(143)
class AtOnce(Plain):
    def forward(self, features, labels):
        if self.training: raise KeyError("at once")
        return super().forward(features, labels)

class NoNeighbors(Plain):
    neighbors = None
class WordNeighbors(Plain):
    neighbors = "seven"
class Groups(Plain):
    def __init__(self): super().__init__(); self.w = nn.Parameter(torch.ones(()))
    def forward(self, features, labels): return self.w * super().forward(features, labels)
class NoRate(Groups):
    def param_groups(self): return [{"params": [self.w]}]
class NoGroups(Groups):
    def param_groups(self, lr): return self.w
class AnyRate(Groups):
    def param_groups(self, **settings): return [{"params": [self.w], **settings}]
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(CODE)
    return tmp_path


def run_of(loss="Plain", model="Net", dataset="data", epochs=1):
    return Run(dataset=f"own.py:{dataset}", model=f"own.py:{model}", loss=f"own.py:{loss}@0.1", epochs=epochs,
               batch_size=6)  # fmt: skip


@pytest.mark.parametrize("dataset", ["data", "turned"])
@pytest.mark.parametrize("model", ["Net", "Solid"])
def test_a_model_is_trained_in_the_format_in_which_it_is_written(here, model, dataset):
    fitted = fit(run_of(model=model, dataset=dataset), QUIET)
    assert fitted.model.conv.weight.is_contiguous()


def test_a_trial_leaves_no_trace_in_what_is_trained(here):
    loss = fit(run_of(epochs=2), QUIET).criterion.auxiliary
    assert (loss.calls, float(loss.seen)) == (4, 4.0)


LINES = {text.strip(): number for number, text in enumerate(CODE.split("\n"), 1)}


def line_of(text):
    (number,) = (number for line, number in LINES.items() if text in line)
    return f"(own.py, line {number})."


RAISED = [
    ({"loss": "Missing"}, "KeyError: 'nothing'", '{}["nothing"]'),
    ({"loss": "Typed"}, "TypeError: oh", 'TypeError("oh")'),
    ({"loss": "Oh"}, "RuntimeError: oh", 'RuntimeError("oh")'),
    ({"loss": "Within"}, "RuntimeError: inconsistent tensor size", "torch.zeros(2) @"),
    ({"loss": "Leaving"}, "SystemExit: bye", 'SystemExit("bye")'),
    ({"model": "Raising"}, "IndexError: of six", 'IndexError("of six")'),
    ({"loss": "AtOnce"}, "KeyError: 'at once'", 'KeyError("at once")'),
    ({"dataset": "leaves"}, "SystemExit: no images today", 'SystemExit("no images today")'),
]


@pytest.mark.parametrize(("parts", "said", "where"), RAISED, ids=lambda value: str(value)[:20])
def test_what_ones_own_code_raises_is_told_in_one_sentence_with_its_line(here, parts, said, where):
    with pytest.raises(ValueError, match="raised") as caught:
        fit(run_of(**parts), QUIET)
    told = str(caught.value)
    assert f"raised {said}" in told
    assert told.endswith(line_of(where))
    assert "own.py" in told.partition(" raised ")[0]


@pytest.mark.parametrize(("loss", "kind"), [("Stopped", KeyboardInterrupt), ("Ended", SystemExit)])
def test_who_stops_a_training_is_no_fault_of_the_code(here, loss, kind):
    with pytest.raises(kind) as caught:
        fit(run_of(loss), QUIET)
    assert kind is KeyboardInterrupt or caught.value.code == 128 + signal.SIGTERM


def test_processes_tell_the_same_as_one(here, capsys):
    run = run_of("Oh")
    words = [f"--{key}={getattr(run, key)}" for key in ("dataset", "model", "epochs", "batch_size")]
    told = set()
    for jobs in (1, 2):
        code, _, err = call(capsys, "compare", *words, "--losses", "own.py:Oh@0.1", "--seeds", "2", "--jobs", jobs,
                            "--progress", "false", "--device", "cpu", "--out", f"jobs-{jobs}")  # fmt: skip
        assert code == 1
        assert err.count("\n") == 1
        told.add(err.replace("seed 1", "seed 0"))
    assert told == {
        "sigma2r: train: training own.py:data, own.py:Net, own.py:Oh@0.1, seed 0, raised RuntimeError: oh "
        + line_of('RuntimeError("oh")')
        + "\n"
    }


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("NoNeighbors", "neighbors must be a whole number of at least 0.*; got None"),
        ("WordNeighbors", "neighbors must be a whole number of at least 0.*; got 'seven'"),
        ("NoRate", r"param_groups must be a method that takes the learning rate, param_groups\(self, \*, lr\)"),
        ("NoGroups", "param_groups must give a list of groups as an optimizer takes them, each with params"),
    ],
)
def test_what_training_asks_of_a_loss_is_asked_before(here, loss, message):
    with pytest.raises(ValueError, match=f"own.py:{loss}: {message}"):
        fit(run_of(loss), QUIET)


def test_a_trial_takes_no_random_numbers_away(here):
    torch.manual_seed(0)
    try_own_loss("own.py:Plain", 3, 5, {})
    after = torch.rand(())
    torch.manual_seed(0)
    assert after == torch.rand(())


def test_groups_of_parameters_are_trained_as_they_are_given(here):
    assert fit(run_of("AnyRate"), QUIET).criterion.auxiliary.w.item() != 1.0


def test_what_is_wrong_without_the_data_is_told_before_they_are_loaded(here):
    run = Run(dataset="own.py:leaves", model="own.py:Net", loss="own.py:Plain@-1", batch_size=6)
    for check in (run.check_own_code, lambda: list(LocalLauncher(1)([Task(run, here / "out", QUIET)]))):
        with pytest.raises(ValueError, match=r"Run: loss_weight must be a finite number of at least 0; got -1\.0"):
            check()


def test_files_of_ones_own_are_those_where_it_is_found_and_where_it_is_written(here):
    Path("defined.py").write_text("class Loss: pass\ndef make(): pass\n")
    Path("found.py").write_text("from functools import partial\nfrom defined import Loss, make\nmade = partial(make)\n")
    for name in ("Loss", "make", "made"):
        assert files_of(f"found.py:{name}") == {str(here / "found.py"), str(here / "defined.py")}
    assert files_of("defined.py:Loss") == {str(here / "defined.py")}
    assert files_of("sigma2r.losses:CenterLoss") == set()
    sys.modules.pop("defined")
