"""Tables, figures and the page, from records whose numbers are known."""

import base64
import dataclasses
import math
import re
import shlex
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from sigma2r.report import markdown_table, write_report
from sigma2r.report.figures import make_figures
from sigma2r.report.page import command
from sigma2r.report.picture import legend
from sigma2r.report.tables import class_rows, make_table, make_tables
from sigma2r.studies.record import read_records
from sigma2r.studies.run import Run
from tests.report.conftest import make_record

ATTACK = "<script>alert(1)</script>"


def test_a_table_has_a_row_for_each_loss_with_mean_and_interval_over_seeds(records):
    (table,) = make_tables(records)
    rows = {row.loss: row for row in table.rows}
    assert list(rows) == ["cross-entropy", "center@0.4", "sigma2r@0.01"]
    assert [row.n for row in table.rows] == [1, 3, 1]
    accuracy = rows["center@0.4"].summaries[0]
    # Student's t for 97.5 % and 2 degrees of freedom is 4.3027; the deviation of .90, .91, .92 is .01.
    assert accuracy.mean == pytest.approx(0.91)
    assert accuracy.half_width == pytest.approx(4.30265 * 0.01 / math.sqrt(3), rel=1e-5)
    assert rows["center@0.4"].cells()[2] == "0.9100 ± 0.0248"
    assert rows["sigma2r@0.01"].cells()[2:] == ["0.9200", "1.000", "1.000", "0.100", "0.200", "0.500", "12"]


def test_the_caption_says_what_the_runs_have_in_common(records):
    (table,) = make_tables(records)
    for told in (
        "9,000 training, 1,500 test images",
        "2 epochs",
        "batches of 256",
        "n = 1 to 3 seeds",
        "95 % t interval",
        "last epoch's",
        "augmentation: none",
    ):
        assert told in table.caption
    (single,) = make_tables(records[:1])
    assert "n = 1 seed a loss." in single.caption
    assert "interval" not in single.caption


def test_runs_of_other_settings_get_tables_of_their_own(records):
    tables = make_tables([*records, make_record("center@0.4", epochs=5), make_record("center@0.4", feature_dim=3)])
    assert sorted(len(table.records) for table in tables) == [1, 1, 5]


def test_a_class_of_one_image_is_a_dash(records):
    (table,) = make_tables([make_record("center@0.1", single=True)])
    assert class_rows(table, "test") == [["red", "1.000"], ["green", "2.000"], ["blue", "–"]]


def test_markdown_holds_the_table_and_its_caption(records):
    lines = markdown_table(records).splitlines()
    assert lines[0].startswith("| loss | n | accuracy |")
    assert lines[4] == "| sigma2r@0.01 | 1 | 0.9200 | 1.000 | 1.000 | 0.100 | 0.200 | 0.500 | 12 |"
    assert lines[-1].startswith("fuzzy-rgb (9,000 training")


def names(records):
    (table,) = make_tables(records)
    return [picture.name for picture in make_figures(table)]


def test_figures_appear_where_records_have_something_for_them(records):
    assert names(records) == ["features", "growth", "learning", "classes"]
    assert names([make_record("center@0.4", feature_dim=84)]) == ["learning", "classes"]
    assert names([make_record("sigma2r@0.4", feature_dim=84, single=True)]) == ["growth", "learning", "classes"]


def test_the_same_records_give_the_same_bytes_and_others_do_not(records, tmp_path):
    def built(some, name):
        write_report(some, tmp_path / name)
        return {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}

    first = built(records, "a")
    assert len(first) == 2 + 4 * 3 + 3 * 3  # page and list, figures, tables
    assert built(records, "b") == first
    assert built([*records[:-1], make_record("sigma2r@0.01", scale=0.6)], "c") != first


