"""The page of an evaluation and the table of several, from values made by hand."""

import json

import pytest
import torch
from sklearn.metrics import confusion_matrix

from sigma2r.evaluation import evaluate_features
from sigma2r.report.confusion import MOST_DRAWN, confusion_grid, confusion_picture
from sigma2r.report.document import render
from sigma2r.report.evaluated import evaluation_grids
from sigma2r.report.evaluation import evaluation_document, short_rows, write_evaluation
from sigma2r.report.page import records_document
from sigma2r.report.tables import make_table
from sigma2r.studies.record import plain
from sigma2r.trained.evaluation_file import evaluations_below, is_of, read_evaluation, whose
from tests.report.conftest import make_record


def values_of(num_classes=3, **changes):
    """What an evaluation of features on a circle writes, with unknown images."""
    labels = torch.arange(12 * num_classes) % num_classes
    generator = torch.Generator().manual_seed(0)
    angle = 2 * torch.pi * labels / num_classes
    features = torch.stack([angle.cos(), angle.sin()], 1) + 0.4 * torch.randn(len(labels), 2, generator=generator)
    centers = torch.stack(
        [torch.tensor([a.cos(), a.sin()]) for a in 2 * torch.pi * torch.arange(num_classes) / num_classes]
    )
    ood = {"noise": {"energy": (torch.arange(9.0), torch.arange(4.0) - 2)}}
    found = evaluate_features(features, labels, logits=4 * features @ centers.T, ood=ood, resamples=20, ks=(1,))
    return {
        "schema": 1, "kind": "evaluation", "run_id": "0123456789abcdef", "epoch": 2, "finished": "2026-01-01",
        "loss": "center@0.1", "dataset": "shapes", "model": "lenet", "asked": {"data": None}, "source": "shapes, test",
        "notes": ["A note."], "problems": [], "training": None, "versions": {},
        "scores": {"fitted": {"energy": "Of logits; nothing is fitted."}, "left_out": {"mahalanobis": "No training."}},
        "evaluation": plain(found.as_dict()), **changes,
    }  # fmt: skip


def test_the_page_has_every_figure_with_its_definition_and_why_others_are_left_out():
    values = values_of()
    document = evaluation_document(values)
    text = render(document)
    for section in values["evaluation"]["sections"].values():
        for name, figure in section["figures"].items():
            assert f"<dt>{name}</dt>" in text
            assert f"{figure['value']:.4g}" in text
        for name in section["left_out"]:
            assert name in text
    assert "Left out: mahalanobis. No training." in text
    assert "Unknown images: noise" in text
    assert "A note." in text
    assert render(evaluation_document(json.loads(json.dumps(values)))) == text  # from the file alone, the same bytes
    assert (
        "accuracy",
        f"{values['evaluation']['sections']['classification']['figures']['accuracy']['value']:.4g}",
    ) in [row[:2] for row in short_rows(values)]


def test_training_images_have_a_column_and_unread_ones_a_sentence():
    values = values_of(problems=["a.png is no image."])
    values["training"] = values_of()["evaluation"]
    text = render(evaluation_document(values))
    assert text.count(">training<") >= 2
    assert "1 image could not be read and is left out, as of the first: a.png is no image." in text


def counts_of(labels, predictions, num_classes):
    matrix = torch.from_numpy(confusion_matrix(labels, predictions, labels=range(num_classes)))
    rows, columns = matrix.nonzero(as_tuple=True)
    return {"labels": rows.tolist(), "predictions": columns.tolist(), "count": matrix[rows, columns].tolist()}


def test_classes_that_are_mixed_up_stand_in_order_of_their_errors():
    counts = counts_of([0, 0, 0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 1, 0, 2, 2], 3)
    grid = confusion_grid(counts, ("ant", "bee", "cow"))
    assert grid.rows == (
        ("ant", "bee", "2", "50.0 %"),
        ("ant", "cow", "1", "25.0 %"),
        ("bee", "ant", "1", "50.0 %"),
    )
    assert grid.caption == "4 of 8 images are taken for another class."


def test_of_very_many_classes_those_with_most_errors_are_drawn():
    number = MOST_DRAWN + 40
    labels = list(range(number))
    few = counts_of(labels, labels, MOST_DRAWN)
    assert "of each class" in confusion_picture(few, [f"c{k}" for k in range(MOST_DRAWN)]).caption
    wrong = [(k + 1) % number if k >= number - 5 else k for k in labels]
    drawn = confusion_picture(counts_of(labels, wrong, number), [f"c{k}" for k in labels])
    assert "the 30 classes with most errors of 100" in drawn.caption


def test_names_of_classes_cannot_break_the_page():
    values = values_of()
    values["evaluation"]["per_class"]["names"] = ["<script>alert(1)</script>", "$x$", "=1+1"]
    text = render(evaluation_document(values))
    assert "<script>alert" not in text


def test_a_file_that_no_evaluation_wrote_is_in_the_way(tmp_path):
    (tmp_path / "evaluation.json").write_text("mine")
    with pytest.raises(ValueError, match=r"is never overwritten; .*evaluation\.json is such a file"):
        write_evaluation(values_of(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.json"]
    (tmp_path / "evaluation.json").unlink()
    (tmp_path / "report.html").write_text("a report")  # of another kind, which is left alone
    assert write_evaluation(values_of(), tmp_path) == tmp_path / "evaluation.html"
    assert (tmp_path / "report.html").read_text() == "a report"


def of_run(record, scale, **changes):
    values = values_of(**{**whose(record, record.run.epochs), **changes})
    values["evaluation"]["sections"]["retrieval"]["figures"]["recall@1"]["value"] = scale
    return values


def test_losses_are_compared_over_seeds_and_other_images_left_out():
    records = [make_record("cross-entropy", seed) for seed in (0, 1)] + [
        make_record("center@0.1", seed) for seed in (0, 1)
    ]
    evaluations = {record.run_id: of_run(record, 0.5 + 0.1 * k) for k, record in enumerate(records)}
    table = make_table(records)
    first, second = evaluation_grids(table, evaluations)
    place = first.headings.index("recall@1")
    assert [row[:2] for row in first.rows] == [("cross-entropy", "2"), ("center@0.1", "2")]
    assert [row[place].split(" ±")[0] for row in first.rows] == ["0.550", "0.750"]
    assert second.title == "Unknown images: noise"
    evaluations[records[3].run_id]["asked"] = {"data": "others"}
    first, _ = evaluation_grids(table, evaluations)
    assert [row[1] for row in first.rows] == ["2", "1"]
    assert "1 of 4 runs have no evaluation of these images and are left out." in first.caption
    assert list(evaluation_grids(table, {})) == []
    assert "MAP@R" in render(records_document(records, evaluations))
    assert "MAP@R" not in render(records_document(records))


def test_an_evaluation_is_known_by_its_run_epoch_and_time(tmp_path):
    record = make_record("center@0.1")
    values = of_run(record, 0.5)
    assert is_of(values, record, {"data": None})
    assert not is_of(values, record, {"data": "others"})
    for key in ("run_id", "epoch", "finished"):
        assert not is_of({**values, key: "other"}, record)
    write_evaluation(values, tmp_path / "run")
    assert evaluations_below(tmp_path, {record.run_id: record}) == {record.run_id: values}
    assert evaluations_below(tmp_path, {}) == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2, "kind": "evaluation", "evaluation": {}}', "\x00"])
def test_a_file_that_holds_something_else_is_no_evaluation(tmp_path, text):
    (tmp_path / "evaluation.json").write_text(text)
    assert read_evaluation(tmp_path) is None
    assert read_evaluation(tmp_path / "nowhere") is None
