"""Every generated table rebuilt from raw records by other code: ``python -m tools.recompute``.

Nothing of sigma2r is imported here. What a study is, what a verdict rests on and what the paper prints is written down
a second time, in other words, so that a slip in the package does not repeat itself here.
"""
