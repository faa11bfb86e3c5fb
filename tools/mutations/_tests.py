"""Which tests must notice a change, by the part of the source that it is in."""

LOSSES = (
    "tests/losses/test_contract.py",
    "tests/losses/test_sigma2r.py",
    "tests/losses/test_center_updates.py",
    "tests/losses/test_joint.py",
    "tests/losses/test_numerics.py",
    "tests/losses/test_search.py",
    "tests/losses/test_sparring.py",
    "tests/losses/test_targets.py",
    "tests/losses/test_options.py",
    "tests/losses/test_recognised.py",
    "tests/losses/test_bad_input.py",
    "tests/metrics",
)
REPORT = ("tests/report/test_paired.py", "tests/report/test_verdicts.py")
STUDIES = ("tests/studies/test_tuning.py",)
PAPER = ("tests/paper/test_report.py",)
VALUES = ("tests/test_values.py", "tests/test_arrays.py", "tests/losses/test_options.py")
TAPS = ("tests/test_taps.py", "tests/test_layout.py")
DIAGNOSIS = ("tests/test_diagnosis.py", "tests/test_watch.py")
DATA = ("tests/data",)
SAMPLERS = ("tests/samplers",)
TESTS = {
    "_hooks.py": (*TAPS, *DIAGNOSIS), "_layout.py": TAPS, "data": DATA, "diagnosis": DIAGNOSIS, "losses": LOSSES,
    "metrics": LOSSES, "paper": PAPER, "report": REPORT, "samplers": SAMPLERS, "studies": STUDIES, "taps.py": TAPS,
    **dict.fromkeys(("_values.py", "_kinds.py", "_arrays.py"), VALUES),
}  # fmt: skip
