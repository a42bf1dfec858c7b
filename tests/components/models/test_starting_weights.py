"""Starting weights go into the same network, all but its last layer; anything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from components.errors import StateError
from components.models.ct_scroll import CTScroll, CTScrollConfig
from components.models.starting_weights import LAST_LAYER, load_start, save_start

SMALL = CTScrollConfig(labels=3, widths=(4, 8), embedding=8, heads=2, hidden=8)
OTHER_LABELS = CTScrollConfig(labels=5, widths=(4, 8), embedding=8, heads=2, hidden=8)
WIDER = CTScrollConfig(labels=3, widths=(4, 16), embedding=8, heads=2, hidden=8)


def network(config: CTScrollConfig, seed: int) -> CTScroll:
    torch.manual_seed(seed)
    return CTScroll(config)


def test_all_but_the_last_layer_is_taken_over(tmp_path: Path) -> None:
    taught, fresh = network(SMALL, 0), network(OTHER_LABELS, 1)
    last = fresh.classifier[3].weight.clone()
    save_start(tmp_path / "start.safetensors", taught)
    load_start(tmp_path / "start.safetensors", fresh)
    ours, theirs = fresh.state_dict(), taught.state_dict()
    floats = [name for name in ours if ours[name].is_floating_point() and not name.startswith(LAST_LAYER)]
    assert floats
    assert all(torch.equal(ours[name], theirs[name].half().float()) for name in floats)
    assert torch.equal(fresh.classifier[3].weight, last)


def test_another_network_is_refused_and_unchanged(tmp_path: Path) -> None:
    save_start(tmp_path / "start.safetensors", network(SMALL, 0))
    fresh = network(WIDER, 1)
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    with pytest.raises(StateError, match="mis-shaped"):
        load_start(tmp_path / "start.safetensors", fresh)
    assert all(torch.equal(before[name], tensor) for name, tensor in fresh.state_dict().items())


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "start.safetensors").write_bytes(b"no weights")
    with pytest.raises(StateError, match="starting weights"):
        load_start(tmp_path / "start.safetensors", network(SMALL, 0))
    with pytest.raises(StateError, match="starting weights"):
        load_start(tmp_path / "missing.safetensors", network(SMALL, 0))