class Page(HTMLParser):
    """What a browser would see: tags, text of cells, images."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.images, self.links = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        if tag == "img":
            self.images.append(values)
        self.links += [v for k, v in attrs if k in ("href", "src") and not v.startswith("data:")]

    def handle_data(self, data):
        if self.tags and self.tags[-1] in ("td", "th", "button"):
            self.cells.append(data.strip())


def test_the_page_holds_everything_and_asks_for_nothing(records, tmp_path):
    text = write_report(records, tmp_path).read_text()
    page = Page(text)
    assert all(link.startswith("#") for link in page.links)
    assert "http:" not in (rest := re.sub(r"base64,[^\"]+", "", text))
    assert "https:" not in rest
    assert page.tags.count("img") == 4 + 1  # and one that shows them enlarged
    for image in page.images[:4]:
        assert len(image["alt"]) > 40
        assert base64.b64decode(image["src"].removeprefix("data:image/svg+xml;base64,")).lstrip().startswith(b"<?xml")
    for cell in ("0.9100 ± 0.0248", "sigma2r@0.01", "blue"):
        assert cell in page.cells
    assert page.tags.count("h1") == 1
    assert page.tags.count("caption") == page.tags.count("table") == 3
    assert "prefers-color-scheme: dark" in text


def test_a_class_named_like_a_script_stays_text(tmp_path):
    record = make_record("sigma2r@0.01", names=(ATTACK, "$x_1$", "a|b"))
    text = write_report([record], tmp_path).read_text()
    assert Page(text).tags.count("script") == 1  # our own
    assert "&lt;script&gt;" in text
    for path in (tmp_path / "figures").glob("*.svg"):
        assert b"<script" not in path.read_bytes()


BASE = {"feature_dim": 2, "epochs": 2, "warmup_epochs": 2}


def test_the_command_of_the_page_is_the_one_that_trains_these_runs(records):
    (table,) = make_tables([record for record in records if record.run.init_seed == 0])
    assert command(table) == (
        "sigma2r compare --dataset fuzzy-rgb --model lenet --losses cross-entropy center@0.4 sigma2r@0.01 --seeds 1 "
        "--feature_dim 2 --epochs 2"
    )
    (uneven,) = make_tables(records)  # one seed of two losses, three of the other
    assert [line.partition(" --feature_dim")[0] for line in command(uneven).splitlines()] == [
        "sigma2r compare --dataset fuzzy-rgb --model lenet --losses cross-entropy sigma2r@0.01 --seeds 1",
        "sigma2r compare --dataset fuzzy-rgb --model lenet --losses center@0.4 --seeds 3",
    ]


def test_losses_with_options_and_a_weight_that_warms_up_share_a_table_with_cross_entropy_and_a_command(records):
    runs = [records[0].run, Run(**{**BASE, "loss": "git@0.1[push_weight=0.5]"}), Run(**{**BASE, "loss": "center@0.4"})]
    many = [dataclasses.replace(records[0], run=run) for run in runs]
    (table,) = make_tables(many)
    assert [row.loss for row in table.rows] == [
        "cross-entropy", "git@0.1[push_weight=0.5,warmup_epochs=2]", "center@0.4[warmup_epochs=2]",
    ]  # fmt: skip
    words = shlex.split(command(table))
    assert words[7:10] == ["cross-entropy", "git@0.1[push_weight=0.5]", "center@0.4"]
    assert words[-2:] == ["--warmup_epochs", "2"]


def test_records_read_from_a_folder_put_the_baseline_first(records, tmp_path):
    for record in reversed(records):
        record.write(tmp_path / f"{record.run_id}.json")
    assert [r.run.loss_name for r in read_records(tmp_path)] == [r.run.loss_name for r in records]


@pytest.mark.message
def test_no_record_is_refused():
    with pytest.raises(ValueError, match="report: there must be at least one record"):
        make_tables([])


def test_a_record_of_before_the_tail_was_measured_shows_a_dash(records):
    (old, *_) = records
    for figures in old.final.values():
        del figures["tail_99"], figures["tail_max"]
    (table,) = make_tables([old])
    assert table.rows[0].cells()[2:] == ["0.9500", "100.000", "100.000", "10.000", "–", "–", "12"]


def test_runs_that_diverged_stand_in_no_table(records):
    gone = dataclasses.replace(records[0], final={}, history=(), diverged="in epoch 2")
    assert [row.loss for row in make_tables([gone, *records[1:]])[0].rows] == ["center@0.4", "sigma2r@0.01"]
    with pytest.raises(ValueError, match="all 1 diverged: in epoch 2"):
        make_tables([gone])


def test_one_table_of_runs_that_differ_in_more_names_the_difference(records):
    other = [dataclasses.replace(r, run=dataclasses.replace(r.run, batch_size=64)) for r in records[:1]]
    table = make_table([*records[:1], *other])
    assert [row.loss for row in table.rows] == ["cross-entropy, batch size 256", "cross-entropy, batch size 64"]


def test_a_legend_of_long_names_stays_within_the_figure():
    names = ["center@0.01", *(f"sigma2r@0.01[spread=std,neighbors={n}]" for n in range(6))]
    figure = Figure(figsize=(8.4, 4), layout="constrained")
    ax = figure.subplots()
    for name in names:
        ax.plot([0, 1], label=name)
    legend(figure, ax)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert 0 <= box.y0 < box.y1 <= figure.bbox.height


def test_a_name_that_is_no_formula_can_be_drawn():
    (table,) = make_tables([make_record("sigma2r@0.01", names=("$\\nosuch$", "b", "c"))])
    assert len(list(make_figures(table))) == 4
