"""The page on a judged classifier: what it says, what it shows, and what it leaves out with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.cohort.task import Task
from components.errors import InputError, ParameterError
from components.models.prediction import FramePrediction
from components.operations.evaluate_classification import evaluate_classification
from components.operations.evaluation import IntervalParams
from components.volume.volume import Volume
from pipelines.classification_report import JudgedClassifier
from pipelines.evaluate_params import EvaluateParams
from pipelines.evaluation_figures import classification_figures
from tests.components.operations.model_fakes import chest_frames, prediction
from tests.pipelines.test_evaluation_figures import tags_of

PARAMS = IntervalParams(seed=0, draws=50, level=0.95)
CALIBRATION = {
    "temperature": {"emphysema": 2.0},
    "thresholds": {"emphysema": 0.4},
    "positives": {"emphysema": 12, "atelectasis": 0},
    "negatives": {"emphysema": 9, "atelectasis": 0},
    "source": "expert labels of other patients",
    "rule": "highest F1",
}


@dataclass(frozen=True, kw_only=True)
class Told:
    """Says for each patient number what it was told, else 0.2."""

    said: Mapping[int, float]
    task: Task = "classification"
    label_names: tuple[str, ...] = ("emphysema", "atelectasis")

    def predict(self, volume: Volume) -> FramePrediction:
        value = self.said.get(int(volume.voxels_hu[0, 0, 0]), 0.2)
        return prediction(None, dict.fromkeys(self.label_names, value))


def judged(
    said: Mapping[int, float], *, patients: int = 12, error_cases: int = 2, failing: tuple[str, ...] = ()
) -> JudgedClassifier:
    """Odd patients have emphysema; nobody knows of atelectasis; patient 4's scan is gone when pictures are made."""
    frames, load, truth = chest_frames(patients)

    def read(frame: str) -> Volume:
        if frame in failing:
            raise InputError(expected="a chest", got="nothing", hint="another series")
        return load(frame)

    evaluation = evaluate_classification(
        Told(said=said), frames.assign(kernel=["sharp"] * (patients - 1) + ["soft"]), read, truth,
        CALIBRATION["thresholds"], PARAMS, temperature=CALIBRATION["temperature"],  # type: ignore[arg-type]
    )  # fmt: skip

    def later(frame: str) -> Volume:
        if frame == "case04":
            raise InputError(expected="a scan", got="none", hint="another")
        return load(frame)

    return JudgedClassifier(
        evaluation=evaluation, calibration=CALIBRATION, load=later, error_cases=error_cases
    )


def page_of(folder: Path, model: JudgedClassifier) -> str:
    model.write_report(folder, heading="A <judged> model", eyebrow="test", params=PARAMS)
    return (folder / "index.html").read_text()


GOOD = dict.fromkeys(range(1, 12, 2), 0.9)


def test_the_page_stands_alone_and_is_the_same_again(tmp_path: Path) -> None:
    model = judged({**GOOD, 3: 0.1, 4: 0.95, 6: 0.5})
    page = page_of(tmp_path, model)
    assert page_of(tmp_path, model) == page
    assert not re.search(r"(src|href|srcset)=\"(?!data:image/)", page)
    assert "<script" not in page
    assert "A &lt;judged&gt; model" in page
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert all(len(image["alt"] or "") > 20 for image in tags_of(page, "img"))
    assert all(cell.get("scope") in ("row", "col") for cell in tags_of(page, "th"))


def test_the_page_shows_the_errors_and_says_why_one_has_no_picture(tmp_path: Path) -> None:
    page = page_of(tmp_path, judged({**GOOD, 3: 0.1, 4: 0.95, 6: 0.5}))
    assert "2 false alarms, 1 missed" in page
    cases = re.findall(r"probability (0\.\d+) · case <code>(case\d+)</code>", page)
    assert cases == [("0.950", "case04"), ("0.500", "case06"), ("0.100", "case03")]
    assert page.count("the scan cannot be read") == 1
    assert page.count("Slices of scan") == 2


def test_the_page_says_how_thresholds_came_about_and_what_was_not_judged(tmp_path: Path) -> None:
    page = " ".join(page_of(tmp_path, judged(GOOD)).split())
    assert "expert labels of other patients, threshold of highest F1" in page
    assert "12 / 9" in page
    assert "atelectasis (0 / 0)" in page
    assert "too few to be judged" in page  # the one patient of the soft kernel
    assert "Error review" not in page  # there is no error


