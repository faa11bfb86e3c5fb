"""Records from elsewhere: read whole, or refused in one sentence that names the file and the part."""

import json

import pytest

from sigma2r.studies.record import DamagedFileError, Record, plain, read_json, read_records
from sigma2r.studies.run import Run
from sigma2r.studies.train import train
from tests.report.conftest import make_record
from tests.studies.test_cli import call
from tests.studies.test_train import QUIET, numbers


def written(folder, change):
    """A good record that was changed, as text, and where it lies."""
    values = json.loads(json.dumps(make_record("sigma2r@0.01").as_dict()))
    change(values)
    path = folder / "record.json"
    path.write_text(json.dumps(values))
    return path


def at(*places, value):
    """Put a value at a place."""

    def change(values):
        for place in places[:-1]:
            values = values[place]
        values[places[-1]] = value

    return change


def without(*places):
    def change(values):
        for place in places[:-1]:
            values = values[place]
        del values[places[-1]]

    return change


WRONG = {
    "run null": at("run", value=None),
    "run a list": at("run", value=[1]),
    "run of another version": at("run", "flavour", value="sweet"),
    "epochs a text": at("run", "epochs", value="three"),
    "loss null": at("run", "loss", value=None),
    "augmentation a number": at("run", "augmentation", value=3),
    "images larger than any run's": at("image_shape", value=[3, 16385, 32]),
    "no class names": at("class_names", value=[]),
    "class names of numbers": at("class_names", value=[1, 2, 3]),
    "class names a number": at("class_names", value=3),
    "counts empty": at("counts", value={}),
    "counts a list": at("counts", value=[1]),
    "counts of text": at("counts", "train", value="9000"),
    "counts below zero": at("counts", "train", value=-1),
    "final null": at("final", value=None),
    "final empty": at("final", value={}),
    "final without test": without("final", "test"),
    "accuracy a text": at("final", "test", "accuracy", value="0.9"),
    "accuracy null": at("final", "test", "accuracy", value=None),
    "accuracy a truth value": at("final", "test", "accuracy", value=True),
    "spreads of other classes": at("final", "test", "intra", value=[1.0, 2.0]),
    "spreads of text": at("final", "test", "intra", value=["a", "b", "c"]),
    "spread missing": without("final", "train", "intra_mean"),
    "history a number": at("history", value=3),
    "history empty": at("history", value=[]),
    "history of text": at("history", value=["epoch"]),
    "an epoch of text": at("history", 0, "epoch", value="1"),
    "a loss of text": at("history", 0, "train_loss", value="low"),
    "growth of other classes": at("history", 0, "growth", value=[1.0]),
    "growth of text": at("history", 0, "growth", value=["a", "b", "c"]),
    "an epoch's spreads of other classes": at("history", 0, "test", "intra", value=[]),
    "a plane without labels": without("plane", "labels"),
    "points of three": at("plane", "features", 0, value=[1.0, 2.0, 3.0]),
    "labels of text": at("plane", "labels", 0, value="0"),
    "fewer labels than points": at("plane", "labels", value=[0]),
    "versions a list": at("versions", value=[]),
    "versions of numbers": at("versions", "torch", value=2.0),
    "device null": at("device", value=None),
    "device without threads": without("device", "threads"),
    "seconds empty": at("seconds", value={}),
    "seconds of text": at("seconds", "total", value="12"),
    "finished null": at("finished", value=None),
    "diverged a number": at("diverged", value=3),
    "data a text": at("data", value="mine"),
    "a part too many": at("more", value=1),
    "a part too few": without("plane"),
    "no run": without("run"),
    "no name of the run": without("run_id"),
    "class names a text": at("class_names", value="abc"),
    "class names a mapping": at("class_names", value={"red": 1, "green": 2, "blue": 3}),
    "a class name null": at("class_names", 0, value=None),
    "counts without test": without("counts", "test"),
    "counts of a split that is none": at("counts", "tset", value=3),
    "no test images": at("counts", "test", value=0),
    "counts of a part": at("counts", "train", value=9000.5),
    "counts true": at("counts", "train", value=True),
    "parameters below zero": at("counts", "parameters", value=-1),
    "accuracy in percent": at("final", "test", "accuracy", value=92.0),
    "accuracy below zero": at("final", "test", "accuracy", value=-0.1),
    "a spread below zero": at("final", "test", "intra", 0, value=-1.0),
    "a distance below zero": at("final", "test", "inter", value=-1.0),
    "a figure too many that is text": at("final", "test", "tail_99", value="far"),
    "final of a split that is none": at("final", "tset", value={}),
    "a rate below zero": at("history", 0, "lr", value=-0.1),
    "a rate of text": at("history", 0, "loss_lr", value="0.1"),
    "seconds below zero": at("history", 0, "train_s", value=-1.0),
    "a total of true": at("seconds", "total", value=True),
    "a rate of true": at("history", 0, "lr", value=True),
    "total below zero": at("seconds", "total", value=-12.0),
    "an epoch without a loss": without("history", 0, "train_loss"),
    "an epoch without seconds": without("history", 0, "measure_s"),
    "an epoch without test": without("history", 0, "test"),
    "an epoch without spreads": without("history", 0, "test", "intra"),
    "an epoch's accuracy a list": at("history", 1, "train", "accuracy", value=[0.9]),
    "gates of text": at("history", 0, "gate", value={"mean": "high"}),
    "a plane without means": without("plane", "means"),
    "a plane of more": at("plane", "colours", value=[]),
    "labels of classes that are none": at("plane", "labels", 0, value=3),
    "labels below zero": at("plane", "labels", 0, value=-1),
    "a mean too few": at("plane", "means", value=[[0.0, 0.0]]),
    "a center too many": at("plane", "centers", value=[[0.0, 0.0]] * 4),
    "a version null": at("versions", "torch", value=None),
    "no version of torch": without("versions", "torch"),
    "a device without a name": without("device", "name"),
    "threads of text": at("device", "threads", value="1"),
    "finished some day": at("finished", value="yesterday"),
    "diverged without a word": at("diverged", value=""),
    "diverged false": at("diverged", value=False),
    "data of nothing": at("data", value={}),
    "data a list": at("data", value=[]),
    "data of one split": at("data", value={"train": {"fingerprint": "0" * 16, "images": 9000, "classes": 3}}),
    "code a text": at("code", value="mine"),
    "code of nothing in the run": at("code", value={"m.py:Loss": "0" * 16}),
}


