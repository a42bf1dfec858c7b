from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.adapters.evidently_reports import patient_table, save_drift_report
from components.drift.verdict import DriftParams, DriftVerdict, assess_drift
from components.scorecard.reference_threshold import reference_threshold
from tests.components.drift.population import scorecards


def drifted() -> tuple[DriftVerdict, object, object]:
    generator = np.random.default_rng(0)
    reference = scorecards(14, generator, frames=2)
    window = scorecards(12, generator, frames=2, name="w", embedding_shift=8, new_site=1.0)
    return assess_drift(reference, window, DriftParams(permutations=999)), reference, window


def test_the_table_has_one_row_per_patient_without_identifiers() -> None:
    verdict, _, window = drifted()
    table = patient_table(verdict, window.assign(predicted_quality=0.8))  # type: ignore[attr-defined]
    assert len(table) == 12
    channels = ("metadata", "image", "embeddings", "outputs", "uncertainty", "joint")
    assert set(table) == {
        "uncertainty",
        "temporal_jump",
        "predicted_quality",
        *(f"{what}_{name}" for name in channels for what in ("p", "effect")),
    }


@pytest.mark.slow
def test_the_run_opens_again_with_our_verdict_as_its_tests(tmp_path: Path) -> None:
    from evidently.ui.workspace import Workspace

    verdict, reference, window = drifted()
    threshold = reference_threshold(reference, "uncertainty", 0.95)
    assert threshold is not None
    for _ in range(2):
        save_drift_report(
            tmp_path / "evidently",
            project="ctloop-segmentation",
            name="batch-2",
            verdict=verdict,
            scorecards=window.assign(predicted_quality=0.8),  # type: ignore[attr-defined]
            thresholds=[threshold],
            min_patients=8,
            metadata={"batch": "batch-2"},
        )
    workspace = Workspace.create(str(tmp_path / "evidently"))
    (project,) = workspace.search_project("ctloop-segmentation")
    (run_id,) = workspace.list_runs(project.id)
    run = workspace.get_run(project.id, run_id)
    status = {test.name: test.status.value for result in run.metric_results.values() for test in result.tests}
    failed = {name for name, value in status.items() if value == "FAIL"}
    assert any("p_metadata" in name for name in failed)
    assert any("p_embeddings" in name for name in failed)
    assert not any("p_outputs" in name for name in failed)
    assert run.metadata["verdict"] == "drift"
    assert "site south" in run.metadata["attribution"]
    values = {result.display_name: result for result in run.metric_results.values()}
    assert any("effect_embeddings" in name for name in values)
    assert any("predicted_quality" in name for name in values)
