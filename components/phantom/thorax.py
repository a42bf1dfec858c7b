"""The still part of the chest: wall, bones, lungs with vessels and airways, diaphragm, upper abdomen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.phantom.body import Body
from components.phantom.canvas import UPRIGHT, Box, Canvas, Grid, Solid, ellipsoid, tube
from components.phantom.lung_vessels import paint_lung_vessels
from components.phantom.texture import Array, smooth_field


@dataclass(frozen=True, kw_only=True, eq=False)
class ThoraxFields:
    """Signed distances in mm on the whole grid, negative inside; findings are drawn with them."""

    cavity_mm: Array
    skin_mm: Array
    diaphragm_mm: Array
    lung_mm: Array


def paint_thorax(canvas: Canvas, body: Body, vessel_hu: float, rng: np.random.Generator) -> ThoraxFields:
    """Draw everything that does not beat; returns the distance fields that it was drawn from."""
    wall_rng, vessel_rng, abdomen_rng = rng.spawn(3)
    fields = thorax_fields(canvas.grid, body)
    _paint_wall(canvas, body, fields, wall_rng)
    _paint_lungs(canvas, body, fields, wall_rng)
    _paint_abdomen(canvas, body, fields, abdomen_rng)
    paint_lung_vessels(canvas, fields.lung_mm, vessel_hu, vessel_rng)
    _paint_ribs(canvas, body, fields)
    _paint_spine(canvas, body)
    _paint_airways(canvas, body)
    _paint_oesophagus(canvas, body)
    _paint_table(canvas, body, fields)
    return fields


def thorax_fields(grid: Grid, body: Body) -> ThoraxFields:
    """Distances to the chest cavity, the skin, the diaphragm and the lungs' surface."""
    half_width, half_depth = body.cavity_half_mm
    narrow = 1 - np.float32(body.keel) * np.clip(-grid.y / np.float32(half_depth), -0.3, 1)
    x = np.abs(grid.x) / narrow
    taper = _apical_taper(grid.z, body)
    cavity = _oval(x, grid.y, half_width * taper, half_depth * taper)
    wall = body.fat_mm + body.muscle_mm
    skin = _oval(x, grid.y, np.float32(half_width + wall), np.float32(half_depth + wall))
    diaphragm = grid.z - _diaphragm_height(grid, body)
    mediastinum = _mediastinum(grid, body)
    lung = np.maximum(np.maximum(cavity + 1, -mediastinum), -0.7 * diaphragm)
    return ThoraxFields(cavity_mm=cavity, skin_mm=skin, diaphragm_mm=diaphragm, lung_mm=lung)


def _apical_taper(z: Array, body: Body) -> Array:
    """Share of the full cavity at each height: 1 at the heart, closing like a dome at the apex."""
    rise = np.clip((z + 20) / np.float32(body.apex_z_mm + 20), 0, 0.995)
    out: Array = np.power(1 - np.power(rise, 2.4), 0.5)
    return out


def _oval(x: Array, y: Array, half_x: Array | np.float32, half_y: Array | np.float32) -> Array:
    """Radial distance to a superellipse of exponent 2.4."""
    f = np.power(np.power(x / half_x, 2.4) + np.power(np.abs(y) / half_y, 2.4), np.float32(1 / 2.4))
    f = np.maximum(f, 1e-3)
    out: Array = np.sqrt(x * x + y * y) * (1 - 1 / f)
    return out


def _diaphragm_height(grid: Grid, body: Body) -> Array:
    half_width, half_depth = body.cavity_half_mm
    y2 = ((grid.y + 15) / np.float32(half_depth)) ** 2
    right, left = (
        np.float32(top)
        - 62 * (((grid.x - np.float32(side * 0.5 * half_width)) / np.float32(0.62 * half_width)) ** 2 + y2)
        for top, side in zip(body.dome_z_mm, (-1, 1), strict=True)
    )
    out: Array = np.maximum(right, left)
    return out


def _mediastinum(grid: Grid, body: Body) -> Array:
    """Distance to the space between the lungs.

    A thin line behind the sternum, wide at the great vessels, open towards the heart (which brings its own
    fat), on the left as wide as the descending aorta; and the tissue beside the spine.
    """
    above = np.clip((grid.z - 15) / 30, 0, 1)
    front = np.clip((grid.y + 62) / 30, 0, 1)
    back = np.clip((grid.y - 5) / 25, 0, 1)
    half_width = (
        7
        + front * (9 + 16 * above)
        + back * np.where(grid.x > 0, np.float32(12), np.float32(2)) * (1 - above)
    )
    behind_x, behind_y = np.abs(grid.x), grid.y - np.float32(body.spine_y_mm)
    behind = np.sqrt(behind_x**2 + behind_y**2) - np.float32(body.vertebra_mm + 6)
    front_of_spine = np.maximum(behind_x - half_width, behind_y + 8)
    out: Array = np.minimum(front_of_spine, behind)
    return out


def _whole(canvas: Canvas) -> Box:
    z, y, x = (slice(0, n) for n in canvas.grid.geometry.shape)
    return z, y, x


