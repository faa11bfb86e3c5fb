"""The verb ``export``: a trained run as one file, and how far it is from the run."""

import sys
from argparse import Namespace

from sigma2r.trained import load


def export_run(chosen: Namespace) -> int:
    """Write the file, and tell what it was checked on.

    Returns:
        0.

    Raises:
        ValueError: In one sentence, if the run cannot be used or exported, or the file not be written there.
        ImportError: In one sentence, if a library for the file is missing.
        OSError: If it cannot be written.
    """
    from sigma2r.exporting import export
    from sigma2r.exporting.exporting import ENDINGS

    out = chosen.out or chosen.run / f"model{ENDINGS[chosen.format]}"
    trained = load(chosen.run, chosen.checkpoint, "cpu", resize=chosen.resize, own_code=chosen.own_code)
    images = chosen.images[0] if chosen.images is not None and len(chosen.images) == 1 else chosen.images
    exported = export(
        trained,
        out,
        chosen.format,
        images=images,
        tolerance=chosen.tolerance,
        overwrite=chosen.overwrite,
        split=chosen.split,
        data_dir=chosen.data_dir,
        download=chosen.download,
    )
    print(exported)
    if not exported.sample.are_real:
        print("sigma2r: no image was at hand to check on: --images checks on some of yours.", file=sys.stderr)
    print(f"File: {exported.path} ({exported.format}, {exported.path.stat().st_size / 1e6:,.1f} MB)")
    return 0
