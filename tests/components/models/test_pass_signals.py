from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from components.models.pass_signals import PassSignals
from components.models.sliding_window import Slab, hard
from components.models.unet import UNet
from components.models.unet_config import UNetConfig
from components.volume.geometry import Geometry
from components.volume.volume import Volume
from tests.components.models.intensity_network import IntensityNetwork, intensity_predictor

NAMES = ("left_ventricle", "aorta")


def members(shape: tuple[int, int, int] = (9, 6, 7), seed: int = 0) -> Tensor:
    """Probabilities ``(m, k, z, y, x)``, with a corner of sure background."""
    generator = torch.Generator().manual_seed(seed)
    share = (3 * torch.randn((4, 3, *shape), generator=generator)).softmax(dim=1)
    share[:, :, :, :2] = torch.tensor([0.98, 0.01, 0.01])[None, :, None, None, None]
    return share


def slab_of(share_mk: Tensor) -> Slab:
    mean = share_mk.mean(dim=0)
    own = torch.from_numpy(stats.entropy(share_mk.numpy(), axis=1).mean(axis=0))
    weight = torch.full(mean.shape[1:], 0.5)
    return Slab(
        sums=mean * weight, weight=weight, members=torch.stack([hard(one) for one in share_mk]),
        entropy=own * weight, embeddings={},
    )  # fmt: skip


def read(*slabs: Slab, several: bool = True) -> dict[str, float]:
    signals = PassSignals(structures=NAMES, members=several)
    for slab in slabs:
        signals.add(slab, hard(slab.sums))
    return signals.read()


def test_each_signal_against_the_formula_on_the_whole_volume() -> None:
    share = members()
    mean = share.mean(dim=0).double().numpy()
    maybe = mean[0] < 0.95
    entropy = stats.entropy(mean, axis=0)
    information = entropy - stats.entropy(share.double().numpy(), axis=1).mean(axis=0)
    labels = mean.argmax(axis=0)
    surface = np.zeros(labels.shape, bool)
    for axis in range(3):
        differs = np.diff(labels, axis=axis) != 0
        surface |= np.pad(differs, [(1, 0) if a == axis else (0, 0) for a in range(3)])
    dice = [
        2 * mean[k][maybe & (labels == k)].sum() / ((maybe & (labels == k)).sum() + mean[k][maybe].sum())
        for k in (1, 2)
    ]
    found = read(slab_of(share))
    assert found == pytest.approx(
        {
            "predictive_entropy": entropy[maybe].mean(),
            "mutual_information": information[maybe].mean(),
            "boundary_entropy": entropy[surface].mean(),
            "expected_dice": np.mean(dice),
            "class_score_left_ventricle": (entropy * mean[1])[maybe].mean(),
            "class_score_aorta": (entropy * mean[2])[maybe].mean(),
        },
        rel=1e-5,
    )


def test_slabs_give_what_the_whole_gives() -> None:
    share = members()
    parts = [slab_of(share[:, :, a:b]) for a, b in ((0, 2), (2, 3), (3, 9))]
    assert read(*parts) == pytest.approx(read(slab_of(share)), rel=1e-5)


def test_members_that_agree_tell_nothing_apart() -> None:
    same = members()[:1].expand(4, -1, -1, -1, -1)
    assert read(slab_of(same))["mutual_information"] == pytest.approx(0.0, abs=1e-6)
    half = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).reshape(2, 3, 1, 1, 1).expand(2, 3, 2, 2, 2)
    assert read(slab_of(half))["mutual_information"] == pytest.approx(np.log(2), rel=1e-5)


def test_what_was_not_run_is_not_counted() -> None:
    share = members()
    known, unknown = slab_of(share), slab_of(members(seed=5))
    unknown.entropy[:] = torch.nan
    parts = slab_of(torch.cat([share, share.flip(2)], dim=2))
    parts.entropy[9:] = torch.nan
    assert read(parts)["predictive_entropy"] == pytest.approx(read(known)["predictive_entropy"], rel=1e-5)
    assert np.isnan(read(unknown)["predictive_entropy"])


def test_a_single_member_has_no_mutual_information() -> None:
    slab = slab_of(members()[:1])
    none = Slab(
        sums=slab.sums,
        weight=slab.weight,
        members=slab.members,
        entropy=torch.zeros((9, 0, 0)),
        embeddings={},
    )
    assert set(read(slab)) - set(read(none, several=False)) == {"mutual_information"}


def test_air_around_the_body_changes_nothing() -> None:
    """The same heart in more and more air, against the formula on the heart alone."""
    heart = np.random.default_rng(0).integers(300, 900, (16, 16, 16))
    levels, sharpness = np.array([[0.2], [0.6], [1.0]]), 20.0  # which gives background 0.998 in air
    share = np.exp(-sharpness * (heart.ravel()[None] / 1000.0 - levels) ** 2)
    share /= share.sum(axis=0)
    expected = stats.entropy(share, axis=0)[share[0] < 0.95].mean()
    found = []
    for side in (40, 80, 160):
        hu = np.zeros((side, 32, 32), dtype=np.int16)
        hu[12:28, 8:24, 8:24] = heart
        volume = Volume(voxels_hu=hu, geometry=Geometry.axis_aligned(hu.shape, (2.0, 2.0, 2.0)))
        found.append(dict(intensity_predictor(IntensityNetwork(sharpness=sharpness)).predict(volume).signals))
    assert found[0]["predictive_entropy"] == pytest.approx(expected, rel=1e-4)
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-4, abs=1e-6)


def test_the_engines_measure_the_members_entropy() -> None:
    from components.models.engine import choose_engine

    torch.manual_seed(0)
    config = UNetConfig(classes=4, widths=(8, 16), heads=2)
    network = UNet(config).eval()
    x = torch.rand((1, 1, 16, 16, 16))
    with torch.inference_mode():
        share = network(x)[0][0].softmax(dim=1)
        for precision in ("auto", "float32"):
            engine = choose_engine(network, stride=4, device=torch.device("cpu"), precision=precision)
            entropy = engine.run(x).entropy
            assert entropy is not None
            expected = stats.entropy(share.numpy(), axis=1).mean(axis=0)
            np.testing.assert_allclose(entropy.numpy(), expected, atol=2e-4)
