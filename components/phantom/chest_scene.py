"""A chest while it is being drawn: what every finding needs to know of the patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.phantom.body import Body
from components.phantom.canvas import Box, Canvas, Point, Solid
from components.phantom.heart_anatomy import HeartAnatomy
from components.phantom.heart_shapes import HeartSolids
from components.phantom.texture import Array, smooth_field
from components.phantom.thorax import ThoraxFields


@dataclass(frozen=True, kw_only=True, eq=False)
class ChestScene:
    """A canvas and the anatomy on it; a finding paints into ``canvas`` in place."""

    canvas: Canvas
    body: Body
    fields: ThoraxFields
    heart: HeartAnatomy
    solids: HeartSolids
    coronaries: tuple[Point, ...]

    @property
    def whole(self) -> Box:
        z, y, x = (slice(0, n) for n in self.canvas.grid.geometry.shape)
        return z, y, x

    def noise(self, length_mm: float, rng: np.random.Generator) -> Array:
        geometry = self.canvas.grid.geometry
        return smooth_field(geometry.shape, geometry.spacing_mm, length_mm, rng)

    def in_lung(self, distance_mm: Array) -> Solid:
        """The part of a whole-grid field that lies in the lungs."""
        return Solid(box=self.whole, distance_mm=np.maximum(distance_mm, self.fields.lung_mm))

    def clipped_to_lung(self, solid: Solid) -> Solid:
        return Solid(box=solid.box, distance_mm=np.maximum(solid.distance_mm, self.fields.lung_mm[solid.box]))

    def lung_point(
        self,
        rng: np.random.Generator,
        *,
        side: int,
        low_z: float,
        high_z: float,
        depth_mm: tuple[float, float],
    ) -> Point:
        """A point of one lung (``side`` -1 right, 1 left) at a depth under its surface, in LPS mm."""
        half_width, half_depth = self.body.cavity_half_mm
        z = rng.uniform(low_z, high_z)
        taper = np.sqrt(1 - np.clip((z + 20) / (self.body.apex_z_mm + 20), 0, 0.98) ** 2.4)
        angle = rng.uniform(-0.9, 0.9)
        reach = 1 - rng.uniform(*depth_mm) / (half_width * taper)
        return np.array(
            [side * half_width * taper * reach * np.cos(angle), half_depth * taper * reach * np.sin(angle), z]
        )
