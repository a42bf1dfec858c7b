"""Classification for ``ctloop bench acquisition``: chests, a poor teacher, its student, and students of experts.

The network is a small CT-Scroll; every training is a copy of the same start with the same steps, half of each
batch from experts as soon as there are answers, the rest from the teacher's probabilities.
"""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from components.metrics.ranking import auroc
from components.models.classification import ClassificationModule
from components.models.classifiers import Classifier, build_classifier
from components.models.findings_loss import positive_weights
from components.models.fit import seeded
from components.models.labeled import LabeledScan
from components.models.scans import ScanDataset
from components.models.train_classification import classifier_config
from components.models.training_plan import Augmentation, ClassificationPlan
from components.scorecard.columns import CLASS_SCORE, EMBEDDING, IMAGE, OUTPUT
from components.scorecard.image_statistics import image_statistics
from components.scorecard.uncertainty import binary_entropy_bits
from components.volume.volume import Volume
from components.volume.window import window_to_unit
from pipelines.bench.acquisition_chest_pool import FINDINGS, GRID, SHAPE
from pipelines.bench.acquisition_curves import Metric
from pipelines.bench.acquisition_pool import BROKEN, Pool

Floats = npt.NDArray[np.float64]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]

PLAN = ClassificationPlan(
    shape=SHAPE, widths=(8, 16, 32, 64), max_pool=False, embedding=64, heads=4, window=4, hidden=64,
    token_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.1, batch_size=8, learning_rate=2e-3,
    positive_weight_cap=5.0,
    augmentation=Augmentation(
        scale=0.06, rotation_degrees=0.0, shift_share=0.04, mirror=0.5, contrast=0.05, noise=0.03
    ),
)  # fmt: skip
TEACHER_STEPS, START_STEPS, TUNE_STEPS, TUNE_RATE = 200, 200, 100, 1e-3
_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Chests:
    """A ``Learner``; ``Chests.prepare`` makes what ``Chests.load`` reads.

    Args:
        pool, test: of one seed, with findings.
        pseudo: ``(n, l)`` the teacher's probabilities of the pool's frames.
        network: the student of the teacher, from which every training starts.
    """

    seed: int
    pool: Pool
    test: Pool
    pseudo: npt.NDArray[np.float32]
    network: Classifier

    @staticmethod
    def prepare(pool: Pool, taught: Pool, seed: int, folder: Path) -> None:
        """Train the teacher on few scans of one site, let it judge the pool, and train its student."""
        truth = taught.labels.astype(np.float32)
        teacher = trained(new_network(seed), _scans(taught, truth, "expert"), [], seed, steps=TEACHER_STEPS)
        pseudo = say(teacher, pool.voxels)[0].astype(np.float32)
        start = trained(new_network(seed + 1), [], _scans(pool, pseudo, "pseudo"), seed, steps=START_STEPS)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "pseudo.npy", pseudo, allow_pickle=False)
        save_file(start.state_dict(), folder / "start.part")
        os.replace(folder / "start.part", folder / "start.safetensors")

    @staticmethod
    def load(pool: Pool, test: Pool, seed: int, folder: Path) -> Chests:
        network = new_network(seed)
        network.load_state_dict(load_file(folder / "start.safetensors"))
        pseudo = np.load(folder / "pseudo.npy", allow_pickle=False)
        return Chests(seed=seed, pool=pool, test=test, pseudo=pseudo, network=network.eval())

    @property
    def frames(self) -> pd.DataFrame:
        return self.pool.frames

    def start(self) -> Classifier:
        return self.network

    def learn(self, rows: Sequence[int]) -> Classifier:
        """On experts' findings, and the teacher's of all other patients."""
        if not rows:
            return self.network
        experts = _scans(self.pool, self.pool.labels.astype(np.float32), "expert")
        others = _scans(self.pool, self.pseudo, "pseudo")
        known = {experts[row].patient_id for row in rows}
        rest = [scan for scan in others if scan.patient_id not in known]
        return trained(
            self.network, [experts[row] for row in rows], rest, self.seed, steps=TUNE_STEPS, rate=TUNE_RATE
        )

    def judge(self, model: Classifier) -> Floats:
        """``(patients, l)`` probabilities."""
        return say(model, self.test.voxels)[0]

    def answered(
        self, rows: Sequence[int], model: Classifier, generator: np.random.Generator
    ) -> tuple[Floats, list[bool]]:
        """A minute to open a scan, one for each finding to report, and the longer the more the proposal misleads."""
        truth = self.pool.labels[list(rows)].astype(np.float64)
        error = np.abs(say(model, self.pool.voxels[list(rows)])[0] - truth).mean(axis=1)
        sound = (self.frames["kind"].iloc[list(rows)] != BROKEN).to_numpy()
        minutes = 1.0 + sound * (truth.sum(axis=1) + 6.0 * error)
        return minutes * generator.lognormal(0.0, 0.15, len(minutes)), sound.tolist()

    def cards(self, model: Classifier | None) -> pd.DataFrame:
        if model is None:
            return self._identity.assign(uncertainty=0.0, **_columns(OUTPUT, self.pseudo.astype(np.float64)))
        probability, embedding = say(model, self.pool.voxels)
        bits = binary_entropy_bits(probability)
        measured = {
            "uncertainty": bits.mean(axis=1),
            "predictive_entropy": bits.mean(axis=1) * np.log(2.0),
            **_columns(OUTPUT, probability),
            **_columns(CLASS_SCORE, bits * np.log(2.0) * probability),
        }
        seen = pd.DataFrame(embedding, columns=[f"{EMBEDDING}{i:03d}" for i in range(embedding.shape[1])])
        return pd.concat([self._identity.assign(**measured), self._images, seen], axis=1)

    @cached_property
    def _identity(self) -> pd.DataFrame:
        return self.frames[["frame_id", "case_id", "patient_id", "batch", "phase_percent"]]

    @cached_property
    def _images(self) -> pd.DataFrame:
        rows = [image_statistics(Volume(voxels_hu=frame, geometry=GRID)) for frame in self.pool.voxels]
        return pd.DataFrame(rows).add_prefix(IMAGE)


