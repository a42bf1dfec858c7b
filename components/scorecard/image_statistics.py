"""Statistics of a frame's voxels that move when the scanner, kernel, dose or body region moves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.volume.volume import Volume

BODY_ABOVE_HU = -500
SOFT_HU = (-100, 300)
BONE_ABOVE_HU = 300
AIR_BELOW_HU = -500
_MAX_VOXELS = 400_000
_MAX_SLICES = 16

# Immerkaer (1996), "Fast noise variance estimation", eq. 1-3: the response to white noise of unit
# standard deviation has standard deviation 6, and edges of first and second order cancel.
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
_MAD_TO_SD = 1.4826
_BLOCK_MM, _FAR_MM = 8.0, 24.0  # blocks average noise away; so far apart anatomy has changed
_ORDER_HU = (-1000, 600)


def image_statistics(volume: Volume) -> dict[str, float]:
    """Scalars of one frame, named without prefix; NaN where a frame has no voxels of the kind needed.

    ``hu_*`` over the body mask (HU); ``noise_hu`` standard deviation of the high-frequency residual in soft
    tissue (HU) and ``noise_correlation`` its lag-1 autocorrelation along x (rises with smooth kernels);
    ``sharpness_hu_per_mm`` 95th percentile of the in-plane gradient in the body; ``fov_*_mm`` extents;
    ``body_fraction`` of all voxels; ``air_``, ``soft_`` and ``bone_fraction`` of the filled body;
    ``slice_discontinuity`` see there. Large volumes are read on a stride (tissue) and on at most 16 slices (the rest).
    """
    return {
        **_tissue(_thinned(volume.voxels_hu)),
        **_texture(_slices(volume.voxels_hu), volume.geometry.spacing_mm),
        **_extent(volume),
        "slice_discontinuity": slice_discontinuity(volume),
    }


def slice_discontinuity(volume: Volume) -> float:
    """How much neighbouring slices differ, over how much slices 24 mm apart do; NaN of fewer than three slices.

    Anatomy changes slowly: at most 0.5 on real scans of up to 8 mm a slice, 0.7 at 20 mm. About 1 where slices lost
    their order, or show nothing but noise.
    """
    depth = len(volume.voxels_hu)
    if depth < 3:
        return float("nan")
    far = min(max(2, round(_FAR_MM / volume.geometry.spacing_mm[0])), depth - 1)
    first = np.unique(np.linspace(0, depth - 1 - far, _MAX_SLICES).round().astype(int))
    here, next_one, there = (_blocks(volume, first + step) for step in (0, 1, far))
    apart = float(np.abs(there - here).mean())
    return float(np.abs(next_one - here).mean()) / apart if apart > 0 else float("nan")


def _blocks(volume: Volume, slices: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """In-plane means of the slices over blocks of 8 mm."""
    _, height, width = volume.voxels_hu.shape
    y, x = (
        min(size, max(1, round(_BLOCK_MM / step)))
        for size, step in zip((height, width), volume.geometry.spacing_mm[1:], strict=True)
    )
    planes = volume.voxels_hu[slices, : height // y * y, : width // x * x].clip(*_ORDER_HU)
    blocks = planes.reshape(len(slices), height // y, y, width // x, x)
    return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32))


def body_mask(voxels_hu: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """``(z, y, x)``: the largest object above -500 HU, holes filled slice by slice (so lungs count)."""
    above = voxels_hu > BODY_ABOVE_HU
    objects, count = ndimage.label(above)
    if count == 0:
        return above
    largest = 1 + int(np.argmax(np.bincount(objects.ravel())[1:]))
    return np.stack([ndimage.binary_fill_holes(plane) for plane in objects == largest])


def stride(voxels_hu: npt.NDArray[np.int16]) -> int:
    """How many voxels to step along each axis, so that a large volume is looked at in a moment."""
    return int(np.ceil((voxels_hu.size / _MAX_VOXELS) ** (1 / 3)))


def _thinned(voxels_hu: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    step = stride(voxels_hu)
    return voxels_hu[::step, ::step, ::step]


def _slices(voxels_hu: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    depth = voxels_hu.shape[0]
    chosen = np.unique(np.linspace(depth * 0.15, depth * 0.85 - 1, _MAX_SLICES).round().clip(0, depth - 1))
    return np.asarray(voxels_hu[chosen.astype(int)], dtype=np.float32)


def _tissue(voxels_hu: npt.NDArray[np.int16]) -> dict[str, float]:
    mask = body_mask(voxels_hu)
    body = voxels_hu[mask].astype(np.float32)
    if body.size == 0:
        body = np.array([np.nan], dtype=np.float32)
    p5, p25, p50, p75, p95 = np.percentile(body, [5, 25, 50, 75, 95])
    soft = (body >= SOFT_HU[0]) & (body <= SOFT_HU[1])
    return {
        "hu_mean": float(body.mean()),
        "hu_sd": float(body.std()),
        "hu_p05": float(p5),
        "hu_p25": float(p25),
        "hu_p50": float(p50),
        "hu_p75": float(p75),
        "hu_p95": float(p95),
        "body_fraction": float(mask.mean()),
        "air_fraction": float((body < AIR_BELOW_HU).mean()),
        "soft_fraction": float(soft.mean()),
        "bone_fraction": float((body > BONE_ABOVE_HU).mean()),
    }


def _texture(slices_hu: npt.NDArray[np.float32], spacing_mm: tuple[float, float, float]) -> dict[str, float]:
    residual = ndimage.convolve(slices_hu, _IMMERKAER[None], mode="nearest") / 6.0
    soft = (slices_hu >= SOFT_HU[0]) & (slices_hu <= SOFT_HU[1])
    gradient = np.hypot(_central(slices_hu, 1) / spacing_mm[1], _central(slices_hu, 2) / spacing_mm[2])
    body = slices_hu > BODY_ABOVE_HU
    return {
        "noise_hu": _MAD_TO_SD * _median(np.abs(residual[soft])),
        "noise_correlation": _lag_one(residual, soft),
        "sharpness_hu_per_mm": float(np.percentile(gradient[body], 95)) if body.any() else float("nan"),
    }


def _central(array: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    if array.shape[axis] < 2:
        return np.zeros_like(array)
    return np.asarray(np.gradient(array, axis=axis), dtype=np.float32)


def _lag_one(residual: npt.NDArray[np.float32], soft: npt.NDArray[np.bool_]) -> float:
    # Clipping keeps the few edge voxels from deciding the correlation.
    bound = 3.0 * _MAD_TO_SD * _median(np.abs(residual[soft]))
    clipped = np.clip(residual, -bound, bound)
    both = soft[:, :, 1:] & soft[:, :, :-1]
    power = float(np.mean(clipped[soft] ** 2)) if soft.any() else 0.0
    if not both.any() or power == 0.0:
        return float("nan")
    return float(np.mean((clipped[:, :, 1:] * clipped[:, :, :-1])[both])) / power


def _median(values: npt.NDArray[np.float32]) -> float:
    return float(np.median(values)) if values.size else float("nan")


def _extent(volume: Volume) -> dict[str, float]:
    sizes = zip("zyx", volume.geometry.shape, volume.geometry.spacing_mm, strict=True)
    return {f"fov_{axis}_mm": count * spacing for axis, count, spacing in sizes}
