"""Every generated table is rebuilt from records by other code, and whatever differs is found."""

import ast
import copy
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sigma2r.paper.page import page_family
from sigma2r.paper.studies import STUDIES
from tests.tools.invented import as_in_a_file, computed_once, finished_studies
from tools import readme_table, recompute
from tools.recompute.__main__ import main
from tools.recompute.cells import Number, agreement
from tools.recompute.check import Tally, checked
from tools.recompute.evidence import Evidence
from tools.recompute.records import Shelf
from tools.recompute.sums import seeds_to_decide

KINDS = {
    "results", "differences", "gains", "ratios", "trials", "statistics", "classes", "captions", "text", "sections",
    "searches", "verdicts, verdict", "verdicts, by reading", "verdicts, ours", "verdicts, reason", "verdicts, settings",
    "verdicts, published", "verdicts, claim", "verdicts, section",
}  # fmt: skip


@dataclass
class World:
    """Records as files hold them, their studies, and the page that the package makes of them."""

    raw: list[dict]
    scales: dict[str, str]
    page: str
    evidence: Evidence

    def place(self, asks: str) -> str:
        (found,) = re.findall(rf"<!-- results/{asks} -->.*?<!-- end -->", self.page, flags=re.DOTALL)
        return found

    def looked_at(self, raw: list[dict], *asks: str) -> Tally:
        """Some places of the page against other records."""
        places = "\n".join(map(self.place, asks))
        return checked({"docs/part.md": places}, Evidence(Shelf(raw, self.scales)))


def page_of(done, scales, studies, places) -> str:
    """The package's own page, with the tables that are too long for the documents as well."""
    with pytest.MonkeyPatch.context() as patch:
        family = page_family(done, scales, studies)
        patch.setattr(readme_table, "STUDIES", studies)
        patch.setattr(readme_table, "_read", lambda: (done, scales, family))
        patch.setattr(readme_table, "_LONG", ())
        return readme_table.filled_in("\n".join(f"<!-- results/{asks} -->\n<!-- end -->\n" for asks in places))


@pytest.fixture(scope="module")
def world() -> World:
    with pytest.MonkeyPatch.context() as patch:
        computed_once(patch)
        done, studies = finished_studies()
        scales = dict.fromkeys(studies, "desk")
        raw = [as_in_a_file(record, run_id) for run_id, record in done.items()]
        evidence = Evidence(Shelf(raw, scales))
        (strong,) = (loss for loss in evidence.rows("table-1", "equal-strength") if loss.startswith("center"))
        some = f"table-1 cross-entropy center@0.01 {strong} sigma2r@0.01"
        page = page_of(done, scales, studies, ["verdicts claim section verdict", "verdicts", some, *studies])
    return World(raw, scales, page, evidence)


def test_what_the_package_shows_of_every_study_is_rebuilt_without_a_difference(world):
    tally = checked({"docs/results.md": world.page}, world.evidence)
    assert (tally.told, tally.overlooked) == ([], [])
    assert set(tally.compared) == KINDS
    assert tally.compared.total() > 8000
    words = set(re.findall(r"holds at equal weight only|chosen; at the limit of the search|not seen|> 10,000|diverged",
                           world.page))  # fmt: skip
    assert len(words) == 5  # the invented figures lead to verdicts of many kinds
    assert "not run yet" not in world.place("verdicts").partition("Paired by seed")[0]


