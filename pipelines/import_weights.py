"""Job: weights that others trained, checked, judged on the held-out patients of this workspace, and registered."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from components.cohort.findings import CT_RATE_FINDINGS
from components.errors import InputError
from components.operations.evaluate_classification import evaluate_classification
from components.operations.evaluation import Evaluation
from components.operations.register_model import register_model, subject_of
from components.registry.ledger import Ledger
from components.registry.package import assemble_package
from components.registry.registry import ModelVersion, Registry
from components.scorecard.columns import IDENTITY
from components.volume.volume import Volume
from pipelines.evaluate_params import EvaluateParams
from pipelines.held_out import expert_findings, frames_of
from pipelines.package_dossier import add_dossier
from pipelines.params import load_section
from pipelines.progress import bar, say, write_json
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from components.models.description import ModelDescription
    from components.models.prediction import Predictor


def import_ct_scroll(
    workspace: Workspace,
    weights: Path,
    *,
    thresholds: Path | None,
    registry: Registry,
    ledger: Ledger,
    name: str,
) -> ModelVersion:
    """Register the authors' checkpoint as the challenger ``name``; calling again changes nothing.

    Everything is checked before anything is registered. Where the workspace has held-out patients, it is judged on
    them, so that gate and monitoring treat it as any other model; where it has none, its package says so.

    Raises ``InputError`` for weights that do not fit or run code, and for thresholds that do not.
    """
    from components.models.package import load_predictor

    called = read_thresholds(thresholds) if thresholds is not None else {}
    params = load_section(EvaluateParams, workspace.params, "evaluate", "classification")
    with tempfile.TemporaryDirectory() as scratch:
        model, judged = Path(scratch) / "model", Path(scratch) / "judged"
        _write_model(model, weights)
        judged.mkdir()
        source = (
            f"published with the weights: {thresholds.name}" if thresholds else "none: 0.5 for every finding"
        )
        write_json(judged / "calibration.json", {"temperature": {}, "thresholds": called, "source": source})
        (model / "calibration.json").write_bytes((judged / "calibration.json").read_bytes())
        evaluation = _evaluate(workspace, load_predictor(model), called, params)
        evaluation.per_patient.to_parquet(judged / "per_patient.parquet", index=False)
        evaluation.reference.to_parquet(judged / "reference.parquet", index=False)
        metrics = Path(scratch) / "metrics.json"
        write_json(metrics, {"task": "classification", **evaluation.metrics})
        champion = registry.by_alias(name, "champion")
        facts = _facts(weights) | ({"parent": subject_of(champion)} if champion else {})
        package = Path(scratch) / "package"
        package_hash = assemble_package(
            package, model=model, evaluation=judged, metrics=metrics, lineage=facts
        )
        tags = {key: str(value) for key, value in facts.items() if isinstance(value, str)}
        tags |= add_dossier(
            workspace, "classification", package,
            name=name, package_hash=package_hash, registry=registry, parent=champion,
        )  # fmt: skip
        return register_model(
            registry, ledger, name=name, package=package, package_hash=package_hash, tags=tags
        )


def read_thresholds(path: Path) -> dict[str, float]:
    """Finding → threshold from ``{"thresholds": {label: value}}``, labels written in any usual way.

    Raises ``InputError`` unless each of the 18 findings of CT-RATE has one value in [0, 1].
    """
    try:
        content = json.loads(path.read_text())["thresholds"]
        found = {finding_of(str(label)): float(value) for label, value in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _bad_thresholds(path, f"a file that cannot be read ({type(error).__name__})") from error
    wrong = [f"nothing for {name}" for name in CT_RATE_FINDINGS if name not in found]
    wrong += [f"the unknown {name!r}" for name in found if name not in CT_RATE_FINDINGS]
    wrong += [f"{value} for {name}" for name, value in found.items() if not 0.0 <= value <= 1.0]
    if wrong or len(found) != len(content):
        raise _bad_thresholds(path, ", ".join(wrong[:3]) or "a label twice")
    return {name: found[name] for name in CT_RATE_FINDINGS}


def finding_of(label: str) -> str:
    """``Lung nodule`` → ``lung_nodule``."""
    return "_".join(label.lower().replace("_", " ").replace("-", " ").split())


def _write_model(folder: Path, weights: Path) -> None:
    from components.models.package import build_network, write_model
    from components.models.published_weights import load_published

    description = published_description()
    network = build_network(description)
    load_published(network, weights)
    write_model(folder, network, description)


def published_description() -> ModelDescription:
    """What CT-Scroll's published weights want to see and answer (arXiv 2503.20652, section 3)."""
    from components.models.ct_scroll import PUBLISHED
    from components.models.description import InputContract, ModelDescription

    return ModelDescription(
        task="classification",
        architecture=dataclasses.asdict(PUBLISHED),
        input=InputContract(
            spacing_mm=(1.5, 0.75, 0.75), window_hu=(-1000.0, 200.0), shift=-0.449, shape=(240, 480, 480)
        ),
        label_names=CT_RATE_FINDINGS,
        training={"source": "published CT-Scroll checkpoint"},
    )


def _evaluate(
    workspace: Workspace, predictor: Predictor, thresholds: dict[str, float], params: EvaluateParams
) -> Evaluation:
    from components.adapters.blosc_store import load_volume

    folder = workspace.prepared("classification") / "frames"
    held_out = workspace.split("classification").is_file() and folder.is_dir()
    if held_out:
        frames, truth = frames_of(workspace, "classification", "test"), expert_findings(workspace)
    else:
        frames, truth = pd.DataFrame(columns=list(IDENTITY)), pd.DataFrame()
    say(f"judging the imported model on {len(frames)} held-out scans of this workspace")

    def load(frame: str) -> Volume:
        return load_volume(folder / f"{frame}.b2nd")

    return evaluate_classification(
        predictor, frames, load, truth, thresholds, params.intervals, progress=bar("import-weights")
    )


def _facts(weights: Path) -> dict[str, Any]:
    """Lineage; whose scans trained the weights is unknown here, so none of ours did."""
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "task": "classification",
        "source": "published CT-Scroll checkpoint",
        "weights_sha256": digest,
        "training_patients": [],
        "test_patients": 0,
        "hashes": {},
    }


def _bad_thresholds(path: Path, got: str) -> InputError:
    return InputError(
        expected=f'{{"thresholds": {{label: value}}}} with the 18 labels of CT-RATE in {path.name}',
        got=got,
        hint="the file published beside the weights, or leaving --thresholds out",
    )
