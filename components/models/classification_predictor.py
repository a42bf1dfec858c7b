"""From a frame on any grid to calibrated probabilities of findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from components.cohort.task import Task
from components.errors import StateError
from components.models.centre_crop import centre_crop, centre_geometry, real_tokens
from components.models.chest_guard import refuse_empty
from components.models.classifiers import Classifier
from components.models.ct_scroll import CTScroll
from components.models.description import ModelDescription
from components.models.dropout_members import dropout_members
from components.models.explain_scan import ScanImage, explain_scan
from components.models.prediction import FramePrediction
from components.models.relevance import Relevance
from components.models.scroll_engine import ScrollEngine, choose_scroll_engine
from components.models.training_plan import Precision
from components.models.triplet_place import TripletGrid
from components.scorecard.conformal_sets import ConformalSets
from components.scorecard.predicted_quality import PredictedQuality
from components.scorecard.uncertainty import binary_entropy_bits
from components.volume.canonical import canonical_geometry
from components.volume.resample import AIR_HU, resample
from components.volume.volume import Volume
from components.volume.window import window_to_unit


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Per finding: the temperature that divides its logit, and the probability from which it is called."""

    temperature: Mapping[str, float]
    thresholds: Mapping[str, float]

    @staticmethod
    def of(
        findings: tuple[str, ...], temperature: Mapping[str, float], thresholds: Mapping[str, float]
    ) -> Calibration:
        """Fill what is not given with 1 and 0.5; ``ValueError`` for a temperature that is not positive."""
        complete = {name: float(temperature.get(name, 1.0)) for name in findings}
        if complete and not min(complete.values()) > 0:
            raise ValueError("a temperature that is not positive")
        levels = {name: float(thresholds.get(name, 0.5)) for name in findings}
        return Calibration(temperature=complete, thresholds=levels)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassificationPredictor:
    """A ``Predictor`` for a network that classifies; see ``components.models.prediction``.

    ``quality`` and ``sets`` were learned from judged cases, and are ``None`` before there are any.
    """

    network: Classifier
    description: ModelDescription
    device: torch.device
    calibration: Calibration
    precision: Precision = "auto"
    quality: PredictedQuality | None = None
    sets: ConformalSets | None = None

    @property
    def task(self) -> Task:
        return "classification"

    @property
    def label_names(self) -> tuple[str, ...]:
        return self.description.label_names

    @property
    def thresholds(self) -> dict[str, float]:
        """Finding → the probability from which it is called present."""
        return dict(self.calibration.thresholds)

    @cached_property
    def engine(self) -> ScrollEngine:
        """Made when first needed."""
        if not isinstance(self.network, CTScroll):
            return ScrollEngine(name="torch float32", run=self.network)
        shape = self.description.input.shape
        return choose_scroll_engine(self.network, shape, device=self.device, precision=self.precision)

    def predict(self, volume: Volume) -> FramePrediction:
        """Calibrated probabilities; uncertainty is their mean binary entropy in bits."""
        scan = self.network_input(volume)
        with torch.inference_mode():
            answer, pooled = self.engine.run(scan.image, scan.real)
            members = self._members(pooled[0].float())
        logits, embedding = answer[0].double().cpu().numpy(), pooled[0].float().cpu().numpy()
        probability = 1.0 / (1.0 + np.exp(-logits / self._temperature))
        named = {name: float(p) for name, p in zip(self.label_names, probability, strict=True)}
        return FramePrediction(
            labels=None,
            probabilities=named,
            uncertainty=float(binary_entropy_bits(probability).mean()),
            embedding=embedding,
            outputs=dict(named),
            signals=_signals(probability, members),
            sets={} if self.sets is None else self.sets.words(named),
        )

    def _members(self, pooled_d: Tensor) -> npt.NDArray[np.float64] | None:
        """Probabilities ``(m, l)`` of the last layer's dropout members; ``None`` for a network without such a layer."""
        if not isinstance(self.network, CTScroll) or not self.network.config.classifier_dropout:
            return None
        logits_ml = dropout_members(self.network.classifier, pooled_d).double().cpu().numpy()
        return np.asarray(1.0 / (1.0 + np.exp(-logits_ml / self._temperature)))

    def explain(self, volume: Volume) -> Relevance:
        """Which triplets of slices made the network say so, for every finding; ``predict`` is much faster.

        Raises ``StateError`` for a network that does not see triplets.
        """
        if not isinstance(self.network, CTScroll):
            raise StateError(
                expected="a CT-Scroll, which sees triplets of slices",
                got=type(self.network).__name__,
                hint="a version that is one",
            )
        scan = self.network_input(volume)
        return explain_scan(self.network, self._run, scan, self.label_names, self._temperature)

    def _run(self, image: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor]:
        """The engine is made only when it is first needed."""
        return self.engine.run(image, real)

    def network_input(self, volume: Volume) -> ScanImage:
        """What the network is shown of a volume on any grid; ``InputError`` for an empty one, see ``refuse_empty``."""
        refuse_empty(volume)
        contract = self.description.input
        per_token = self.network.config.slices_per_token if isinstance(self.network, CTScroll) else 1
        prepared = resample(volume, canonical_geometry(volume.geometry, contract.spacing_mm))
        cropped, real = centre_crop(prepared.voxels_hu, contract.shape, AIR_HU)
        shift = np.float32(contract.shift)
        unit = window_to_unit(cropped, *contract.window_hu) + shift
        return ScanImage(
            image=torch.from_numpy(unit[None]).to(self.device),
            real=torch.from_numpy(real_tokens(real, per_token)[None]).to(self.device),
            air=float(window_to_unit(np.array([AIR_HU]), *contract.window_hu)[0] + shift),
            grid=TripletGrid(
                geometry=centre_geometry(prepared.geometry, contract.shape),
                slices_per_token=per_token,
                real_slices=real,
            ),
        )

    @property
    def _temperature(self) -> npt.NDArray[np.float64]:
        return np.array([self.calibration.temperature[name] for name in self.label_names])


def _signals(
    probability_l: npt.NDArray[np.float64], members_ml: npt.NDArray[np.float64] | None
) -> dict[str, float]:
    """See ``components.scorecard.columns``; mutual information is H of the members' mean less their mean H."""
    margin = np.abs(2.0 * probability_l - 1.0)
    found = {
        "predictive_entropy": _mean_nats(probability_l),
        "margin": float(margin.mean()),
        "least_margin": float(margin.min()),
    }
    if members_ml is None:
        return found
    information = _mean_nats(members_ml.mean(axis=0)) - _mean_nats(members_ml)
    return found | {"mutual_information": max(0.0, information)}


def _mean_nats(probability: npt.NDArray[np.float64]) -> float:
    return float(binary_entropy_bits(probability).mean() * np.log(2.0))