CHANGES = {
    "a digit of a mean": ("table-3", r"(\| sigma2r@0.01 \| 10 \| 0\.\d\d\d)(\d)", "results"),
    "an interval of a mean": ("table-4", r"(\| cross-entropy \| 10 \| \S+ ± 0\.\d\d\d)(\d)", "results"),
    "a digit of a statistic": ("sensitivity", r"(\| I, test \| 10 \| \d+\.\d\d)(\d)", "statistics"),
    "the spread of a class": ("table-1", r"(\| class 3 \| \d+\.\d\d)(\d)", "classes"),
    "a printed number": ("table-2", r"(\| 0\.1016 \| 0.412)(7)", "gains"),
    "a gain of ours": ("table-2", r"(\| class 4 \| .*?\.\d)(\d)(?= \| 0\.0991)", "gains"),
    "a ratio": ("table-1", r"(\| sigma2r@0.01\[spread=rms\], test \| \d\.\d\d to \d\.\d)(\d)", "ratios"),
    "seeds of a row": ("figure-5", r"(\| sigma2r@0.01 \| 1)(0)", "results"),
    "a mean difference": ("table-3", r"(\| I, test \| 10 \| [+-]\d+\.\d\d)(\d)", "differences"),
    "an end of an interval": ("table-1", r"(\| 10 \| \S+ \| \S+ to \S+)(\d)(?= \|)", "differences"),
    "in how many seeds": ("figure-4", r"( to \S+ \| )(\d+)(?= of 10)", "differences"),
    "seeds to decide": ("sensitivity", r"(\| undecided \| )(\d)(?=\d* \|)", "differences"),
    "how many hold at once": ("figure-4", r"(hold all )(\d)", "captions"),
    "images of a caption": ("table-4", r"(cifar100 \(5)(4)", "captions"),
    "a measured strength": ("table-2", r"(pulls as a center loss of )(\d)", "text"),
    "a mean gate": ("table-2", r"(gates of the last epoch are \d\d\.\d)(\d)", "text"),
    "a figure beside a claim": ("verdicts", r"(less center@0.01, tail 99 %: [+-]\d\.\d\d)(\d)", "verdicts, ours"),
    "growth": ("verdicts", r"(from 0 at the start to -\d\.\d)(\d)", "verdicts, ours"),
    "seeds that would decide": ("verdicts", r"(seeds that would decide: )(\d)", "verdicts, reason"),
    "what the paper has": ("verdicts", r"(91\.503 against 91\.3)(4)", "verdicts, published"),
    "epochs of settings": ("verdicts", r"(LeNet, )(1)(?=0 epochs)", "verdicts, settings"),
}  # fmt: skip


def another_digit(match: re.Match) -> str:
    return match[1] + str((int(match[2]) + 1) % 10)


@pytest.mark.parametrize(("asks", "pattern", "kind"), CHANGES.values(), ids=CHANGES)
def test_a_changed_number_of_the_page_is_found(world, asks, pattern, kind):
    before = world.place(asks)
    after = re.sub(pattern, another_digit, before, count=1)
    assert before != after
    tally = checked({"docs/part.md": after}, world.evidence)
    assert not tally.fine
    assert tally.differ == {kind: 1}


WORDS = {
    "a verdict of a table": ("table-1", " | lower | ", " | higher | ", "differences"),
    "a verdict of a claim": ("verdicts", " | not seen | ", " | holds | ", "verdicts, verdict"),
    "a verdict of a reading": ("verdicts", "std: not seen", "std: holds", "verdicts, by reading"),
    "a verdict at a glance": ("verdicts claim section verdict", "undecided", "holds", "verdicts, verdict"),
    "a mark of a chosen weight": ("table-4", " | chosen |", " |  |", "trials"),
    "a limit that is not told": ("table-1", "chosen; at the limit of the search", "chosen", "trials"),
    "a loss that is compared": (
        "table-3",
        "Differences from center@0.01",
        "Differences from center@0.1",
        "differences",
    ),
    "a run that diverged": ("table-1", "seed 7, diverged", "seed 6, diverged", "text"),
    "a reading that is left out": ("figure-5", "sigma2r@0.01[spread=rms] |", "sigma2r@0.01[spread=other] |", "results"),
}


@pytest.mark.parametrize(("asks", "before", "after", "kind"), WORDS.values(), ids=WORDS)
def test_a_changed_word_of_the_page_is_found(world, asks, before, after, kind):
    assert before in world.place(asks)
    tally = checked({"docs/part.md": world.place(asks).replace(before, after, 1)}, world.evidence)
    assert not tally.fine
    assert tally.differ[kind] >= 1


