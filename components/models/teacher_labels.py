"""From a teacher's own label values to our structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.errors import EmptyPrediction, ParameterError, TeacherError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap

BACKGROUND = "background"
ANY_OTHER = "*"


@dataclass(frozen=True, kw_only=True)
class TeacherLabels:
    """How a teacher's values read in our words.

    Args:
        to_structure: the teacher's label name or value (as text) → our structure, or ``background`` to drop
            it; the key ``*`` stands for every label that is not named.
        structures: ours, in the order of our label values (1, 2, …).
    """

    to_structure: Mapping[str, str]
    structures: Sequence[str]

    def __post_init__(self) -> None:
        unknown = set(self.to_structure.values()) - {*self.structures, BACKGROUND}
        if unknown or not self.to_structure:
            raise ParameterError(
                expected=f"labels that map to {BACKGROUND} or one of {', '.join(self.structures)}",
                got=", ".join(sorted(unknown)) or "no labels",
                hint="`labels: {teacher's name or value: structure}`",
            )

    @property
    def reachable(self) -> frozenset[str]:
        """The structures that the teacher can write at all."""
        return frozenset(self.to_structure.values()) - {BACKGROUND}

    @property
    def names(self) -> dict[int, str]:
        """Our value → structure."""
        return dict(enumerate(self.structures, start=1))

    def value_of(self, label: str) -> int | None:
        """Our value for a teacher's label (0 = background); ``None`` when it is not mapped."""
        structure = self.to_structure.get(label, self.to_structure.get(ANY_OTHER))
        if structure is None:
            return None
        return 0 if structure == BACKGROUND else list(self.structures).index(structure) + 1

    def read(
        self, values_zyx: npt.NDArray[np.generic], geometry: Geometry, names: Mapping[int, str]
    ) -> LabelMap:
        """Translate a map of teacher values.

        Args:
            values_zyx: ``(z, y, x)``, whole numbers of any dtype; 0 is background.
            geometry: the grid that the map must lie on.
            names: the teacher's value → its label name, as far as it is known.

        Raises ``TeacherError`` for another shape, fractions, NaN and labels that are not mapped;
        ``EmptyPrediction`` when nothing of ours is in it.
        """
        if values_zyx.shape != geometry.shape:
            raise TeacherError(
                expected=f"a label map of the frame's shape {geometry.shape}",
                got=str(values_zyx.shape),
                hint="a teacher that returns its result on the native grid",
            )
        if values_zyx.dtype.kind not in "iufb":
            raise TeacherError(
                expected="one number per voxel", got=f"voxels of type {values_zyx.dtype}", hint="a label map"
            )
        present, inverse = np.unique(values_zyx, return_inverse=True)
        table = np.array([self._translate(value, names) for value in present], dtype=np.uint8)
        labels = table[inverse].reshape(geometry.shape)
        if not labels.any():
            raise EmptyPrediction(
                expected="at least one labelled voxel",
                got="an empty prediction",
                hint="checking orientation and field of view of the frame",
            )
        return LabelMap(labels=labels, geometry=geometry, names=self.names)

    def _translate(self, value: np.generic, names: Mapping[int, str]) -> int:
        number = float(value)
        if number == 0:
            return 0
        if not number.is_integer():  # NaN and infinity are not either
            raise TeacherError(
                expected="whole label values", got=repr(number), hint="a label map, not probabilities"
            )
        own_name = names.get(int(number))
        ours = None if own_name is None else self.value_of(own_name)
        ours = self.value_of(str(int(number))) if ours is None else ours
        if ours is None:
            raise TeacherError(
                expected=f"labels among {', '.join(self.to_structure)}",
                got=f"{int(number)}" + (f" ({own_name})" if own_name else ""),
                hint=f"mapping it under `labels`, or `'{ANY_OTHER}': {BACKGROUND}`",
            )
        return ours
