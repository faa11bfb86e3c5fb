"""Code of one's own that a record names is run only where a user says so."""

from sigma2r.data.names import shown
from sigma2r.studies.run import Run
from sigma2r.studies.yardsticks import PML

_CALLED = {"data set": "data set", "model": "network", "loss": "loss"}


def ask_for_own_code(who: str, run: Run, own_code: bool, *kinds: str) -> None:
    """Refuse code of one's own that nobody has said to trust; losses of pytorch-metric-learning are none.

    Args:
        who: What errors begin with.
        run: As its record describes it.
        own_code: Whether the user trusts what the record names.
        kinds: What is about to be imported, as keys of :attr:`~sigma2r.studies.run.Run.own_code`.

    Raises:
        ValueError: Naming the code.
    """
    named = run.own_code
    for kind in () if own_code else kinds:
        if kind in named and not named[kind].startswith(PML):
            raise ValueError(
                f"{who}: the {_CALLED[kind]} of this run is code of one's own, {shown(named[kind])}, and a record "
                "alone imports nothing. If you trust that code, say own_code=True (--own_code true)."
            )
