"""The authors' checkpoint layout and ImageNet's are read whole, or not at all."""

from __future__ import annotations

import dataclasses
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from components.errors import InputError
from components.models.ct_scroll import PUBLISHED, CTScroll, CTScrollConfig, from_published
from components.models.published_weights import load_imagenet, load_published, published_name
from pipelines.bench.plain_ct_scroll import PlainCTScroll

SMALL = dataclasses.replace(
    PUBLISHED, labels=5, widths=(4, 8, 8, 16), embedding=16, heads=4, window=2, hidden=8, depth=2
)
State = dict[str, torch.Tensor]


def plain(config: CTScrollConfig = SMALL) -> PlainCTScroll:
    """With every tensor drawn, batch norm's statistics too."""
    torch.manual_seed(0)
    network = PlainCTScroll(config).eval()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(
                torch.rand_like(tensor) + 0.5 if "running_var" in name else 0.2 * torch.randn_like(tensor)
            )
    return network


def published(tmp_path: Path, state: dict[str, Any] | None = None) -> Path:
    torch.save(plain().state_dict() if state is None else state, tmp_path / "published.pth")
    return tmp_path / "published.pth"


def test_our_names_map_to_all_published_ones() -> None:
    with torch.device("meta"):
        ours, theirs = CTScroll(PUBLISHED).state_dict(), PlainCTScroll().state_dict()
    assert {published_name(name): tensor.shape for name, tensor in ours.items()} == {
        name: tensor.shape for name, tensor in theirs.items()
    }
    assert "blocks.0.cranial_caudal_block.norm1.weight" in theirs
    assert "blocks.0.global_block.mlp.mlp.gated_layers.weight" in theirs


@pytest.mark.parametrize("slices", [3, 27, 60])
def test_the_imported_network_computes_what_was_published(tmp_path: Path, slices: int) -> None:
    module = from_published(published(tmp_path), SMALL)
    x = torch.randn(2, 1, slices, 40, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(module(x), plain()(x), atol=1e-5, rtol=0)


def test_our_axes_are_turned_into_the_published_ones(tmp_path: Path) -> None:
    network = CTScroll(SMALL).eval()
    load_published(network, published(tmp_path))
    x_bzyx = torch.randn(1, 9, 32, 40, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = plain()(x_bzyx.transpose(2, 3)[:, None])
        torch.testing.assert_close(network(x_bzyx)[0], theirs, atol=1e-5, rtol=0)


def test_safetensors_and_nested_state_dicts_are_read_too(tmp_path: Path) -> None:
    state = plain().state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "b.pth")
    for path in (tmp_path / "a.safetensors", tmp_path / "b.pth"):
        assert torch.equal(
            from_published(path, SMALL).network.norm_out.weight, state["layer_norm_out.weight"]
        )


def without(name: str) -> State:
    return {key: value for key, value in plain().state_dict().items() if key != name}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (without("blocks.1.global_block.norm_in.bias"), "1 missing: blocks.1.global_block.norm_in.bias"),
        (plain().state_dict() | {"extra.weight": torch.zeros(1)}, "1 unknown: extra.weight"),
        (
            plain().state_dict() | {"classifier.3.bias": torch.zeros(18)},
            r"1 of another shape: classifier.3.bias \(18,\) instead of \(5,\)",
        ),
        (plain().state_dict() | {"classifier.3.bias": torch.full((5,), torch.nan)}, "1 not finite: classifier.3.bias"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_copied(tmp_path: Path, state: State, said: str) -> None:
    network = CTScroll(SMALL)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(InputError, match=said):
        load_published(network, published(tmp_path, state))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


class Runs:
    """Would write a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("raw", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, raw: bool) -> None:
    trace, path = tmp_path / "ran", tmp_path / "weights.pth"
    state = {"features.0.weight": Runs(trace)}
    path.write_bytes(pickle.dumps(state)) if raw else torch.save(state, path)
    with pytest.raises(InputError, match=r"a pickle with code in it; none of it was run|cannot be read"):
        from_published(path, SMALL)
    assert not trace.exists()


def test_an_archive_that_inflates_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 50_000_000)
    with pytest.raises(InputError, match="an archive that grows to 50 MB"):
        from_published(path, SMALL)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pth", b"torn", "cannot be read|code"),
        ("a.pth", b"", "cannot be read"),
        ("a.safetensors", b"torn", "cannot be read"),
        ("missing.pth", None, "cannot be read"),
    ],
)
def test_a_torn_or_missing_file_is_said(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        from_published(tmp_path / name, SMALL)


def test_other_things_than_tensors_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 other entries, such as 'epoch'"):
        from_published(published(tmp_path, plain().state_dict() | {"epoch": 3}), SMALL)


def test_a_resnet_starts_the_backbone_only(tmp_path: Path) -> None:
    network = CTScroll(SMALL)
    other = CTScroll(SMALL).features.state_dict()
    stages = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
    resnet = {
        f"{stages[name[0]]}{name[1:]}": tensor for name, tensor in other.items() if "num_batches" not in name
    }
    torch.save(
        resnet | {"fc.weight": torch.zeros(1000, 16), "fc.bias": torch.zeros(1000)}, tmp_path / "r.pth"
    )
    classifier = network.classifier[0].weight.clone()
    load_imagenet(network, tmp_path / "r.pth")
    assert torch.equal(network.features[7][1].conv2.weight, other["7.1.conv2.weight"])
    assert torch.equal(network.classifier[0].weight, classifier)
    torch.save({"conv1.weight": resnet["conv1.weight"]}, tmp_path / "r.pth")
    with pytest.raises(InputError, match=r"missing: bn1.weight"):
        load_imagenet(network, tmp_path / "r.pth")
