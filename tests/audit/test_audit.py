"""The audit of a run, from its folder to its findings: real images with planted faults."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from sigma2r.audit import assign_folds, audit
from sigma2r.audit.held_out import Network, held_out_by_folds, judged_by, known_by
from sigma2r.data.images import ImageData
from sigma2r.data.preprocess import Preprocess
from sigma2r.data.splits import Split
from sigma2r.models import LeNet
from sigma2r.studies.data import load
from sigma2r.studies.record import Record
from sigma2r.training import UnusableCheckpointError
from tests.audit.conftest import QUIET

FOLDS = 3


@pytest.fixture(scope="module")
def found(planted):
    said = []
    findings = audit(planted.run, folds=FOLDS, cleanlab=False, where=QUIET, say=said.append)
    return findings, said


def names(findings, places):
    return [findings.images.names[int(findings.labelled[place])] for place in places]


def test_flipped_labels_are_the_most_suspicious_and_what_they_were_is_suggested(planted, found):
    findings, _ = found
    first = findings.suspicious()[:3].tolist()
    assert set(names(findings, first)) == set(planted.flips)
    for place, name in zip(first, names(findings, first), strict=True):
        assert findings.images.class_names[int(findings.errors.suggested[place])] == planted.flips[name]
        assert findings.errors.likely[place]


def test_the_leak_is_the_first_group_and_the_copy_another(planted, found):
    findings, _ = found
    assert {findings.images.names[row] for row in findings.groups[0].rows} == set(map(str, planted.leak))
    assert findings.groups[0].exact
    copies = [{findings.images.names[row] for row in group.rows} for group in findings.within if group.exact]
    assert copies == [set(map(str, planted.copy))]


def test_an_image_alone_in_its_class_is_not_judged_and_its_class_is_too_small(planted, found):
    findings, _ = found
    assert [findings.images.names[row] for row in findings.alone] == [str(planted.alone)]
    judged = len(findings.images) - 1
    assert len(findings.labelled) == len(findings.judged) == judged
    assert len(set(findings.labelled.tolist())) == judged
    shirt = findings.images.class_names.index("Shirt")
    assert findings.small.nonzero().flatten().tolist() == [shirt]
    assert int(findings.counts["train"][shirt]) == 1


def test_nobody_is_judged_by_who_saw_it(planted, found, monkeypatch, tmp_path):
    """Each fold trains on all other folds' images and none of its own."""
    record = Record.read(planted.run / "record.json")
    splits = load(record.run, QUIET)
    folds = assign_folds(splits["train"].labels, FOLDS, record.run.data_seed)
    seen = []

    def watched(run, where, files, *, splits, of):
        seen.append((splits["train"].indices.tolist(), splits["test"].indices.tolist(), of))
        raise KeyboardInterrupt

    monkeypatch.setattr("sigma2r.audit.held_out.fit", watched)
    for fold in range(FOLDS):
        kept = tmp_path / str(fold)
        source = planted.run / "audit/folds"
        shutil.copytree(source, kept)
        for number in range(fold, FOLDS):
            for path in kept.rglob(f"fold-{number + 1}-of-*/held-out.pt"):
                path.unlink()
        with pytest.raises(KeyboardInterrupt):
            held_out_by_folds(record.run, splits, folds, kept, QUIET)
    everything = set(range(len(folds)))
    for fold, (trained, held, _) in enumerate(seen):
        assert set(held) == set((folds == fold).nonzero().flatten().tolist())
        assert set(trained) == everything - set(held)
    assert len({of for *_, of in seen}) == FOLDS