def test_a_row_that_is_twice_there_or_out_of_order_is_found(world):
    place = world.place("figure-5")
    first, second = re.findall(r"^\| sigma2r@0.01.* \|$", place, flags=re.MULTILINE)[:2]
    for rows in (f"{first}\n{first}\n{second}", f"{second}\n{first}", first):
        changed = place.replace(f"{first}\n{second}", rows, 1)
        assert not checked({"docs/part.md": changed}, world.evidence).fine


def test_a_table_of_an_unknown_kind_is_not_passed_over(world):
    table = "| loss | shape |\n| --- | --- |\n| center@0.01 | round |\n"
    place = world.place("figure-4")
    inside = place.replace("<!-- end -->", f"\n**Shapes**\n\n{table}\nDrawn.\n<!-- end -->")
    tally = checked({"docs/part.md": inside}, world.evidence)
    assert not tally.fine
    assert [each for each in tally.overlooked if "Shapes" in each]
    outside = checked({"docs/results.md": f"{world.page}\n{table}"}, world.evidence)
    assert not outside.fine
    assert "not generated" in outside.overlooked[0]
    unnamed = checked({"docs/part.md": place.replace("**Results**\n", "**Outcomes**\n")}, world.evidence)
    assert [each for each in unnamed.overlooked if "Outcomes" in each]


def test_a_section_that_is_missing_or_too_many_is_found(world):
    place = world.place("figure-4")
    cut = place[: place.rindex("### ")] + "<!-- end -->"
    assert "lacks the section" in checked({"docs/part.md": cut}, world.evidence).told[-1]
    twice = place.replace("<!-- end -->", place[place.rindex("### ") :])
    assert "other paragraphs" in checked({"docs/part.md": twice}, world.evidence).told[-1]
    again = place.replace("<!-- end -->", "\n" + place[place.rindex("### ") :])
    assert "no record tells of" in checked({"docs/part.md": again}, world.evidence).told[-1]
    strange = checked({"docs/part.md": place.replace("results/figure-4", "results/figure-9")}, world.evidence)
    assert "no records of figure-9" in strange.told[-1]
    unshown = checked({"docs/results.md": world.page.replace(place, "")}, world.evidence)
    assert "figure-4 is not shown" in unshown.told[-1]


def changed_record(world, change, **fields) -> list[dict]:
    """The records with one changed: the first whose run has these fields."""
    raw = list(world.raw)
    i = next(i for i, each in enumerate(raw) if fields.items() <= each["run"].items() and each["final"])
    raw[i] = copy.deepcopy(raw[i])
    change(raw[i])
    return raw


def test_a_figure_of_one_record_that_changes_is_found(world):
    def change(record):
        record["final"]["test"]["accuracy"] += 0.01

    raw = changed_record(world, change, dataset="fuzzy-rgb", loss="cross-entropy", model="lenet")
    tally = world.looked_at(raw, "figure-4")
    assert set(tally.differ) == {"results", "differences", "statistics"}
    assert any("cross-entropy, accuracy" in each and "page" in each for each in tally.told)


def test_a_record_that_is_removed_is_found(world):
    run = {"dataset": "fashion-mnist", "epochs": 5, "batch_size": 512}
    gone = next(i for i, each in enumerate(world.raw) if run.items() <= each["run"].items())
    tally = world.looked_at(world.raw[:gone] + world.raw[gone + 1 :], "sensitivity")
    assert {"results", "differences", "text"} <= set(tally.differ)


def test_a_trial_that_does_better_than_the_chosen_weight_is_found(world):
    chosen = world.evidence.parts["table-4"][4].part
    assert chosen.name == "tuning"

    def change(record):
        record["final"]["validation"]["accuracy"] = 1.0

    raw = changed_record(world, change, dataset="cifar100", loss="center", loss_weight=0.01, validation_fraction=0.1)
    assert {"trials", "results", "sections"} & set(world.looked_at(raw, "table-4").differ)


