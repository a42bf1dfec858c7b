import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from components.errors import StateError
from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.description import InputContract, ModelDescription
from components.models.package import load_network, load_predictor, read_description, write_model
from components.models.unet import UNet
from components.models.unet_config import UNetConfig
from components.scorecard.temporal_smoothing import TemporalSmoothing
from components.scorecard.uncertainty import binary_entropy_bits
from components.volume.geometry import Geometry
from components.volume.volume import Volume

UNET = UNetConfig(classes=3, widths=(4, 8))
SCROLL = CTScrollConfig(labels=2, widths=(4, 8), embedding=16, heads=4, window=2, hidden=8)


@pytest.fixture
def segmenter(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = UNet(UNET)
    with torch.no_grad():
        for head in network.heads:
            head[-1].bias.zero_()
    contract = InputContract(spacing_mm=(4.0, 4.0, 4.0), window_hu=(-200.0, 600.0), shape=(16, 16, 16))
    description = ModelDescription(
        task="segmentation",
        architecture=dataclasses.asdict(UNET),
        input=contract,
        label_names=("left_ventricle", "aorta"),
        training={"seed": 7},
    )
    write_model(tmp_path / "seg", network, description)
    return tmp_path / "seg"


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    contract = InputContract(
        spacing_mm=(6.0, 6.0, 6.0), window_hu=(-1000.0, 200.0), shape=(12, 32, 32), shift=-0.449
    )
    description = ModelDescription(
        task="classification",
        architecture=dataclasses.asdict(SCROLL),
        input=contract,
        label_names=("emphysema", "lung_nodule"),
    )
    write_model(tmp_path / "cls", CTScroll(SCROLL), description)
    return tmp_path / "cls"


def volume(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> Volume:
    voxels = np.random.default_rng(0).integers(-900, 500, shape).astype(np.int16)
    return Volume(voxels_hu=voxels, geometry=Geometry.axis_aligned(shape, spacing_mm, (10.0, -5.0, 3.0)))


def test_equal_models_give_equal_bytes(segmenter: Path, tmp_path: Path) -> None:
    network, description = load_network(segmenter)
    write_model(tmp_path / "again", network, description)
    for name in ("weights.safetensors", "model.json"):
        assert (tmp_path / "again" / name).read_bytes() == (segmenter / name).read_bytes()
    assert sorted(path.name for path in segmenter.iterdir()) == ["model.json", "weights.safetensors"]


def test_a_description_survives_the_file(segmenter: Path) -> None:
    description = read_description(segmenter)
    assert description.architecture == dataclasses.asdict(UNET)
    assert description.input.window_hu == (-200.0, 600.0)
    assert description.training == {"seed": 7}


def test_temporal_smoothing_survives_the_file_and_older_packages_have_none(segmenter: Path) -> None:
    network, description = load_network(segmenter)
    smooth = TemporalSmoothing(strength=0.5, margin=0.1)
    contract = dataclasses.replace(description.input, temporal=smooth)
    write_model(segmenter, network, dataclasses.replace(description, input=contract))
    assert read_description(segmenter).input.temporal == smooth
    tree = json.loads((segmenter / "model.json").read_text())
    del tree["input"]["temporal"]
    (segmenter / "model.json").write_text(json.dumps(tree))
    assert read_description(segmenter).input.temporal == TemporalSmoothing()
    tree["input"]["temporal"] = {"strength": 2.0}
    (segmenter / "model.json").write_text(json.dumps(tree))
    with pytest.raises(StateError, match=r"strength 2\.0"):
        read_description(segmenter)


@pytest.mark.parametrize(
    ("shape", "spacing_mm"), [((16, 16, 16), (4.0, 4.0, 4.0)), ((30, 21, 17), (3.0, 2.0, 5.0))]
)
def test_segmentation_answers_on_the_grid_it_was_given(
    segmenter: Path, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> None:
    predictor, scan = load_predictor(segmenter, device="cpu"), volume(shape, spacing_mm)
    first, again = predictor.predict(scan), predictor.predict(scan)
    assert first.labels is not None
    assert again.labels is not None
    assert first.labels.geometry.matches(scan.geometry)
    assert first.labels.names == {1: "left_ventricle", 2: "aorta"}
    assert np.array_equal(first.labels.labels, again.labels.labels)
    assert 0.0 <= first.uncertainty <= 1.0
    assert first.embedding.shape == (16,)
    assert first.embedding.dtype == np.float32
    count = int((first.labels.labels == 2).sum())
    assert first.outputs["aorta_ml"] == pytest.approx(count * np.prod(spacing_mm) / 1000)


def test_segmentation_does_not_depend_on_how_the_scan_is_stored(segmenter: Path) -> None:
    scan = volume((16, 16, 16), (4.0, 4.0, 4.0))
    affine = scan.geometry.affine.copy()
    affine[:, 3] += affine[:, 2] * 15
    affine[:, 2] *= -1
    flipped = Volume(
        voxels_hu=np.ascontiguousarray(scan.voxels_hu[:, :, ::-1]),
        geometry=Geometry(shape=(16, 16, 16), affine=affine),
    )
    predictor = load_predictor(segmenter, device="cpu")
    plain, mirrored = predictor.predict(scan).labels, predictor.predict(flipped).labels
    assert plain is not None
    assert mirrored is not None
    assert np.array_equal(plain.labels, mirrored.labels[:, :, ::-1])


def test_classification_says_probabilities_and_their_entropy(classifier: Path) -> None:
    answer = load_predictor(classifier, device="cpu").predict(volume((20, 40, 30), (5.0, 5.0, 5.0)))
    assert answer.labels is None
    assert set(answer.probabilities) == {"emphysema", "lung_nodule"}
    p = np.array(list(answer.probabilities.values()))
    assert answer.uncertainty == pytest.approx(float(binary_entropy_bits(p).mean()))
    assert answer.outputs == answer.probabilities
    assert answer.embedding.shape == (16,)


def test_calibration_divides_logits_and_sets_thresholds(classifier: Path) -> None:
    scan = volume((20, 40, 30), (5.0, 5.0, 5.0))
    plain = load_predictor(classifier, device="cpu")
    (classifier / "calibration.json").write_text(
        json.dumps({"temperature": {"emphysema": 2.0}, "thresholds": {"lung_nodule": 0.3}})
    )
    calibrated = load_predictor(classifier, device="cpu")
    before, after = plain.predict(scan).probabilities, calibrated.predict(scan).probabilities
    logit = np.log(before["emphysema"] / (1 - before["emphysema"]))
    assert after["emphysema"] == pytest.approx(1 / (1 + np.exp(-logit / 2)))
    assert after["lung_nodule"] == before["lung_nodule"]
    assert plain.thresholds == {"emphysema": 0.5, "lung_nodule": 0.5}
    assert calibrated.thresholds == {"emphysema": 0.5, "lung_nodule": 0.3}


def test_a_broken_calibration_is_refused(classifier: Path) -> None:
    (classifier / "calibration.json").write_text('{"temperature": {"emphysema": 0}}')
    with pytest.raises(StateError, match="calibration"):
        load_predictor(classifier)


def test_tampered_weights_are_refused(segmenter: Path) -> None:
    weights = segmenter / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(StateError, match="weights with sha256"):
        load_predictor(segmenter)


def rewrite(folder: Path, **changes: Any) -> None:
    tree = json.loads((folder / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(tree))


def test_weights_of_another_shape_are_refused(segmenter: Path) -> None:
    state = safetensors.torch.load_file(segmenter / "weights.safetensors")
    state["bottleneck.bias"] = torch.zeros(3)
    content = safetensors.torch.save(state)
    (segmenter / "weights.safetensors").write_bytes(content)
    rewrite(segmenter, weights_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(StateError, match=r"bottleneck\.bias"):
        load_predictor(segmenter)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 99}, "format 99"),
        ({"task": "detection"}, "detection"),
        ({"label_names": ["left_ventricle"]}, "2 outputs for 1 label names"),
        ({"architecture": {"classes": 3, "depth": 2}}, "depth"),
        ({"input": {}}, "spacing_mm"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(
    segmenter: Path, changes: dict[str, Any], reason: str
) -> None:
    rewrite(segmenter, **changes)
    with pytest.raises(StateError, match=reason):
        load_predictor(segmenter)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"model\.json"):
        load_predictor(tmp_path)