def test_the_page_has_each_finding_of_each_subgroup(tmp_path: Path) -> None:
    page = " ".join(page_of(tmp_path, judged({**GOOD, 3: 0.1})).split())
    rows = page[page.index("emphysema: 3 of 4 groups") : page.index("atelectasis: 0 of 4 groups")]
    assert "soft" in rows
    assert "1 patient: too few to be judged" in rows
    (one,) = re.findall(r'<td class="word">one</td> (.*?)</tr>', rows)
    assert re.findall(r">([\d.]+)<", one)[:2] == ["3", "3"]
    others = page[page.index("atelectasis: 0 of 4 groups") :]
    assert "fewer than two patients with it: not judged" in others


def test_the_page_counts_failed_scans_names_whom_they_exclude_and_bounds_sensitivity(tmp_path: Path) -> None:
    page = " ".join(page_of(tmp_path, judged(GOOD, failing=("case03", "case04"))).split())
    assert "2 of 12 scans could not be predicted" in page
    assert "2 patients with findings of an expert are judged by nothing" in page
    assert "expected a chest, got nothing, try another series" in page
    assert "Patients judged by nothing: <code>p03</code>, <code>p04</code>." in page
    assert "0.833 to 1.000" in page  # five of six called, had the sixth been missed
    assert "could not be predicted" not in page_of(tmp_path / "none", judged(GOOD))


def test_nothing_to_judge_is_a_page_too(tmp_path: Path) -> None:
    model = judged({}, patients=1)
    page = page_of(tmp_path / "page", model)
    assert "No finding can be judged" in page
    assert "One patient has no interval" in page
    classification_figures(tmp_path / "figures", model, PARAMS)
    assert not (tmp_path / "figures").exists()


def test_no_pictures_when_none_are_wanted(tmp_path: Path) -> None:
    page = page_of(tmp_path, judged({**GOOD, 3: 0.1}, error_cases=0))
    assert "0 false alarms, 1 missed" in page
    assert "Slices of scan" not in page


def test_one_volume_is_held_at_a_time(tmp_path: Path) -> None:
    import gc
    import weakref

    model = judged(dict.fromkeys(range(12), 0.5))
    alive: list[weakref.ref[Volume]] = []
    most = 0

    def counting(frame: str) -> Volume:
        nonlocal most
        gc.collect()
        most = max(most, sum(ref() is not None for ref in alive))
        volume = Volume(
            voxels_hu=model.load("case00").voxels_hu.copy(), geometry=model.load("case00").geometry
        )
        alive.append(weakref.ref(volume))
        return volume

    page = page_of(
        tmp_path,
        JudgedClassifier(evaluation=model.evaluation, calibration=CALIBRATION, load=counting, error_cases=5),
    )
    assert page.count("Slices of scan") == len(alive) == 5
    assert most == 0


def test_a_missing_calibration_of_a_finding_is_shown_as_none() -> None:
    model = judged(GOOD)
    assert model.scores.threshold("emphysema") == 0.4
    assert model.scores.threshold("atelectasis") == 0.5


@pytest.mark.parametrize(
    "wrong", [{"min_subgroup_patients": 0}, {"error_cases": -1}, {"calibration_cases": -1}]
)
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, int]) -> None:
    given = {"seed": 0, "draws": 10, "calibration_cases": 4} | wrong
    with pytest.raises(ParameterError, match="min_subgroup_patients >= 1"):
        EvaluateParams(level=0.95, **given)


def test_drops_compare_with_the_packages_own_patients() -> None:
    model = judged({**GOOD, 3: 0.1, 4: 0.95})
    generator = np.random.default_rng(0)
    truth = np.arange(20) % 2.0
    own = pd.DataFrame(
        {
            "patient_id": [f"own{i}" for i in range(20)],
            "truth_emphysema": truth,
            "probability_emphysema": np.clip(truth + generator.normal(0, 0.1, 20), 0, 1),
        }
    )
    rows = {(row["metric"], row["label"]): row for row in model.drops(own, PARAMS)}
    assert {label for _, label in rows} == {"macro", "weighted", "emphysema"}
    assert rows["auroc", "macro"]["held_out"]["value"] == 1.0
    assert rows["auroc", "macro"]["drop"]["value"] > 0.0
