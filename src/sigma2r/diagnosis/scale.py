"""Is the first step far from scale? A rule on two numbers, for whoever has them."""

# Times the cross-entropy; above it the losses on features decide alone. The paper's own settings, 84 features and ten
# classes, begin at 7 to 9, 512 features at 50 to 80.
_FAR = 20.0


def far_from_scale(cross_entropy: float, added: float, *, has_centers: bool = True) -> str | None:
    """What there is to say of a first step that the losses on features decide alone.

    Args:
        cross_entropy: Of the first batch, or that of a guess, ln C.
        added: The other losses of the batch, each times its weight, summed.
        has_centers: Whether one of them has centers that could start at class means.

    Returns:
        A sentence with the remedy, for whoever tells it to put its name before; None where ``added`` is not above
        twenty times the cross-entropy (or 20, where that is below 1).

    Example:
        >>> far_from_scale(2.3, 17.0) is None
        True
        >>> far_from_scale(2.3, 451.0).split(":")[0]
        'the first step is far from scale'
    """
    if not abs(added) > _FAR * max(cross_entropy, 1.0):
        return None
    means = 'start centers at class means (loss.init_centers, or center_init="class-means"), or ' if has_centers else ""
    return (
        f"the first step is far from scale: the losses on features begin at {added:.3g} beside a cross-entropy of "
        f"{cross_entropy:.3g}, so they alone decide it; {means}lower the weight."
    )
