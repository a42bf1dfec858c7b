"""The published preprocessing on real chest scans: the right way up, in the window, and alike for two kernels."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from pipelines.bench.ct_scroll_real import real_inputs

pytestmark = pytest.mark.realdata


def test_real_scans_fill_the_published_input(tmp_path: Path) -> None:
    if not os.environ.get("CTLOOP_REALDATA"):
        pytest.skip("CTLOOP_REALDATA names no folder")
    table = real_inputs(tmp_path)
    assert len(table["scans"]) == 4
    for facts in table["scans"].values():
        z, step = facts["shape"][0], facts["spacing_mm"][0]
        assert facts["slices_of_240"] == pytest.approx(min(240, z * step / 1.5), abs=1.5)
        with Image.open(tmp_path / facts["picture"]) as picture:
            assert picture.width > picture.height
    assert table["kernels"]["correlation"] > 0.99
    assert table["kernels"]["neighbour_spread_sharp"] > table["kernels"]["neighbour_spread_soft"]
