"""Figures and report of a segmentation model, also of one that fails."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from components.operations.evaluate_segmentation import evaluate_segmentation
from components.operations.evaluation import IntervalParams
from components.volume.volume import LabelMap
from pipelines.evaluation_figures import segmentation_figures
from pipelines.predicted_labels import PredictedLabels
from pipelines.segmentation_report import JudgedModel, judged_overlays
from tests.components.operations.model_fakes import Segmenter, cine_frames, truth_of

PARAMS = IntervalParams(seed=0, draws=50, level=0.95)


def judged(model: Segmenter, *, patients: int = 4, phases: int = 3, experts: bool = True) -> JudgedModel:
    frames, load = cine_frames(patients, phases)

    def expert(frame: str) -> LabelMap | None:
        return truth_of(load(frame)) if experts else None

    kept = PredictedLabels()
    evaluation = evaluate_segmentation(model, frames, load, expert, PARAMS, on_prediction=kept.keep)
    return JudgedModel(
        evaluation=evaluation,
        structures=model.label_names,
        load=load,
        expert=expert,
        predicted=kept.label_map,
    )


def page_of(folder: Path, model: JudgedModel) -> str:
    model.write_report(folder, heading="A <judged> model", eyebrow="test", params=PARAMS)
    return (folder / "index.html").read_text()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags_of(page: str, name: str) -> list[dict[str, str | None]]:
    parser = Tags()
    parser.feed(page)
    return [attributes for tag, attributes in parser.found if tag == name]


def test_failed_frames_are_left_out(tmp_path: Path) -> None:
    model = judged(Segmenter(fails_on=(2,)))
    segmentation_figures(tmp_path, model)
    files = {path.name for path in tmp_path.glob("*.png")}
    assert files == {"dice.png", "hd95.png", "overlays.png", "volume_curves.png"}
    captions = [overlay.caption for overlay in judged_overlays(model)]
    assert [caption.split(":")[0] for caption in captions] == ["worst", "median", "best"]
    assert not any("case02" in caption for caption in captions)


def test_a_model_that_fails_on_every_frame_has_its_intervals_only(tmp_path: Path) -> None:
    model = judged(Segmenter(fails_on=(0, 1, 2, 3)))
    segmentation_figures(tmp_path / "figures", model)
    assert {path.name for path in (tmp_path / "figures").glob("*.png")} == {"dice.png", "hd95.png"}
    page = page_of(tmp_path / "report", model)
    assert "The model failed on 12 frames" in page
    assert not list((tmp_path / "report").glob("cine-*"))


def test_the_report_stands_alone_and_is_the_same_again(tmp_path: Path) -> None:
    model = judged(Segmenter(shift=1))
    page = page_of(tmp_path, model)
    assert page_of(tmp_path, model) == page
    assert not re.search(r"(src|href|srcset)=\"(?!data:image/)", page)
    assert "<script" not in page
    assert "A &lt;judged&gt; model" in page
    for section in (
        "Each structure",
        "Each patient",
        "The beating heart",
        "Volumes over the cycle",
        "proves nothing",
    ):
        assert section in page


def test_pictures_have_words_and_a_still_for_who_wants_no_motion(tmp_path: Path) -> None:
    page = page_of(tmp_path, judged(Segmenter(shift=1)))
    pictures = tags_of(page, "img")
    assert len(pictures) >= 4
    assert all(len(picture["alt"] or "") > 20 for picture in pictures)
    media = [source["media"] or "" for source in tags_of(page, "source")]
    assert sum("reduced-motion" in query for query in media) == len(list(tmp_path.glob("cine-*.webp")))
    assert sum("color-scheme: dark" in query for query in media) == 3
    assert all(cell.get("scope") in ("row", "col") for cell in tags_of(page, "th"))


def test_without_experts_the_first_case_is_shown(tmp_path: Path) -> None:
    page = page_of(tmp_path, judged(Segmenter(), experts=False))
    assert "No patient with an expert" in page
    assert {path.name for path in tmp_path.glob("cine-*")} == {"cine-first.webp", "cine-first.png"}


@pytest.mark.parametrize(("patients", "ranks"), [(1, {"only"}), (2, {"worst", "best"})])
def test_few_cases_have_their_own_names(tmp_path: Path, patients: int, ranks: set[str]) -> None:
    page = page_of(tmp_path, judged(Segmenter(shift=1), patients=patients))
    assert {path.stem.removeprefix("cine-") for path in tmp_path.glob("cine-*.png")} == ranks
    assert ("One patient has no" in page) == (patients == 1)


def test_a_plain_ct_has_no_cine(tmp_path: Path) -> None:
    page = page_of(tmp_path, judged(Segmenter(shift=1), phases=1))
    assert "beating heart" not in page
    assert not list(tmp_path.glob("cine-*"))


def test_worst_and_best_case_are_those_of_dice(tmp_path: Path) -> None:
    """Larger shifts of the ventricle for later patients."""
    frames, load = cine_frames(3, 3)

    class Worse(Segmenter):
        def predict(self, volume):  # type: ignore[no-untyped-def]
            return Segmenter(shift=int(volume.voxels_hu[0, 0, 0])).predict(volume)

    kept = PredictedLabels()
    evaluation = evaluate_segmentation(
        Worse(), frames, load, lambda f: truth_of(load(f)), PARAMS, on_prediction=kept.keep
    )
    model = JudgedModel(
        evaluation=evaluation, structures=("left_ventricle", "aorta"), load=load,
        expert=lambda f: truth_of(load(f)), predicted=kept.label_map,
    )  # fmt: skip
    page = page_of(tmp_path, model)
    order = re.findall(r"(Worst|Median|Best) case, <code>(\w+)</code>", page)
    assert order == [("Worst", "case02"), ("Median", "case01"), ("Best", "case00")]


@pytest.mark.parametrize("experts", [True, False])
def test_kept_label_maps_are_those_predicted(experts: bool) -> None:
    model = judged(Segmenter(shift=1), experts=experts)
    frame = str(pd.Series(model.evaluation.frames["frame_id"]).iloc[4])
    found, expected = model.predicted(frame), Segmenter(shift=1).predict(model.load(frame)).labels
    assert found is not None
    assert expected is not None
    assert (found.labels == expected.labels).all()
    assert model.predicted("nobody") is None
