"""Which triplets of slices made a classifier say what it says about one scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from components.errors import ParameterError
from components.models.triplet_place import SlicePlace, TripletGrid, slice_of_triplet
from components.volume.geometry import Geometry
from components.volume.volume import Volume

Floats = npt.NDArray[np.float64]
Deleted = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Relevance:
    """One scan's answer, and where it comes from; t triplets from inferior to superior, l findings.

    Args:
        findings: in the order of the network's outputs.
        by_triplet: ``(l, t)`` in calibrated logits, see ``triplet_relevance``; 0 for padding.
        real: ``(t,)``, False for padding.
        probabilities: finding → calibrated probability, computed in float32.
        of_air: finding → probability of a scan of nothing but air, the zero of relevance. Where it is high, air looks
            like the finding, and more triplets seem to speak against it than do.
        grid: where the triplets lie.
        without: which triplets are left out, as padding, ``(n, t)`` → probabilities ``(n, l)``.
        without_slices: the same with slices of air instead, through the whole network; slower.
    """

    findings: tuple[str, ...]
    by_triplet: Floats
    real: npt.NDArray[np.bool_]
    probabilities: Mapping[str, float]
    of_air: Mapping[str, float]
    grid: TripletGrid
    without: Callable[[Deleted], Floats]
    without_slices: Callable[[Deleted], Floats]

    def of(self, finding: str) -> Floats:
        """``(t,)``; ``ParameterError`` for a finding that the model does not know."""
        if finding not in self.findings:
            raise ParameterError(
                expected="a finding of the model", got=repr(finding), hint=", ".join(self.findings)
            )
        return np.asarray(self.by_triplet[self.findings.index(finding)])

    def top(self, finding: str) -> int:
        """The real triplet that says most for the finding; the lowest of equals."""
        return int(np.where(self.real, self.of(finding), -np.inf).argmax())

    def place(self, finding: str, scan: Geometry) -> SlicePlace:
        """The slice of ``scan`` at the centre of the ``top`` triplet."""
        return slice_of_triplet(self.grid, self.top(finding), scan)


@runtime_checkable
class Explainer(Protocol):
    """A ``Predictor`` that can say where in a scan its findings come from."""

    @property
    def label_names(self) -> tuple[str, ...]: ...

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Finding → the probability from which it is called present."""
        ...

    def explain(self, volume: Volume) -> Relevance: ...