def test_two_records_of_one_run_that_differ_are_found(world):
    twin = changed_record(world, lambda record: record["seconds"].update(total=1.0), dataset="fuzzy-rgb")
    tally = checked({}, Evidence(Shelf([*world.raw, *twin], world.scales)))
    assert tally.differ == {"records": 1}
    with pytest.raises(ValueError, match="fields that are not known here: tempo"):
        Shelf([{**world.raw[0], "run": {**world.raw[0]["run"], "tempo": 1}}], world.scales)


def test_a_tie_in_rounding_alone_may_set_a_digit_apart():
    assert agreement((Number(0.12345, ".4f"),), "0.1235") in ("same", "last digit")
    assert agreement((Number(0.12345, ".4f"),), "0.1234") in ("same", "last digit")
    assert agreement((Number(0.12345 + 1e-9, ".4f"), " ± 1"), "0.1234 ± 1") == "last digit"
    assert agreement((Number(0.12346, ".4f"),), "0.1234") == "differs"
    assert agreement((Number(0.12345, ".4f"),), "0.1236") == "differs"
    assert agreement((Number(-1234.5, "+,.0f"), " steps"), "-1,235 steps") == "last digit"
    assert agreement((Number(-1234.5, "+,.0f"), " steps"), "-1,235 stops") == "differs"


def test_seeds_to_decide_are_those_of_a_power_analysis():
    # Half a standard deviation, at 0.05 on two sides, is found with a chance of 80 % by 33.4 pairs: any table of power.
    assert seeds_to_decide(1.0, 2.0, 0.05) == 34
    assert seeds_to_decide(-1.0, 2.0, 0.05) == 34
    assert seeds_to_decide(1.0, 0.0, 0.05) == seeds_to_decide(9.0, 1.0, 0.05) == 5
    assert seeds_to_decide(0.0, 1.0, 0.05) is seeds_to_decide(0.01, 1.0, 0.05) is None


def test_the_command_rebuilds_a_page_of_runs_that_are_not_finished(world, tmp_path: Path, capsys):
    with pytest.MonkeyPatch.context() as patch:
        computed_once(patch)
        records, _ = finished_studies(["figure-4"])
        done = {run_id: record for run_id, record in records.items() if record.run.init_seed < 4}
        page = page_of(done, {"figure-4": "desk"}, STUDIES, ["verdicts", "figure-4"])
        folder = tmp_path / "results/figure-4"
        folder.mkdir(parents=True)
        for run_id, record in done.items():
            (folder / f"{run_id}.json").write_text(json.dumps(as_in_a_file(record, run_id)))
    (folder / "study.json").write_text(json.dumps({"study": "figure-4", "scale": "desk"}))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/results.md").write_text(page)
    assert "undecided (n &lt; 5)" in page
    assert "runs are not done yet" in page
    assert main(tmp_path) == 0
    told = capsys.readouterr().out
    assert re.search(r"^results +\d+ +0 +0$", told, flags=re.MULTILINE)
    assert "39 runs; 12 of them stand in no table." in told
    next(path for path in folder.glob("*.json") if path.name != "study.json").unlink()
    assert main(tmp_path) == 1
    assert "docs/results.md, line" in capsys.readouterr().out
    (folder / "study.json").write_text(json.dumps({"study": "figure-4", "scale": "paper"}))
    assert main(tmp_path) == main(tmp_path / "docs") == 1
    assert "figure-4 at the scale paper is not known here" in (told := capsys.readouterr().out)
    assert "must hold folders of studies with their records; there is none" in told


def test_the_program_shares_no_code_with_the_package():
    files = list(Path(recompute.__file__).parent.glob("*.py"))
    assert len(files) > 10
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            foreign = [name for name in names if name.partition(".")[0] not in sys.stdlib_module_names]
            assert [name for name in foreign if not name.startswith(("tools.recompute", "scipy"))] == [], path.name