SEEN = {split: {"fingerprint": "0123456789abcdef", "images": images, "classes": 3}
        for split, images in (("train", 9000), ("test", 1500))}  # fmt: skip


def seen(split, **changes):
    """What is told of the data, of which one split says something else."""
    return at("data", value={**SEEN, split: {**SEEN[split], **changes}})


WRONG |= {
    "a fingerprint of three digits": seen("train", fingerprint="abc"),
    "no images": seen("test", images=0),
    "images of text": seen("test", images="1500"),
    "classes true": seen("train", classes=True),
    "more is told of the data": seen("train", size=3),
}
CONTRADICTIONS = {
    "a class twice": (at("class_names", value=["a", "a", "b"]), "class_names must differ; 'a' is there twice"),
    "another run's name": (at("run_id", value="0" * 16), "run_id must be '"),
    "more classes than were measured": (at("class_names", value=["a", "b", "c", "d"]), "intra must be a list of 4"),
    "fewer classes than were measured": (at("class_names", value=["a", "b"]), "must be a list of 2"),
    "an epoch too few": (lambda v: v["history"].pop(), "history must be a list of 2; got a list of 1"),
    "an epoch too many": (lambda v: v["history"].append(v["history"][-1]), "history must be a list of 2"),
    "one epoch twice": (at("history", 1, "epoch", value=1), r"history[1].epoch must be 2; got 1"),
    "epochs from zero": (at("history", 0, "epoch", value=0), "epoch must be a whole number of at least 1; got 0"),
    "epochs in another order": (lambda v: v["history"].reverse(), r"history[0].epoch must be 1; got 2"),
    "an epoch that was to be measured": (at("history", 0, "test", value=None), "test of epoch 1 must hold the figures"),
    "an epoch that was not": (lambda v: renamed(v, measure_every=0), "train of epoch 1 must be null"),
    "another end": (at("final", "test", "accuracy", value=0.5), "final.test must be that of the last epoch"),
    "a mean of other spreads": (
        lambda v: both(v, "test", intra_mean=7.0),
        "history[0].test.intra_mean must be the mean of its intra; got 7.0",
    ),
    "a mean of no spreads": (lambda v: both(v, "test", intra=[None] * 3), "test.intra_mean must be the mean"),
    "a ratio to another distance": (
        lambda v: both(v, "train", intra_inter=0.9),
        "history[0].train.intra_inter must be intra_mean over the inter of train; got 0.9",
    ),
    "a ratio to no distance": (lambda v: both(v, "train", inter=None), "train.intra_inter must be intra_mean over"),
    "a plane of 84 dimensions": (lambda v: renamed(v, feature_dim=84), "plane must be null, for its run has 84"),
    "a label too few": (at("plane", "labels", value=[0]), "plane.labels must be one for each of 12 features"),
    "threads of another run": (at("device", "threads", value=2), "device.threads must be 1; got 2"),
    "no images set aside": (lambda v: renamed(v, validation_fraction=0.1), "counts lacks validation"),
    "images that no run set aside": (at("counts", "validation", value=10), "counts has an unknown part 'validation'"),
    "classes of other data": (seen("test", classes=4), "data.test.classes must be 3; got 4"),
    "fewer images than trained": (seen("train", images=8999), "data.train.images must be the 9000 that counts tells"),
    "fewer images than some of each class": (
        lambda v: (renamed(v, images_per_class=4000), seen("train", images=8999)(v)),
        "data.train.images must be the 9000 that counts tells; got 8999",
    ),
    "more images than trained": (seen("train", images=9001), "data.train.images must be the 9000"),
    "other images than tested": (seen("test", images=1501), "data.test.images must be the 1500"),
    "diverged with figures": (at("diverged", value="in epoch 2"), "history must be empty, for the run diverged"),
}