def _paint_wall(canvas: Canvas, body: Body, fields: ThoraxFields, rng: np.random.Generator) -> None:
    box = _whole(canvas)
    streaks = smooth_field(canvas.grid.geometry.shape, canvas.grid.geometry.spacing_mm, 9.0, rng)
    _paint_breasts(canvas, body, streaks)
    canvas.paint(Solid(box=box, distance_mm=fields.skin_mm), 20.0)
    canvas.paint(Solid(box=box, distance_mm=fields.skin_mm + 2.5), -105 + 8 * streaks)
    fat = np.float32(body.fat_mm)
    canvas.paint(Solid(box=box, distance_mm=fields.skin_mm + fat), np.float32(body.muscle_hu) + 12 * streaks)
    canvas.paint(
        Solid(box=box, distance_mm=np.abs(fields.skin_mm + fat + 7) - 1.2 + streaks), -70.0, opacity=0.8
    )
    canvas.paint(Solid(box=box, distance_mm=fields.cavity_mm), -85 + 15 * streaks)


def _paint_breasts(canvas: Canvas, body: Body, streaks: Array) -> None:
    """Two domes of fat with glandular strands, where the patient has them."""
    if body.breast_mm == 0:
        return
    half_width, half_depth = body.cavity_half_mm
    front = -(half_depth + body.fat_mm + body.muscle_mm) * 0.86
    for side in (-1, 1):
        centre = np.array([side * 0.56 * half_width, front, -8.0])
        dome = ellipsoid(canvas.grid, centre, UPRIGHT, (52, body.breast_mm + 12, 54))
        canvas.paint(dome, 20.0)
        canvas.paint(dome, -105.0, grow_mm=-2.5)
        strands = np.maximum(dome.distance_mm + 12, 4 * (0.3 - streaks[dome.box]))
        canvas.paint(Solid(box=dome.box, distance_mm=strands), 15.0)


def _paint_lungs(canvas: Canvas, body: Body, fields: ThoraxFields, rng: np.random.Generator) -> None:
    grid = canvas.grid
    grain = smooth_field(grid.geometry.shape, grid.geometry.spacing_mm, 5.0, rng)
    dependent = np.float32(70 / body.cavity_half_mm[1]) * grid.y
    canvas.paint(
        Solid(box=_whole(canvas), distance_mm=fields.lung_mm),
        np.float32(body.lung_hu) + dependent + 22 * grain,
    )


def _paint_abdomen(canvas: Canvas, body: Body, fields: ThoraxFields, rng: np.random.Generator) -> None:
    """Liver under the right dome, stomach with its gas, spleen; fat between."""
    grid = canvas.grid
    below = np.maximum(fields.cavity_mm + 3, fields.diaphragm_mm)
    canvas.paint(Solid(box=_whole(canvas), distance_mm=below), body.muscle_hu)
    canvas.paint(Solid(box=_whole(canvas), distance_mm=below + 3), -95.0)
    tilt = (grid.x - 25 - 0.35 * (grid.z + 70)) * np.float32(0.9)
    liver = np.maximum(below + 4, np.maximum(tilt, grid.y - np.float32(body.spine_y_mm - 22)))
    lumps = smooth_field(grid.geometry.shape, grid.geometry.spacing_mm, 14.0, rng)
    canvas.paint(Solid(box=_whole(canvas), distance_mm=liver), np.float32(body.liver_hu) + 5 * lumps)
    left = body.cavity_half_mm[0] * 0.5
    top = body.dome_z_mm[1]
    stomach = ellipsoid(grid, np.array([left, -8, top - 42]), UPRIGHT, (34, 36, 30))
    spleen = ellipsoid(grid, np.array([left + 22, 42, top - 48]), UPRIGHT, (22, 30, 34))
    for organ, hu in ((spleen, 115.0), (stomach, 35.0)):
        inside = np.maximum(organ.distance_mm, below[organ.box] + 5)
        canvas.paint(Solid(box=organ.box, distance_mm=inside), hu)
    gas_level = -20 + rng.uniform(-8, 8)
    gas = np.maximum(stomach.distance_mm + 4, grid.y[stomach.box] - np.float32(gas_level))
    canvas.paint(Solid(box=stomach.box, distance_mm=np.maximum(gas, below[stomach.box] + 8)), -950.0)