def test_what_folds_said_is_kept_and_an_audit_again_trains_nothing(planted, found, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr("sigma2r.audit.held_out.fit", refuse)
    again = audit(planted.run, folds=FOLDS, cleanlab=False, where=QUIET)
    assert again.errors.score.equal(found[0].errors.score)
    with pytest.raises(AssertionError, match="trained again"):  # other folds are another question
        audit(planted.run, folds=2, cleanlab=False, where=QUIET)


def test_a_fold_that_was_interrupted_goes_on(planted, found, tmp_path, monkeypatch):
    kept = tmp_path / "audit/folds"
    shutil.copytree(planted.run / "audit/folds", kept)
    (lost,) = kept.rglob("fold-2-of-3/held-out.pt")
    lost.unlink()
    again = audit(planted.run, folds=FOLDS, cleanlab=False, out=tmp_path / "audit", where=QUIET)
    assert again.errors.score.equal(found[0].errors.score)  # its last checkpoint is of the last epoch: no step more


def test_a_damaged_file_is_set_aside_and_told(planted, found, tmp_path):
    kept = tmp_path / "audit/folds"
    shutil.copytree(planted.run / "audit/folds", kept)
    (path,) = kept.rglob("fold-2-of-3/held-out.pt")
    path.write_bytes(path.read_bytes()[:-50])
    told = r"audit: .*held-out\.pt cannot be read: .* Set aside as held-out\.pt\.broken-1"
    with pytest.warns(UserWarning, match=told):
        again = audit(planted.run, folds=FOLDS, cleanlab=False, out=tmp_path / "audit", where=QUIET)
    assert again.errors.score.equal(found[0].errors.score)


def test_a_file_of_another_fold_is_set_aside_and_told(planted, found, tmp_path):
    kept = tmp_path / "audit/folds"
    shutil.copytree(planted.run / "audit/folds", kept)
    (path,) = kept.rglob("fold-2-of-3/held-out.pt")
    shutil.copy(path.parent.parent / "fold-1-of-3/held-out.pt", path)
    with pytest.warns(UserWarning, match=r"audit: .*held-out\.pt cannot be read: it holds something else"):
        again = audit(planted.run, folds=FOLDS, cleanlab=False, out=tmp_path / "audit", where=QUIET)
    assert again.errors.score.equal(found[0].errors.score)


def test_classes_that_a_network_was_not_trained_on_are_not_known_to_it():
    model = LeNet(in_channels=1, image_size=28, num_classes=3)
    network = Network(model, Preprocess(torch.zeros(1), torch.ones(1)), "32-true")
    images = ImageData(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.tensor([0, 2, 1, 2]), ("a", "b", "c"))
    known = known_by(network, Split(images, torch.tensor([0, 1])), QUIET)
    held = judged_by(network, known, Split(images, torch.tensor([2, 3])), QUIET, rows=torch.tensor([5, 6]))
    assert held.known.tolist() == [True, False, True]
    assert held.rows.tolist() == [5, 6]
    torch.testing.assert_close(held.centers[[0, 2]], held.features)  # all images are the same one


def test_a_checkpoint_that_cannot_be_gone_on_from_is_set_aside(planted, found, tmp_path, monkeypatch):
    kept = tmp_path / "audit/folds"
    shutil.copytree(planted.run / "audit/folds", kept)
    (lost,) = kept.rglob("fold-2-of-3/held-out.pt")
    lost.unlink()
    lost.with_name("last.ckpt").write_bytes(b"nothing")
    told = r"audit: the checkpoint .* Set aside as last\.ckpt\.broken-1; the fold starts"
    with pytest.warns(UserWarning, match=told):
        again = audit(planted.run, folds=FOLDS, cleanlab=False, out=tmp_path / "audit", where=QUIET)
    assert again.errors.score.equal(found[0].errors.score)
    assert issubclass(UnusableCheckpointError, ValueError)


def test_what_is_done_is_said(found):
    _, said = found
    assert said[0].startswith("Fold 1 of 3: training on ")
    assert said[-1] == "The run's own network judges the 37 test images."


def test_nothing_is_moved_changed_or_deleted(planted, found, tmp_path):
    before = {path: path.read_bytes() for path in planted.root.rglob("*.png")}
    audit(planted.run, folds=FOLDS, cleanlab=False, where=QUIET)
    assert {path: path.read_bytes() for path in planted.root.rglob("*.png")} == before


@pytest.fixture
def more(planted, tmp_path) -> Path:
    """Images of a stranger's: some of the run's, one under a wrong name, one that cannot be read."""
    root = tmp_path / "more"
    for name in ("Trouser", "Bag"):
        shutil.copytree(planted.root / "test" / name, root / name)
    shutil.copy(planted.root / "test/Trouser/0.png", root / "Bag/wrong.png")
    shutil.copy(planted.root / "train/Trouser/9.png", root / "Trouser/trained.png")
    (root / "Bag/broken.png").write_bytes(b"no image")
    image = Image.open(planted.root / "train/Bag/9.png")
    image.rotate(180).save(root / "Bag/new.png")
    return root


def test_other_images_are_judged_by_the_run_and_held_against_its_own(planted, more, monkeypatch):
    monkeypatch.setattr("sigma2r.audit.held_out.fit", None)  # nothing is trained
    findings = audit(planted.run, str(more), cleanlab=False, where=QUIET)
    (first,) = names(findings, findings.suspicious()[:1].tolist())
    assert first == str(more / "Bag/wrong.png")
    assert list(findings.unread) == [str(more / "Bag/broken.png")]
    assert set(findings.images.splits) == {"given", "train", "test"}
    assert {findings.images.splits[int(row)] for row in findings.judged} == {"given"}
    leaks = [{findings.images.names[row] for row in group.rows} for group in findings.leaks if group.exact]
    trained = {str(more / "Trouser/trained.png"), str(planted.root / "train/Trouser/9.png")}
    assert trained in leaks


def test_images_without_a_label_that_the_run_knows_are_outliers_and_duplicates_alone(planted, more):
    (more / "Trouser").rename(more / "unknown")
    findings = audit(planted.run, str(more), cleanlab=False, where=QUIET)
    judged = {findings.images.names[int(row)] for row in findings.labelled}
    assert judged
    assert all(Path(name).parent.name == "Bag" for name in judged)
    assert len(findings.judged) > len(findings.labelled)


def test_without_the_data_of_the_run_the_learned_centers_stand_in(planted, more, tmp_path):
    moved = tmp_path / "photos"
    planted.root.rename(moved)
    try:
        with pytest.warns(UserWarning, match="audit: the images that the run was trained on cannot be read"):
            findings = audit(planted.run, str(more), cleanlab=False, where=QUIET)
    finally:
        moved.rename(planted.root)
    assert set(findings.images.splits) == {"given"}
    assert names(findings, findings.suspicious()[:1].tolist()) == [str(more / "Bag/wrong.png")]


def test_data_that_were_moved_are_audited_where_they_lie_now_and_nothing_is_trained_again(
    planted, found, more, monkeypatch, tmp_path
):
    monkeypatch.delattr("sigma2r.audit.held_out.fit")
    there = tmp_path / "photos"
    planted.root.rename(there)
    try:
        again = audit(planted.run, dataset=f"folder:{there}", folds=FOLDS, cleanlab=False, where=QUIET)
        others = audit(planted.run, str(more), dataset=f"folder:{there}", cleanlab=False, where=QUIET)
    finally:
        there.rename(planted.root)
    assert again.errors.score.equal(found[0].errors.score)
    assert set(others.images.splits) == {"train", "test", "given"}


@pytest.mark.message
def test_other_images_are_held_against_those_that_the_run_has_now_and_that_they_have_changed_is_told(planted, more):
    extra = planted.root / "train/Bag/extra.png"
    shutil.copy(more / "Bag/new.png", extra)
    try:
        with pytest.warns(
            UserWarning, match="audit: the train images of folder:.* are others now than the run's record"
        ):
            findings = audit(planted.run, str(more), cleanlab=False, where=QUIET)
    finally:
        extra.unlink()
    leaks = [{findings.images.names[row] for row in group.rows} for group in findings.leaks if group.exact]
    assert {str(more / "Bag/new.png"), str(extra)} in leaks


@pytest.mark.message
def test_bad_input_is_one_sentence(planted, found, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"^audit: folds must be at least 2; got 1\."):
        audit(planted.run, folds=1, where=QUIET)
    with pytest.raises(ValueError, match=r"^audit: neighbors must be a whole number of at least 1; got 0\.$"):
        audit(planted.run, neighbors=0, where=QUIET)
    with pytest.raises(ValueError, match=r"^audit: near must be positive and finite; got -1"):
        audit(planted.run, near=-1, where=QUIET)
    with pytest.raises(ValueError, match=r"^audit: split must be left out, unless data names a data set; got train\.$"):
        audit(planted.run, split="train", where=QUIET)
    with pytest.raises(ValueError, match="results must lie apart from the images"):
        audit(planted.run, out=planted.root / "train/Bag", where=QUIET)
    with pytest.raises(ValueError, match=r"^load: .* must be the folder of a run"):
        audit(tmp_path, where=QUIET)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "x.png").write_bytes(b"no")
    with pytest.raises(ValueError, match=r"^audit: there must be an image that can be read; .*x\.png"):
        audit(planted.run, str(bad), where=QUIET)
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    with pytest.raises(ImportError, match=r'^audit: .* needs more \(.*cleanlab.*pip install "sigma2r\[cleanlab\]"$'):
        audit(planted.run, cleanlab=True, where=QUIET)


@pytest.mark.message
def test_other_images_than_those_of_the_training_are_refused(planted, found):
    extra = planted.root / "test/Bag/extra.png"
    shutil.copy(planted.root / "test/Bag/1.png", extra)
    try:
        with pytest.raises(
            ValueError, match=r"^audit: the images must be those .* the test images of folder:.* others"
        ):
            audit(planted.run, folds=FOLDS, where=QUIET)
    finally:
        extra.unlink()


def test_the_folds_of_other_labels_are_others(planted, found, tmp_path):
    """What a fold said is of these images, labels and folds: the folder's name follows from them."""
    record = Record.read(planted.run / "record.json")
    splits = load(record.run, QUIET)
    folds = assign_folds(splits["train"].labels, FOLDS, record.run.data_seed)
    from sigma2r.audit.held_out import _name_of

    name = _name_of(record.run, splits["train"], folds)
    assert (planted.run / "audit/folds" / name).is_dir()
    swapped = folds.clone()
    swapped[[0, 1]] = swapped[[1, 0]] if folds[0] != folds[1] else torch.tensor([2, 0])
    assert _name_of(record.run, splits["train"], swapped) != name