def both(values, split, **figures):
    """Change figures of the last epoch and of the end alike."""
    for entry in (*values["history"], values["final"]):
        entry[split] |= figures


def renamed(values, **changes):
    """Change what the run is, with its name."""
    values["run"] |= changes
    values["run_id"] = Run.from_dict(values["run"]).run_id


def test_what_is_told_of_the_data_is_read(tmp_path):
    assert Record.read(written(tmp_path, at("data", value=SEEN))).data == SEEN

    def some_images_of_each_class(values):
        renamed(values, images_per_class=2000)
        values |= {"data": SEEN, "counts": {"train": 6000, "test": 1500, "parameters": 1}}

    assert Record.read(written(tmp_path, some_images_of_each_class)).counts["train"] == 6000


@pytest.mark.parametrize(("change", "told"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_record_that_contradicts_itself_is_refused_and_says_where(tmp_path, change, told):
    path = written(tmp_path, change)
    with pytest.raises(DamagedFileError) as refused:
        Record.read(path)
    assert told in str(refused.value)
    assert str(refused.value).startswith(f"Record: {path} must hold the record of a run; ")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (at("final", "test", "accuracy", value=1.5), "final.test.accuracy must lie in [0, 1]; got 1.5."),
        (at("history", 1, "train", "intra", 2, value="far"), "history[1].train.intra[2] must be a finite number of at"),
        (at("history", 1, "growth", 0, value=None), ""),
        (at("plane", "labels", 3, value=-1), "plane.labels[3] must be the index of one of 3 classes; got -1."),
        (at("plane", "features", 2, value=[1.0]), "plane.features[2] must be two coordinates; got a list of 1 number."),
        (at("counts", "train", value=None), "counts.train must be a whole number of at least 1; got null."),
        (at("plane", value=3), "plane must be a mapping, or be null; got 3."),
        (without("final", "test", "inter"), "final.test lacks inter."),
        (at("device", "name", value=None), "device.name must be a text; got null."),
        (at("more", value=1), "it has an unknown part 'more'."),
    ],
)
def test_the_sentence_names_the_place(tmp_path, change, told):
    path = written(tmp_path, change)
    if not told:
        assert Record.read(path)
        return
    with pytest.raises(DamagedFileError) as refused:
        Record.read(path)
    assert f"must hold the record of a run; {told}" in str(refused.value)


