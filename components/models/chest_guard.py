"""Is there anybody in this scan? A network that never saw an empty one says of it whatever its biases say."""

from __future__ import annotations

from components.errors import InputError
from components.scorecard.image_statistics import body_mask, stride
from components.volume.volume import Volume

# Real chests of adults fill 35 to 55 % of their field of view, lungs included; a newborn's in a field of 50 cm 4 %.
LEAST_BODY = 0.02


def refuse_empty(volume: Volume) -> None:
    """``InputError`` unless a body, as ``image_statistics`` finds it, fills ``LEAST_BODY`` of the scan.

    No probability is honest where nothing can be found. What is in the body is not looked at: another region, or an
    object of that size, passes.
    """
    step = stride(volume.voxels_hu)
    share = float(body_mask(volume.voxels_hu[::step, ::step, ::step]).mean())
    if share < LEAST_BODY:
        raise InputError(
            expected=f"a chest: a body that fills {LEAST_BODY:.0%} or more of the scan",
            got=f"{share:.1%}, the rest air",
            hint="another series of the study, or rescale_slope and rescale_intercept in cases.csv",
        )