def mean_auroc(truth_nl: npt.NDArray[np.uint8], shares: Mapping[str, float]) -> Metric:
    """AUROC of each finding, averaged with ``shares``; a metric of probabilities ``(s, n, l)``."""
    chosen = [(FINDINGS.index(name), share) for name, share in shares.items()]

    def score(judged_snl: Floats, weights_bn: Floats) -> Floats:
        parts = [
            [share * auroc(truth_nl[:, k].astype(np.float64), step[:, k], weights_bn) for k, share in chosen]
            for step in judged_snl
        ]
        return np.stack([np.sum(part, axis=0) for part in parts], axis=1) / sum(shares.values())

    return score


def new_network(seed: int) -> Classifier:
    """With weights drawn from ``seed``."""
    return seeded(lambda: build_classifier(classifier_config(PLAN, len(FINDINGS))), seed)


def trained(
    network: Classifier, experts: Sequence[LabeledScan], others: Sequence[LabeledScan], seed: int, *,
    steps: int, rate: float = PLAN.learning_rate,
) -> Classifier:  # fmt: skip
    """A copy of ``network`` after ``steps`` of batches that experts and others share evenly, where there are both."""
    scans = [*experts, *others]
    positive = positive_weights(
        np.stack([scan.findings for scan in scans]),
        [scan.patient_id for scan in scans],
        PLAN.positive_weight_cap,
    )
    module = ClassificationModule(
        copy.deepcopy(network), positive_l=torch.from_numpy(positive), rate=rate, weight_decay=PLAN.weight_decay,
        steps=steps,
    )  # fmt: skip
    told = module.configure_optimizers()
    optimiser, schedule = told["optimizer"], told["lr_scheduler"]["scheduler"]
    module.train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # dropout
        for number, batch in enumerate(
            _batches([group for group in (experts, others) if group], seed, steps)
        ):
            optimiser.zero_grad(set_to_none=True)
            module.training_step(batch, number).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return module.network.eval()


def _batches(groups: Sequence[Sequence[LabeledScan]], seed: int, steps: int) -> Iterator[Batch]:
    plan = dataclasses.replace(PLAN, seed=seed)
    sets, each = [ScanDataset(group, plan) for group in groups], plan.batch_size // len(groups)
    for step in range(steps):
        items = [data[step * each + i] for data in sets for i in range(each)]
        image, valid, findings, weight = (torch.stack(parts) for parts in zip(*items, strict=True))
        yield image, valid, findings, weight


@torch.inference_mode()
def say(network: Classifier, voxels_hu: npt.NDArray[np.int16]) -> tuple[Floats, Floats]:
    """Probabilities ``(n, l)`` and embeddings ``(n, d)`` of scans ``(n, z, y, x)``."""
    unit = torch.from_numpy(window_to_unit(voxels_hu, *PLAN.window_hu) + np.float32(PLAN.shift))
    parts = [network(unit[start : start + _AT_ONCE]) for start in range(0, len(unit), _AT_ONCE)]
    logits, embedding = (torch.cat(own).double() for own in zip(*parts, strict=True))
    return logits.sigmoid().numpy(), embedding.numpy()


def _scans(pool: Pool, findings_nl: npt.NDArray[np.float32], provenance: str) -> list[LabeledScan]:
    return [
        LabeledScan(
            case_id=str(frame), patient_id=str(patient), provenance=provenance, read_hu=partial(_given, voxels),
            findings=own,
        )
        for frame, patient, voxels, own in zip(
            pool.frames["frame_id"], pool.frames["patient_id"], pool.voxels, findings_nl, strict=True
        )
    ]  # fmt: skip


def _given(voxels: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    return voxels


def _columns(prefix: str, values_nl: Floats) -> dict[str, Floats]:
    return {f"{prefix}{name}": values_nl[:, k] for k, name in enumerate(FINDINGS)}
