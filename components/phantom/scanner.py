"""The scanner between anatomy and volume: kernel, noise, slices, timing; drift is made here on purpose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from components.phantom.texture import Array


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """One way to acquire a scan.

    Args:
        site, manufacturer, model, kernel: as they stand in the headers.
        blur_mm: in-plane full width at half maximum of the kernel.
        sharpening: strength of the kernel's edge enhancement (0 = none).
        noise_hu: noise deviation at ``dose`` 1.
        texture_mm: correlation length of the noise (sharp kernels: short).
        dose: relative dose; noise goes with its inverse square root.
        slice_thickness_mm: through-plane averaging.
        kvp: tube voltage; iodine is brighter at a low one.
        contrast_delay_s: seconds after the best moment for the left heart; late scans lose contrast.
        field_of_view: factor on the spacing at the same matrix.
        motion_mm: shift of the ghost that residual motion leaves.
        hu_offset: calibration error.
    """

    site: str
    manufacturer: str
    model: str
    kernel: str
    blur_mm: float
    sharpening: float
    noise_hu: float
    texture_mm: float
    dose: float = 1.0
    slice_thickness_mm: float = 1.5
    kvp: float = 120.0
    contrast_delay_s: float = 0.0
    field_of_view: float = 1.0
    motion_mm: float = 0.0
    hu_offset: float = 0.0

    @property
    def noise_deviation_hu(self) -> float:
        """Deviation of the noise in the volume."""
        return self.noise_hu / float(np.sqrt(self.dose))

    @property
    def iodine_gain(self) -> float:
        """Enhancement relative to 120 kVp (about -1 % per kV: Lee et al., Radiographics 2011)."""
        return float(np.clip(1 + 0.01 * (120 - self.kvp), 0.7, 1.5))


SCANNERS: dict[str, Scanner] = {
    "reference": Scanner(
        site="north", manufacturer="Vendor A", model="A-One", kernel="soft", blur_mm=2.0, sharpening=0.0,
        noise_hu=14.0, texture_mm=1.6,
    ),
    "reference-b": Scanner(
        site="west", manufacturer="Vendor A", model="A-Two", kernel="soft", blur_mm=2.4, sharpening=0.0,
        noise_hu=17.0, texture_mm=1.8, slice_thickness_mm=2.0, contrast_delay_s=1.0, hu_offset=2.0,
    ),
    "sharp": Scanner(
        site="south", manufacturer="Vendor B", model="B-Ultra", kernel="sharp", blur_mm=0.8, sharpening=1.0,
        noise_hu=45.0, texture_mm=0.5, dose=0.8, slice_thickness_mm=3.0, kvp=135.0, contrast_delay_s=11.0,
        motion_mm=2.0, hu_offset=12.0,
    ),
    "uncalibrated": Scanner(
        site="east", manufacturer="Vendor C", model="C-Rescale", kernel="standard", blur_mm=1.2, sharpening=0.5,
        noise_hu=35.0, texture_mm=0.8, slice_thickness_mm=3.0, contrast_delay_s=5.0, hu_offset=250.0,
    ),  # its files carry a rescale intercept that is 250 HU too high
}  # fmt: skip


def acquire(
    hu_zyx: Array, spacing_mm: tuple[float, float, float], scanner: Scanner, rng: np.random.Generator
) -> npt.NDArray[np.int16]:
    """The volume that ``scanner`` makes of float HU ``(z, y, x)``: motion, kernel, slices, noise, offset."""
    image = _slices(_kernel(_ghost(hu_zyx, spacing_mm, scanner), spacing_mm, scanner), spacing_mm, scanner)
    image = image + np.float32(scanner.hu_offset)
    if scanner.noise_hu > 0:
        image += _noise(hu_zyx.shape, spacing_mm, scanner, rng)
    return np.clip(np.rint(image), -1024, 3071).astype(np.int16)


def _ghost(image: Array, spacing_mm: tuple[float, float, float], scanner: Scanner) -> Array:
    """A faint copy shifted along y and z, as a heart that did not stand still leaves it."""
    if scanner.motion_mm == 0:
        return image
    shift = [scanner.motion_mm / s * f for s, f in zip(spacing_mm, (0.6, 0.8, 0.0), strict=True)]
    ghost = ndimage.shift(image, shift, order=1, mode="nearest")
    return np.float32(0.7) * image + np.float32(0.3) * ghost


def _kernel(image: Array, spacing_mm: tuple[float, float, float], scanner: Scanner) -> Array:
    sigma = [0.0, *(scanner.blur_mm / 2.355 / s for s in spacing_mm[1:])]
    smooth = ndimage.gaussian_filter(image, sigma, truncate=3.0) if max(sigma) > 0.15 else image
    if scanner.sharpening == 0:
        return smooth
    wide = ndimage.gaussian_filter(smooth, [0.0, *(2.0 / s for s in spacing_mm[1:])], truncate=3.0)
    return smooth + np.float32(scanner.sharpening) * (smooth - wide)


def _slices(image: Array, spacing_mm: tuple[float, float, float], scanner: Scanner) -> Array:
    """Average along z over the slice profile: a box of its thickness, as a Gaussian of equal variance."""
    extra = max(scanner.slice_thickness_mm**2 - spacing_mm[0] ** 2, 0.0)
    if extra == 0:
        return image
    return ndimage.gaussian_filter1d(image, np.sqrt(extra / 12) / spacing_mm[0], axis=0, truncate=3.0)


def _noise(
    shape: tuple[int, ...], spacing_mm: tuple[float, float, float], scanner: Scanner, rng: np.random.Generator
) -> Array:
    noise = rng.standard_normal(shape, dtype=np.float32)
    sigma = [0.0, *(scanner.texture_mm / s / 2 for s in spacing_mm[1:])]
    if max(sigma) > 0.15:
        noise = ndimage.gaussian_filter(noise, sigma, truncate=3.0, mode="wrap")
    out: Array = noise * np.float32(scanner.noise_deviation_hu / max(float(noise.std()), 1e-6))
    return out
