from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.operations.evaluation import Evaluation
from components.operations.learn_quality import learn_quality
from components.scorecard.conformal_sets import fit_sets
from components.scorecard.predicted_quality import fit_quality

THRESHOLDS = {"nodule": 0.6, "effusion": 0.5}


def cards(patients: int) -> pd.DataFrame:
    """Two frames each; the second of every third patient is not judged."""
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "frame_id": f"c{i:02d}-{frame}",
            "case_id": f"c{i:02d}",
            "patient_id": f"p{i:02d}",
            "predictive_entropy": float(generator.uniform(0.05, 0.6)),
        }
        for i in range(patients)
        for frame in (0, 1)
    )


def segmentation(patients: int) -> Evaluation:
    reference = cards(patients)
    frames = reference[["frame_id"]].assign(
        judged=[not (i % 2 and i // 2 % 3 == 0) for i in range(len(reference))],
        dice_mean=1.0 - reference["predictive_entropy"],
    )
    return Evaluation(metrics={}, per_patient=pd.DataFrame(), frames=frames, reference=reference)


def classification(patients: int) -> Evaluation:
    reference = cards(patients).drop_duplicates("case_id")
    generator = np.random.default_rng(1)
    truth = generator.integers(0, 2, (patients, 2)).astype(float)
    truth[0, 0] = np.nan
    said = np.clip(0.5 + (truth - 0.5) * generator.uniform(-0.5, 1.0, truth.shape), 0.01, 0.99)
    table = reference[["frame_id", "case_id", "patient_id"]].reset_index(drop=True)
    columns = {f"truth_{n}": truth[:, k] for k, n in enumerate(THRESHOLDS)}
    columns |= {f"probability_{n}": np.nan_to_num(said[:, k], nan=0.3) for k, n in enumerate(THRESHOLDS)}
    return Evaluation(metrics={}, per_patient=table.assign(**columns), frames=table, reference=reference)


def test_the_mean_dice_of_the_judged_frames_teaches() -> None:
    evaluation = segmentation(12)
    learned = learn_quality("segmentation", evaluation, {}).known
    cases, quality = [], []
    for i in range(12):
        rows = evaluation.reference.to_dict("records")[2 * i : 2 * i + (1 if i % 3 == 0 else 2)]
        cases.append([{"predictive_entropy": float(row["predictive_entropy"])} for row in rows])
        quality.append(float(np.mean([1.0 - row["predictive_entropy"] for row in rows])))
    expected = fit_quality(cases, quality, [f"p{i:02d}" for i in range(12)])
    assert expected is not None
    assert learned.quality is not None
    for array in ("weights", "fold_weights", "fold", "residual", "share"):
        np.testing.assert_allclose(getattr(learned.quality, array), getattr(expected, array))
    assert learned.sets is None
    assert "12 judged patients" in learned.words


def test_the_share_of_right_calls_teaches_and_sets_are_conformal() -> None:
    evaluation = classification(30)
    learned = learn_quality("classification", evaluation, THRESHOLDS).known
    table = evaluation.per_patient
    quality = []
    for row in table.to_dict("records"):
        right = [
            (row[f"probability_{name}"] >= level) == bool(row[f"truth_{name}"])
            for name, level in THRESHOLDS.items()
            if not np.isnan(row[f"truth_{name}"])
        ]
        quality.append(float(np.mean(right)))
    cases = [[{"predictive_entropy": float(value)}] for value in evaluation.reference["predictive_entropy"]]
    expected = fit_quality(cases, quality, list(table["patient_id"]))
    assert expected is not None
    assert learned.quality is not None
    np.testing.assert_allclose(learned.quality.weights, expected.weights)
    np.testing.assert_allclose(learned.quality.residual, expected.residual)
    sets = fit_sets(
        list(THRESHOLDS),
        table[[f"truth_{n}" for n in THRESHOLDS]].to_numpy(),
        table[[f"probability_{n}" for n in THRESHOLDS]].to_numpy(),
        list(table["patient_id"]),
    )
    assert learned.sets == sets


@pytest.mark.parametrize("patients", [0, 1, 8])
def test_too_few_patients_teach_nothing_and_it_is_said(patients: int) -> None:
    evaluation = segmentation(max(patients, 1))
    if not patients:
        evaluation = Evaluation(
            metrics={}, per_patient=pd.DataFrame(), reference=evaluation.reference,
            frames=evaluation.frames[["frame_id"]].assign(judged=False),
        )  # fmt: skip
    learned = learn_quality("segmentation", evaluation, {}).known
    assert learned.quality is None
    assert learned.words == (
        f"no predicted quality: {patients} judged patients, and an interval of 90% needs "
        "9 or more with the same signals measured"
    )


def test_the_reference_knows_each_cases_quality_and_what_others_foretell_of_it() -> None:
    evaluation = segmentation(12)
    learned = learn_quality("segmentation", evaluation, {})
    fit, table = learned.known.quality, learned.reference.drop_duplicates("case_id").set_index("case_id")
    assert fit is not None
    assert learned.known.means is not None
    frames = evaluation.reference[evaluation.reference["case_id"] == "c00"].to_dict("records")
    assert table["measured_quality"]["c00"] == pytest.approx(1.0 - frames[0]["predictive_entropy"])
    assert table["predicted_quality"]["c00"] == pytest.approx(fit.left_out(0, [frames[0]]))
    assert fit.left_out(0, [frames[0]]) != fit.estimate([frames[0]]).value  # type: ignore[union-attr]


def test_what_nobody_judged_is_foretold_and_not_measured() -> None:
    evaluation = segmentation(12)
    unjudged = evaluation.frames.assign(judged=evaluation.frames["judged"] & (evaluation.frames.index > 1))
    learned = learn_quality(
        "segmentation",
        Evaluation(metrics={}, per_patient=pd.DataFrame(), frames=unjudged, reference=evaluation.reference),
        {},
    )
    first = learned.reference.iloc[0]
    assert np.isnan(first["measured_quality"])
    assert 0 < first["predicted_quality"] < 1
