"""Mutations of the command line."""

from tools.mutations._mutation import of

MUTATIONS = [
    *of(
        "cli/__init__.py",
        ("a wrong call is any error", "return _fail(str(error), 2)", "return _fail(str(error))"),
        ("an error is a success", "def _fail(message: str, code: int = 1) -> int:", "def _fail(message: str, code: int = 0) -> int:"),
        ("the system speaks for itself", "return _fail(in_words(error))", "return _fail(repr(error))"),
        ("dashes are not understood", "[underscored(word) for word in (sys.argv[1:] if arguments is None else arguments)]", "list(sys.argv[1:] if arguments is None else arguments)"),
        ("what to install is said twice", '"" if "pip install" in str(error) else f"', 'f"" if False else f"'),
        ("an image that cannot be read is a success", "return use(words[0], chosen)", "return 0 * use(words[0], chosen)"),
        ("what goes on is said of what does not", "left = _NOTHING if uses else _GOES_ON", "left = _GOES_ON"),
    ),
    *of(
        "cli/parser.py",
        ("the part of a value that is wrong is not named", 'else f"{key[1]}.{ours[1]}"', "else ours[1]"),
        ("how long a list must be", 'kinds = [f"a list of {length[1]}", *kinds]', "pass"),
        ("flags need not be spelled out", '{"allow_abbrev": False, ', '{"allow_abbrev": True, '),
        ("Python's names of types", '"tuple": "a list, [value, ...]",', '"tuple": "tuple",'),
        ("unknown parts are not named", 'if unknown := re.search(r"Unexpected keys', 'if unknown := re.fullmatch(r"Unexpected keys'),
        ("settings that are no text", "except UnicodeDecodeError as error:", "except NotImplementedError as error:"),
        ("which name stands twice", "(twice := stands_twice(given[1]))", "(twice := None)"),
        ("YAML of its own", '"parser_mode": MODE, ', ""),
    ),
    *of(
        "cli/written.py",
        ("numbers as Python reads them", "if numbers and _READ.issuperset(numbers):", "if False:"),
        ("options as YAML reads them", "if kind is Any:", "if False:"),
        ("augmentation as Python reads it", "return _some_of(kind)", "return kind"),
        ("words and numbers as YAML reads them", 'for _kind in ("bool", "int", "float", "timestamp", "value"):', "for _kind in ():"),
        ("the last of two counts", "if twice := next((name for name in names if names.count(name) > 1), None):", "if twice := None:"),
    ),
    *of(
        "cli/verbs.py",
        ("options of the run get lost", "return Run.from_dict({**values, **instead})", "return Run.from_dict({**instead})"),
        ("a page of others is noticed late", "    refuse_foreign(out)\n    page = registry", "    page = registry"),
        ("a table without its report", "page = write_report(records, out)", "page = out"),
        ("where it runs gets lost", "return Where(**{key: value for", "return Where(**{key: value for _ in () for"),
        ("a comparison among its images", "    refuse_among_images(out, study.runs(AS_DESCRIBED, {}), where.data_dir)\n", ""),
        ("a study among its images", "        refuse_to_keep(study, scale, chosen.out, chosen.records, where)\n", ""),
        ("the page of a study among its images", "        refuse_among_images(page_folder, study.runs(scale, {}), where.data_dir)\n", ""),
        ("one job at a time", "return LocalLauncher(chosen.jobs)", "return LocalLauncher(1)"),
        ("a first scale that is not told", "study.scale(chosen.scale)", "study.scale(None)"),
    ),
    *of(
        "cli/registry.py",
        ("a report among the images of its records", "refuse_among_images(out, (record.run for record in records))", "pass"),
        ("two studies of one name", "if len(references) > 1:", "if False:"),
        ("nothing is computed", "return [*COMPUTED, *STUDIES]", "return [*STUDIES]"),
        ("studies of one's own are forgotten", "{**STUDIES, **by_reference}", "{**STUDIES}"),
        ("a folder of the paper's studies is one of any", "folder_document(folder, known, paper_document, look)", "folder_document(folder, known, look=look)"),
    ),
    *of(
        "cli/streams.py",
        ("a closed stream stays closed", "if stream is None:", "if False:"),
        ("letters that a terminal lacks", 'stream.reconfigure(errors="backslashreplace")', "pass"),
        ("the standard output alone", '("stderr", "w")):', '("stderr", "w"))[:2]:'),
    ),
]  # fmt: skip
