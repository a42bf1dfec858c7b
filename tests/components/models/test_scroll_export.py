"""An export gives torch's answer, from its files too, or is not written."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from components.errors import StateError
from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.description import InputContract, ModelDescription
from components.models.eight_bit import to_eight_bits
from components.models.scroll_engine import traced_backbone
from components.models.scroll_export import ExportNumber, Parity, convert, parity, read_export, write_export

SHAPE = (24, 64, 64)
CONFIG = CTScrollConfig(labels=3, widths=(16, 32), embedding=16, heads=4, window=2)
DESCRIPTION = ModelDescription(
    task="classification",
    architecture=dataclasses.asdict(CONFIG),
    input=InputContract(spacing_mm=(3.0, 3.0, 3.0), window_hu=(-1000.0, 200.0), shape=SHAPE, shift=-0.449),
    label_names=("a", "b", "c"),
)


@pytest.fixture(scope="module")
def network() -> CTScroll:
    """With the statistics of what it sees, as after training, and with opinions."""
    torch.manual_seed(0)
    made = CTScroll(CONFIG)
    for block in made.blocks.modules():
        if hasattr(block, "out_proj"):
            torch.nn.init.normal_(block.out_proj.weight, std=0.2)
    with torch.no_grad():
        for number in range(20):
            made.train()(torch.from_numpy(scan(number))[None])
        made.classifier[3].weight *= 8.0
    return made.eval()


def scan(number: int) -> np.ndarray:
    coarse = torch.rand(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(number))
    return (torch.nn.functional.interpolate(coarse, size=SHAPE, mode="trilinear")[0, 0] - 0.449).numpy()


def judges() -> list[tuple[np.ndarray, np.ndarray]]:
    """The last triplets of every other scan are padding."""
    return [(scan(100 + n), np.arange(8) < (6 if n % 2 else 8)) for n in range(4)]


@pytest.mark.parametrize(("number", "largest"), [("float32", 1e-4), ("bfloat16", 2e-2), ("int8", 4e-2)])
def test_it_answers_as_torch_does(network: CTScroll, number: ExportNumber, largest: float) -> None:
    exported = convert(network, SHAPE, number, [scan(n) for n in range(3)])
    found = parity(exported, judges())
    assert found.scans == 4
    assert 0.0 < found.mean <= found.largest < largest
    spread = network(torch.from_numpy(scan(5))[None])[0].detach().sigmoid()
    assert float(spread.max() - spread.min()) > 0.1  # so that an answer of a half would not pass


def test_eight_bits_are_eight_bits(network: CTScroll) -> None:
    """Counted in the model: an input and the weights of each convolution pass through 256 steps."""
    model = traced_backbone(network, SHAPE[1:])
    count = sum(node.get_type_name() == "Convolution" for node in model.get_ordered_ops())
    to_eight_bits(model, [np.zeros((4, 3, 64, 64), np.float32)], threads=1, bits=8)
    rounding = [node for node in model.get_ordered_ops() if node.get_type_name() == "FakeQuantize"]
    assert len(rounding) == 2 * count
    assert {node.get_attributes()["levels"] for node in rounding} == {255, 256}


def test_seven_bits_fit_where_pairs_of_products_are_added_in_16(network: CTScroll) -> None:
    """The largest weight of each channel takes 63 of 127 steps: 2 · 255 · 63 < 2¹⁵ ≤ 2 · 255 · 127."""
    model = traced_backbone(network, SHAPE[1:])
    to_eight_bits(model, [np.zeros((4, 3, 64, 64), np.float32)], threads=1, bits=7)
    for convolution in (n for n in model.get_ordered_ops() if n.get_type_name() == "Convolution"):
        rounding = convolution.input_value(1).get_node()
        weights, low, high = (rounding.input_value(k).get_node().get_data() for k in range(3))
        step = (high - low) / (rounding.get_attributes()["levels"] - 1)
        steps = np.abs(np.round(weights / step)).reshape(len(weights), -1).max(axis=1)
        assert np.all(steps == 63)


def test_an_export_for_another_processor_is_refused(
    network: CTScroll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu._is_vnni_supported", lambda: True)
    exported = convert(network, SHAPE, "int8", [scan(1)])
    write_export(tmp_path, exported, DESCRIPTION, Parity(scans=4, largest=0.01, mean=0.001), "f" * 64)
    monkeypatch.setattr("torch.cpu._is_vnni_supported", lambda: False)
    with pytest.raises(StateError, match=r"weights of 7 bits.* got 8 bits"):
        read_export(tmp_path, network)


def test_padding_is_left_out_of_an_export_too(network: CTScroll) -> None:
    exported = convert(network, SHAPE, "float32")
    image, valid = torch.from_numpy(scan(7))[None], torch.arange(8)[None] < 5
    other = image.clone()
    other[:, 15:] = 0.5
    assert torch.allclose(exported.run(image, valid), exported.run(other, valid), atol=1e-5)
    assert not torch.allclose(exported.run(image, None), exported.run(other, None), atol=1e-3)


def test_the_files_are_the_export(network: CTScroll, tmp_path: Path) -> None:
    exported = convert(network, SHAPE, "int8", [scan(1)])
    found = Parity(scans=4, largest=0.01, mean=0.001)
    write_export(tmp_path, exported, DESCRIPTION, found, "f" * 64)
    again = read_export(tmp_path, network)
    image = torch.from_numpy(scan(9))[None]
    assert torch.equal(again.run(image, None), exported.run(image, None))
    facts = json.loads((tmp_path / "export.json").read_text())
    assert facts["parity"] == {"scans": 4, "largest": 0.01, "mean": 0.001, "tolerance": 0.02}
    assert (facts["findings"], facts["package_hash"]) == (["a", "b", "c"], "f" * 64)


@pytest.mark.parametrize("largest", [0.03, float("nan")])
def test_beyond_the_tolerance_nothing_is_written(network: CTScroll, tmp_path: Path, largest: float) -> None:
    exported = convert(network, SHAPE, "int8", [scan(1)])
    with pytest.raises(StateError, match=r"within 0\.02 of torch's in int8"):
        write_export(tmp_path / "e", exported, DESCRIPTION, Parity(scans=4, largest=largest, mean=0.001), "f")
    assert not (tmp_path / "e").exists()