@pytest.mark.parametrize("text", ["1e999", "-1e999", "1" + "0" * 400])
@pytest.mark.parametrize("field", ['"accuracy": 0.9', '"inter": 10.0', '"train_loss": 0.5', '"total": 12.0'])
def test_a_number_beyond_all_numbers_is_none(tmp_path, field, text):
    path = written(tmp_path, lambda values: None)
    name, _, _ = field.partition(" ")
    assert field in path.read_text()
    path.write_text(path.read_text().replace(field, f"{name} {text}"))
    with pytest.raises(
        DamagedFileError, match=r"accuracy must lie in|must be a finite number|no number that 64 bits hold"
    ):
        Record.read(path)


@pytest.mark.parametrize("text", ["1e-400", "0.1e-999", "-1e-400", "1e400"])
def test_a_number_that_reading_would_change_is_refused(tmp_path, text):
    path = written(tmp_path, lambda values: None)
    path.write_text(path.read_text().replace('"accuracy": 0.9,', f'"accuracy": {text},', 1))
    with pytest.raises(DamagedFileError, match=rf"record.json must hold JSON; {text} is no number that 64 bits hold"):
        Record.read(path)
    for zero in ("0.0", "0e-999", "-0.0"):
        assert json.loads(zero) == read_json(at_zero(tmp_path, zero)) == 0


def at_zero(folder, text):
    path = folder / "zero.json"
    path.write_text(text)
    return path


def test_a_part_that_is_there_twice_is_refused(tmp_path):
    path = written(tmp_path, lambda values: None)
    path.write_text(path.read_text()[:-1] + ', "diverged": "no"}')
    with pytest.raises(DamagedFileError, match="must hold JSON; 'diverged' is there twice"):
        Record.read(path)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("change", [at("class_names", value=["a", "a", "b"]), at("data", value={})])
