"""The verb ``audit``: what may be wrong with the images of a run, or with others, as a page."""

from pathlib import Path
from typing import Any

from sigma2r.cli.written import value

WHAT = "Tell what may be wrong with images and labels: errors, outliers, duplicates, leaks; write a page."


def add_words(parser: Any) -> None:
    """The words of the verb.

    Args:
        parser: Of jsonargparse.
    """

    def add(flag: str, kind: Any, default: Any, told: str) -> None:
        parser.add_argument(flag, type=value("audit", flag.removeprefix("--"), kind), default=default, help=told)

    parser.add_argument("run", type=Path, help="The folder of a trained run.")
    add("--data", str | None, None, "Other images, judged by the run; default: its own, judged by networks of folds.")
    parser.add_argument("--out", type=Path | None, help="Folder of the page; default: audit within the run's folder.")
    add("--folds", int, 5, "Networks to train, each on the training images of all folds but one.")
    add("--checkpoint", str, "last", "last, or best by validation images.")
    add("--split", str, "test", "Of a data set in --data: train, test or val.")
    add("--near", float, 0.3, "Images count as nearly the same if they are that much nearer than usual.")
    add("--neighbors", int, 10, "Which neighbour's distance makes an outlier.")
    add("--cleanlab", bool | None, None, "Ask cleanlab, too; default: if it is installed.")
    add(
        "--own_code",
        bool,
        False,
        "Import code of one's own that the run names: trust who gave it to you.",
    )
    add("--device", str, "auto", "auto, cpu, cuda, cuda:1 or mps.")
    parser.add_argument("--data_dir", type=Path | None, help="Folder of a data set's files.")
    add("--download", bool, False, "Fetch a data set if it is nowhere to be found.")
    add("--workers", int, 2, "Processes that decode images on disk.")
    add("--progress", bool | None, None, "Show a progress bar; default: if a terminal shows it.")


def audit_run(chosen: Any) -> int:
    """Audit, print what was found, and write the page.

    Returns:
        0, or :data:`~sigma2r.cli.using.UNREAD`.

    Raises:
        ValueError: In one sentence, if the run, the images or the folder cannot be used.
        ImportError: In one sentence, if a library is missing.
        OSError: If the page cannot be written.
    """
    from sigma2r._text import visible
    from sigma2r.audit import audit
    from sigma2r.audit.summary import sentences
    from sigma2r.cli.evaluating import say_unread
    from sigma2r.report import or_what_to_install, refuse_foreign
    from sigma2r.studies.comparison import file_name
    from sigma2r.studies.where import Where

    with or_what_to_install():
        from sigma2r.audit.page import write_audit
    of = "" if chosen.data is None else f"-{file_name(Path(chosen.data).name)}"
    out = chosen.out or chosen.run / f"audit{of}"
    refuse_foreign(out)
    where = Where(**{name: getattr(chosen, name) for name in ("device", "data_dir", "download", "workers", "progress")})
    asked = {name: getattr(chosen, name) for name in ("folds", "checkpoint", "split", "near", "neighbors", "cleanlab")}
    found = audit(chosen.run, chosen.data, out=out, own_code=chosen.own_code, where=where, say=print, **asked)
    page = write_audit(found, f"Audit of {visible(chosen.data or str(chosen.run))}", out)
    for sentence in sentences(found):
        print(sentence)
    print(f"Page: {page}")
    return say_unread(list(found.unread.values()))
