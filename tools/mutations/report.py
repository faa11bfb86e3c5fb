"""Mutations of the report."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "report/paired.py",
        ("no correction for many comparisons", "alpha = (1 - LEVEL) / num_comparisons", "alpha = 1 - LEVEL"),
        ("one-sided intervals", "half_width = t_quantile(1 - alpha / 2,", "half_width = t_quantile(1 - alpha,"),
        ("the deviation instead of the error", "* spread / math.sqrt(len(values))", "* spread"),
        ("one degree of freedom more", "t_quantile(1 - alpha / 2, len(values) - 1)", "t_quantile(1 - alpha / 2, len(values))"),
        ("few seeds decide", "if self.n < FEWEST:", "if self.n < 2:"),
        ("power without the root", "abs(mean) / spread * math.sqrt(n)", "abs(mean) / spread * n"),
    ),
    *of(
        "report/verdicts.py",
        ("higher is lower", '(found.verdict == "higher") == self.higher', '(found.verdict == "higher") != self.higher'),
        ("undecided agrees", 'return "undecided"\n        return "agrees"', 'return "agrees"\n        return "agrees"'),
        ("the best of a part speaks", "min(look.stands(found)", "max(look.stands(found)"),
        ("the fair comparison does not count", "return _fair_verdict(fair)", "return _fair_verdict([])"),
    ),
    *of(
        "report/tables.py",
        ("accuracy of training images", 'Column("accuracy", ("test", "accuracy"), 4)', 'Column("accuracy", ("train", "accuracy"), 4)'),
        ("intra/inter of training images", '("test", "intra_inter")', '("train", "intra_inter")'),
        ("the tail read as its maximum", '("test", "tail_99")', '("test", "tail_max")'),
        ("the spread of test images for that of training", '("train", "intra_mean")', '("test", "intra_mean")'),
        ("intervals of a deviation", "stdev(values) / math.sqrt(n)", "stdev(values)"),
        ("runs that diverged stand in tables", "[record for record in records if record.diverged is None]", "list(records)"),
    ),
    *of(
        "report/paired.py",
        ("pairs by first weights alone", "(r.run.init_seed, r.run.data_seed): r for r in group", "r.run.init_seed: r for r in group"),
        ("the baseline less the loss", "values = [a - b for a, b in pairs", "values = [b - a for a, b in pairs"),
        ("seeds that only one has", "by_seed[name].keys() & by_seed[baseline].keys()", "by_seed[name].keys()"),
    ),
    *of(
        "report/verdicts.py",
        ("pairs by first weights alone", "{(r.run.init_seed, r.run.data_seed): value for r in records", "{(r.run.init_seed,): value for r in records"),
        ("accuracy of training images", 'ACCURACY = Column("accuracy", ("test", "accuracy"), 4)', 'ACCURACY = Column("accuracy", ("train", "accuracy"), 4)'),
        ("intra/inter of training images", '("test", "intra_inter")', '("train", "intra_inter")'),
        ("intra/inter of test images for training", '("train", "intra_inter")', '("test", "intra_inter")'),
        ("the tail read as its maximum", '("test", "tail_99")', '("test", "tail_max")'),
        ("the tail of training images as its maximum", '("train", "tail_99")', '("train", "tail_max")'),
    ),
    *of(
        "report/study.py",
        ("runs that diverged stand in tables", "[record for record in known if record.diverged is None]", "known"),
        ("nothing is missing", "missing = len(part.runs) - len(table.records) - len(diverged)", "missing = 0"),
        ("statistics of training images", 'if column.path[0] == "test")', 'if column.path[0] == "train")'),
        ("the first loss is always the baseline", "part.baseline if part.baseline in loss_groups(table.records) else None", "None"),
        ("extras of any kind", "if not isinstance(extra, (Grid, Picture)):", "if extra is None:"),
    ),
    *of(
        "report/folder.py",
        ("records of the first study alone", "done |= _records_of(path.parent)", "done = done or _records_of(path.parent)"),
        ("studies that nobody named are not told", "            _say_unknown(path.parent)\n", ""),
        ("a study is records as they come", "if study is not None:\n            return study_document(", "if False:\n            return study_document("),
        ("a study file is a record", "if path.name != STUDY_FILE)\n    return {", "if path.name)\n    return {"),
    ),
    *of(
        "report/page.py",
        ("runs that diverged are not told", "paragraphs = [told, *diverged_told(diverged)]", "paragraphs = [told]"),
        ("training images alone by class", 'for split in ("train", "test")),\n        ),', 'for split in ("train",)),\n        ),'),
    ),
    *of(
        "report/grid.py",
        ("a bar ends a cell", '.replace("|", "\\\\|")', ""),
        ("formulas for a spreadsheet", "return \"'\" + cell", "return cell"),
        ("LaTeX reads what a user wrote", "_LATEX.get(letter, letter)", "letter"),
        ("the name of a row is a number", "i > 0 and 2 * sum(", "2 * sum("),
    ),
    *of(
        "report/document.py",
        ("names that overwrite one another", "if twice:", "if False:"),
        ("markup of a user", "autoescape=True", "autoescape=False"),
        ("no caption of tables as files", '("md", grid.markdown()), ', ""),
    ),
    *of(
        "report/figures.py",
    ),
    *of(
        "report/terminal.py",
        ("no heading", "for i, heading in enumerate(headings):", "for i, heading in enumerate([\"\"] * len(headings)):"),
    ),
    *of(
        "report/again.py",
        ("seeds that are not there", "if n not in by_seed) if _can_be_compared", "if n in by_seed) if _can_be_compared"),
        ("the same folder for several", "out = AGAIN if len(together) + len(alone) > 1 else None", "out = None"),
        ("layers are forgotten", "return _can_be_typed(run) and not run.layers and", "return _can_be_typed(run) and"),
        ("the first seed for all", 'seed = ["--init_seed", str(run.init_seed)] if run.init_seed else []', "seed = []"),
    ),
    *of(
        "report/by_class.py",
        ("many classes in lines", "(_draw_bands if many else _draw_lines)(", "(_draw_lines)("),
        ("classes by their name", "ranked = by_spread(table, _SPLITS) if len(names) > MANY else", "ranked ="),
        ("the least compact left out", "shown = [*ranked[:_ENDS], *ranked[-_ENDS:]] if between", "shown = ranked[:_ENDS] if between"),
    ),
    *of(
        "report/figures.py",
        ("growth of losses that have none", 'if "growth" in wanted and grown(table):', 'if "growth" in wanted:'),
        ("every figure, whatever is wanted", 'if "learning" in wanted and any(', "if any("),
        ("epochs that one seed measured", "set.intersection(*(set(curve)", "set.union(*(set(curve)"),
    ),
    *of(
        "report/groups.py",
        ("other counts are pooled", "return record.class_names, tuple(sorted(counted)), tuple(sorted(prints))", "return record.class_names, (), tuple(sorted(prints))"),
        ("other classes are pooled", "return record.class_names, tuple(sorted(counted)), tuple(sorted(prints))", "return (), tuple(sorted(counted)), tuple(sorted(prints))"),
        ("other images of the same number are pooled", "return record.class_names, tuple(sorted(counted)), tuple(sorted(prints))", "return record.class_names, tuple(sorted(counted)), ()"),
    ),
    *of(
        "report/owned.py",
        ("foreign files are overwritten", "    if foreign:\n", "    if False:\n"),
        ("older tables stay", "        _remove(folder, {name: hashes for name, hashes in old.items() if name not in new})\n", ""),
        ("changed files are removed", "kept = [name for name in there if not _is_ours(folder, name, old[name])]", "kept: list[str] = []"),
    ),
    *of(
        "report/picture.py",
        ("dated", '"svg": {"Date": None, "Creator": None}', '"svg": {"Creator": None}'),
        ("formulas in names", 'text.replace("$", r"\\$")', "text"),
        ("a legend beyond the figure", "ncols=max(1, min(len(labels), int(room)))", "ncols=len(labels)"),
    ),
    *of(
        "report/plane.py",
        ("features of networks that have no plane", "if group[0].plane]", "]"),
        ("all points of many classes", "limit = _RECORDED if len(names) <= _NAMED else _POINTS // len(looks)", "limit = _RECORDED"),
        ("all classes of many", "if len(names) > _DRAWN else list(drawn)", "if False else list(drawn)"),
    ),
    *of(
        "report/terminal.py",
        ("no differences", "    if found:\n        _print(", "    if not found:\n        _print("),
        ("rows are left out", "        grid.add_row(*map(shown, row))\n", "        pass\n"),
        ("no caption", '    console.print(shown(caption), style="dim", highlight=False)', "    pass"),
    ),
    *of(
        "report/page.py",
        ("those that diverged are not told", "paragraphs = [told, *diverged_told(diverged)]", "paragraphs = [told]"),
    ),
]  # fmt: skip