def test_a_record_that_contradicts_itself_is_set_aside_and_its_run_goes_on(tiny_run, tmp_path, change):
    record = train(tiny_run, tmp_path, QUIET)
    path = tmp_path / "record.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.warns(
        UserWarning, match=r"must hold the record of a run; .* Set aside as record.json.broken-1; the run"
    ):
        assert numbers(train(tiny_run, tmp_path, QUIET)) == numbers(record)
    assert json.loads((tmp_path / "record.json.broken-1").read_text()) == values


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_is_no_record_is_refused_and_named(tmp_path, change):
    path = written(tmp_path, change)
    with pytest.raises(DamagedFileError) as refused:
        Record.read(path)
    told = str(refused.value)
    assert told.startswith(f"Record: {path} ")
    assert "\n" not in told
    with pytest.raises(ValueError, match=r"record\.json"):
        read_records(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": NaN}', "NaN is no number of JSON"),
        ('{"schema": 1, "run_id": "a", "seconds": Infinity}', "Infinity is no number"),
        ("[" * 100_000, "it is nested too deeply|it ends too early"),
        ("1" * 5000, r"must hold JSON; 111111111111\.\.\. of 5,000 signs is no number that 64 bits hold"),
        ("-9223372036854775809", "must hold JSON; -9223372036854775809 is no number that 64 bits hold"),
        ('{"a": 1, "a": 1}', "'a' is there twice"),
        ('{"a": 1]', "what stands in line 1, column 8 is none"),
        ("{}\n{}", "what stands in line 2, column 1 is none"),
        ("a page", "what stands in line 1, column 1 is none"),
        ('["a\nb"]', "what stands in line 1, column 4 is none"),
        ('{"schema": true}', "has schema True"),
        ('{"schema": "1"}', "has schema 1"),
        ("\ufeff\ufeff{}", "what stands in line 1, column 1 is none"),
        ("\ufeff{}", "must hold a record with a schema number"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_no_json_is_refused_and_named(tmp_path, text, message):
    (tmp_path / "record.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as refused:
        Record.read(tmp_path / "record.json")
    assert str(tmp_path / "record.json") in str(refused.value)
    assert text.startswith("[[") or "cut off" not in str(refused.value)
    assert not any(word in str(refused.value) for word in ("char ", "BOM", "set_int", "Expecting", "codec"))


def test_a_text_that_ends_anywhere_was_perhaps_cut_off(tmp_path):
    values = {"a": [True, False, None, -1, 2.5, 1e-7, 1e30], "\xe9\n": {"\\": "\U0001f600", "b": []}}
    text = json.dumps(values)
    path = tmp_path / "record.json"
    for end in range(len(text)):
        path.write_text(text[:end])
        with pytest.raises(DamagedFileError, match=r"must hold JSON; it ends too early\. Was it cut off\?"):
            Record.read(path)
    path.write_text(text)
    assert read_json(path) == values


def test_a_byte_order_mark_before_a_record_is_passed_over(tmp_path):
    path = written(tmp_path, lambda values: None)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert Record.read(path) == make_record("sigma2r@0.01")


@pytest.mark.parametrize("name", ["\ud800", "cat\udcff"])
def test_a_class_name_that_no_folder_may_have_is_refused(tmp_path, name):
    names = json.loads(json.dumps(make_record("sigma2r@0.01").as_dict()))["class_names"]
    with pytest.raises(DamagedFileError, match="class_names must be a list of texts in UTF-8, at least one; got"):
        Record.read(written(tmp_path, at("class_names", value=[name, *names[1:]])))

    def gone(values):
        values.update(diverged="in epoch 2", final={}, history=[], counts={}, plane=None, class_names=[name])

    with pytest.raises(DamagedFileError, match=r"class_names\[0\] must be a text in UTF-8; got"):
        Record.read(written(tmp_path, gone))


def test_bytes_that_are_no_text_are_refused_and_named(tmp_path):
    (tmp_path / "record.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DamagedFileError, match=r"record.json must hold JSON; it is no text in UTF-8\. Move"):
        Record.read(tmp_path / "record.json")


def test_a_good_record_is_read_whole_and_one_that_diverged_too(tmp_path):
    path = written(tmp_path, lambda values: None)
    assert Record.read(path) == make_record("sigma2r@0.01")
    gone = written(tmp_path, lambda v: v.update(diverged="in epoch 2", final={}, history=[], counts={}, plane=None))
    assert Record.read(gone).diverged == "in epoch 2"


def test_a_report_of_a_damaged_record_is_one_sentence(tmp_path, capsys):
    written(tmp_path, at("final", value=None))
    code, _, err = call(capsys, "report", tmp_path, "--out", tmp_path / "page")
    assert code == 1
    assert err.count("\n") == 1
    assert "record.json must hold the record of a run; final must be a mapping; got null." in err
    assert not (tmp_path / "page").exists()


def test_every_record_that_training_leaves_is_one(tiny_run, tmp_path):
    record = train(tiny_run, tmp_path, QUIET)
    assert Record.read(tmp_path / "record.json").as_dict() == record.as_dict()
    assert record.device["instructions"]
    assert set(record.data) == {"train", "test"}


def test_figures_have_seven_digits_and_no_nan():
    values = {"a": [1.23456789, float("nan")], "b": (3, {"c": 0.1 + 0.2})}
    assert plain(values) == {"a": [1.234568, None], "b": [3, {"c": 0.3}]}


def test_records_stand_with_the_baseline_first_and_then_by_loss_weight_and_seed(tmp_path):
    wanted = [make_record("cross-entropy", 1), make_record("center@0.1"), make_record("center@0.1", 2),
              make_record("center@0.4"), make_record("sigma2r@0.01")]  # fmt: skip
    for record in wanted[::-1]:
        record.write(tmp_path / f"{record.run_id}.json")
    assert [record.run for record in read_records(tmp_path)] == [record.run for record in wanted]


@pytest.mark.parametrize("schema", [2, 0, "1", True, 1.0])
def test_a_record_of_another_schema_is_refused(tmp_path, schema):
    with pytest.raises(ValueError, match="this version reads schema 1"):
        Record.read(written(tmp_path, at("schema", value=schema)))


def test_a_file_in_the_place_of_a_folder_of_records_is_told(tmp_path):
    make_record("center@0.1").write(tmp_path / "record.json")
    with pytest.raises(ValueError, match=r"record\.json must be a folder; it is a file"):
        read_records(tmp_path / "record.json")
    with pytest.raises(ValueError, match="there is none"):
        read_records(tmp_path / "nowhere")