def _paint_ribs(canvas: Canvas, body: Body, fields: ThoraxFields) -> None:
    """Ribs as slanted hoops in the chest wall: a shell just outside the cavity, cut periodically along z."""
    grid = canvas.grid
    pitch = np.float32(body.rib_pitch_mm)
    along = grid.z + np.float32(body.rib_slope) * grid.y
    offset = along - pitch * np.rint(along / pitch)
    shell = fields.cavity_mm - 6
    distance = np.sqrt(shell**2 + (0.62 * offset) ** 2) - 4.0
    top = grid.z - np.float32(body.apex_z_mm + 8)
    distance = np.maximum(distance, top)
    box = _whole(canvas)
    front = grid.y < -0.62 * body.cavity_half_mm[1]
    canvas.paint(Solid(box=box, distance_mm=distance), np.where(front, np.float32(110), np.float32(480)))
    canvas.paint(
        Solid(box=box, distance_mm=distance + 2.2), np.where(front, np.float32(100), np.float32(170))
    )
    width = np.abs(grid.x) - 17
    plate = np.maximum(np.maximum(np.abs(fields.cavity_mm - 7) - 5.5, width), grid.y)
    sternum = np.maximum(plate, np.abs(grid.z - 45) - 85)
    canvas.paint(Solid(box=box, distance_mm=sternum), 330.0)
    canvas.paint(Solid(box=box, distance_mm=sternum + 2), 130.0)


def _paint_spine(canvas: Canvas, body: Body) -> None:
    """Vertebral bodies with end plates and discs, the canal behind them, processes, back muscles."""
    grid = canvas.grid
    low = grid.geometry.affine[2, 3] - 20
    high = low + grid.geometry.shape[0] * grid.geometry.spacing_mm[0] + 40
    y, r = body.spine_y_mm, body.vertebra_mm

    def column(x_mm: float, y_mm: float, radius: float) -> Solid:
        return tube(grid, np.array([[x_mm, y_mm, low], [x_mm, y_mm, high]]), [radius, radius])

    for side in (-1, 1):
        canvas.paint(column(side * 26, y + 34, 19), body.muscle_hu)
    segment = np.float32(1.15 * body.rib_pitch_mm)
    arch = column(0, y + r + 8, 14)
    canvas.paint(arch, 330.0)
    for side in (-1, 1):
        process = column(side * 22, y + r + 8, 7)
        phase = np.abs(grid.z[process.box] - segment * np.rint(grid.z[process.box] / segment)) - 7
        canvas.paint(Solid(box=process.box, distance_mm=np.maximum(process.distance_mm, phase)), 280.0)
    spinous = column(0, y + r + 26, 5)
    canvas.paint(spinous, 260.0)
    vertebra = column(0, y, r)
    offset = grid.z[vertebra.box] / segment
    end = (0.5 - np.abs(offset - np.rint(offset))) * segment
    canvas.paint(vertebra, 420.0)
    canvas.paint(vertebra, 190.0, grow_mm=-2.2)
    disc = np.maximum(vertebra.distance_mm, end - 3)
    canvas.paint(Solid(box=vertebra.box, distance_mm=np.abs(disc) - 1.0), 380.0)
    canvas.paint(Solid(box=vertebra.box, distance_mm=disc), 85.0)
    canvas.paint(column(0, y + r + 8, 9), -30.0)
    canvas.paint(column(0, y + r + 8, 6.5), 35.0)


def _paint_airways(canvas: Canvas, body: Body) -> None:
    carina = np.array([0.0, 22.0, 76.0])
    ways = [
        (np.array([[0, 14, body.apex_z_mm + 40], carina]), [9.0, 9.0]),
        (np.array([carina, [-22, 24, 58], [-46, 26, 44]]), [7.5, 6.5, 5.0]),
        (np.array([carina, [24, 26, 56], [48, 28, 42]]), [7.0, 6.0, 5.0]),
        (np.array([[-46, 26, 44], [-58, 36, 10], [-62, 46, -20]]), [4.5, 3.5, 2.5]),
        (np.array([[48, 28, 42], [60, 38, 8], [64, 46, -20]]), [4.5, 3.5, 2.5]),
        (np.array([[-46, 26, 44], [-66, 6, 70], [-74, 0, 95]]), [3.5, 3.0, 2.0]),
        (np.array([[48, 28, 42], [66, 4, 70], [74, 0, 95]]), [3.5, 3.0, 2.0]),
    ]
    solids = [tube(canvas.grid, points, radii) for points, radii in ways]
    for solid in solids:
        canvas.paint(solid, 10.0, grow_mm=1.5)
    for solid in solids:
        canvas.paint(solid, -990.0)


def _paint_oesophagus(canvas: Canvas, body: Body) -> None:
    y = body.spine_y_mm - body.vertebra_mm - 7
    points = np.array([[2, y, 220], [3, y, 60], [6, y - 1, 0], [14, y - 6, -60], [26, y - 16, -85]])
    solid = tube(canvas.grid, points, [7.5] * 5)
    canvas.paint(solid, 45.0)
    canvas.paint(solid, -250.0, grow_mm=-5.0)


def _paint_table(canvas: Canvas, body: Body, fields: ThoraxFields) -> None:
    """The patient table: a shallow carbon shell under the back."""
    grid = canvas.grid
    lowest = body.cavity_half_mm[1] + body.fat_mm + body.muscle_mm
    top = np.float32(lowest + 6) - grid.x**2 * np.float32(1 / 900)
    shell = np.maximum(np.abs(grid.y - top - 3) - 2.5, np.abs(grid.x) - 190)
    canvas.paint(Solid(box=_whole(canvas), distance_mm=np.maximum(shell, 2 - fields.skin_mm)), -250.0)
