"""The seven structures of the whole heart (as in the MM-WHS challenge), in the order of our label values."""

from __future__ import annotations

HEART_STRUCTURES: tuple[str, ...] = (
    "left_ventricle",
    "right_ventricle",
    "left_atrium",
    "right_atrium",
    "myocardium",
    "aorta",
    "pulmonary_artery",
)

HEART_LABELS: dict[int, str] = dict(enumerate(HEART_STRUCTURES, start=1))
