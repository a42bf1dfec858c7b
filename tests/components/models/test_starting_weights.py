"""Starting weights go into the same network, its findings matched by name; anything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from components.errors import StateError
from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.starting_weights import LAST_LAYER, load_start, save_start

SMALL = CTScrollConfig(labels=3, widths=(4, 8), embedding=8, heads=2, hidden=8)
OTHER_LABELS = CTScrollConfig(labels=4, widths=(4, 8), embedding=8, heads=2, hidden=8)
WIDER = CTScrollConfig(labels=3, widths=(4, 16), embedding=8, heads=2, hidden=8)
TAUGHT = ("emphysema", "lung_nodule", "atelectasis")
WANTED = ("atelectasis", "hiatal_hernia", "emphysema", "bronchiectasis")


def network(config: CTScrollConfig, seed: int) -> CTScroll:
    torch.manual_seed(seed)
    return CTScroll(config)


def test_all_before_the_last_layer_is_taken_over(tmp_path: Path) -> None:
    taught, fresh = network(SMALL, 0), network(OTHER_LABELS, 1)
    save_start(tmp_path / "start.safetensors", taught, TAUGHT)
    load_start(tmp_path / "start.safetensors", fresh, WANTED)
    ours, theirs = fresh.state_dict(), taught.state_dict()
    floats = [name for name in ours if ours[name].is_floating_point() and not name.startswith(LAST_LAYER)]
    assert floats
    assert all(torch.equal(ours[name], theirs[name].half().float()) for name in floats)


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_findings_are_matched_by_name_and_unknown_ones_start_fresh(tmp_path: Path, part: str) -> None:
    taught, fresh = network(SMALL, 0), network(OTHER_LABELS, 1)
    before = fresh.state_dict()[LAST_LAYER + part].clone()
    save_start(tmp_path / "start.safetensors", taught, TAUGHT)
    load_start(tmp_path / "start.safetensors", fresh, WANTED)
    ours, theirs = (
        fresh.state_dict()[LAST_LAYER + part],
        taught.state_dict()[LAST_LAYER + part].half().float(),
    )
    assert torch.equal(ours[[0, 2]], theirs[[2, 0]])
    assert torch.equal(ours[[1, 3]], before[[1, 3]])


def test_another_network_is_refused_and_unchanged(tmp_path: Path) -> None:
    save_start(tmp_path / "start.safetensors", network(SMALL, 0), TAUGHT)
    fresh = network(WIDER, 1)
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    with pytest.raises(StateError, match="mis-shaped"):
        load_start(tmp_path / "start.safetensors", fresh, TAUGHT)
    assert all(torch.equal(before[name], tensor) for name, tensor in fresh.state_dict().items())


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "start.safetensors").write_bytes(b"no weights")
    with pytest.raises(StateError, match="starting weights"):
        load_start(tmp_path / "start.safetensors", network(SMALL, 0), TAUGHT)
    with pytest.raises(StateError, match="starting weights"):
        load_start(tmp_path / "missing.safetensors", network(SMALL, 0), TAUGHT)


def test_a_file_without_the_names_of_its_findings_is_refused(tmp_path: Path) -> None:
    save_file({"classifier.3.weight": torch.zeros(3, 8)}, tmp_path / "start.safetensors")
    with pytest.raises(StateError, match="names of their findings"):
        load_start(tmp_path / "start.safetensors", network(SMALL, 0), TAUGHT)
