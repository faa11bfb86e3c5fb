"""sigma2R beside a center loss of its own strength."""

from sigma2r.studies.comparison import comparison
from sigma2r.studies.run import Run
from sigma2r.studies.study import Part


def equal_strength(base: Run, seeds: int) -> Part:
    """sigma2R at the paper's weight beside a center loss of 40 times that: what sigma2R becomes as growth falls."""
    return Part(
        name="equal-strength",
        title="At equal strength",
        text="As growth falls, every gate of sigma2R ends near Z / 2 = 20, and 20 times the squared distance is 40 "
        "times the half of it that the center loss takes. So a center loss at 0.4 is as strong as sigma2R at 0.01; "
        "what differs between the two is the weighting of samples.",
        runs=tuple(comparison(base, ("center@0.4", "sigma2r@0.01"), seeds)),
    )
