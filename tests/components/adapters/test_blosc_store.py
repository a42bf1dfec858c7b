import hashlib
import json

import blosc2
import numpy as np
import pytest

from components.adapters.blosc_store import (
    load_crop,
    load_geometry,
    load_label_map,
    load_volume,
    save_label_map,
    save_volume,
)
from components.errors import GeometryError, InputError, StateError
from components.volume.geometry import Geometry
from components.volume.volume import LabelMap, Volume


def a_volume(shape=(40, 101, 33), seed=0):
    affine = np.array([[0.1, 0.0, -1.5, 3.0], [0.0, 1.5, 0.0, -7.25], [2.0, 0.0, 0.0, 1 / 3], [0, 0, 0, 1]])
    voxels = np.random.default_rng(seed).integers(-1024, 3072, shape).astype(np.int16)
    return Volume(voxels_hu=voxels, geometry=Geometry(shape=shape, affine=affine))


def test_a_volume_comes_back_exactly(tmp_path):
    volume = a_volume()
    save_volume(tmp_path / "deep" / "f.b2nd", volume)
    back = load_volume(tmp_path / "deep" / "f.b2nd")
    np.testing.assert_array_equal(back.voxels_hu, volume.voxels_hu)
    np.testing.assert_array_equal(back.geometry.affine, volume.geometry.affine)
    assert back.voxels_hu.dtype == np.int16
    assert load_geometry(tmp_path / "deep" / "f.b2nd").matches(volume.geometry)


def test_a_label_map_comes_back_with_its_names(tmp_path):
    geometry = Geometry.axis_aligned((9, 8, 7), (1.0, 2.0, 3.0))
    labels = np.random.default_rng(1).integers(0, 3, (9, 8, 7)).astype(np.uint8)
    save_label_map(
        tmp_path / "l.b2nd", LabelMap(labels=labels, geometry=geometry, names={2: "aorta", 1: "myocardium"})
    )
    back = load_label_map(tmp_path / "l.b2nd")
    np.testing.assert_array_equal(back.labels, labels)
    assert dict(back.names) == {1: "myocardium", 2: "aorta"}


def test_equal_volumes_give_equal_bytes_and_no_unfinished_file_stays(tmp_path):
    for name in ("a", "b"):
        save_volume(tmp_path / f"{name}.b2nd", a_volume())
    a, b = (hashlib.sha256((tmp_path / f"{n}.b2nd").read_bytes()).hexdigest() for n in "ab")
    assert a == b
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.b2nd", "b.b2nd"]


def test_saving_over_a_file_replaces_it(tmp_path):
    for seed in (0, 1):
        save_volume(tmp_path / "a.b2nd", a_volume(seed=seed))
    np.testing.assert_array_equal(load_volume(tmp_path / "a.b2nd").voxels_hu, a_volume(seed=1).voxels_hu)


def test_a_crop_equals_the_slice(tmp_path):
    volume = a_volume((130, 20, 50))
    save_volume(tmp_path / "a.b2nd", volume)
    crop = load_crop(tmp_path / "a.b2nd", (90, 3, 20), (32, 10, 30))
    np.testing.assert_array_equal(crop, volume.voxels_hu[90:122, 3:13, 20:50])
    with pytest.raises(GeometryError, match="inside"):
        load_crop(tmp_path / "a.b2nd", (100, 0, 0), (32, 10, 30))


def test_a_missing_or_wrong_kind_of_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.b2nd"):
        load_volume(tmp_path / "gone.b2nd")
    save_volume(tmp_path / "a.b2nd", a_volume())
    with pytest.raises(InputError, match="label_map"):
        load_label_map(tmp_path / "a.b2nd")


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.98, 0.9999])
def test_a_truncated_file_is_an_input_error(tmp_path, keep):
    path = tmp_path / "a.b2nd"
    save_volume(path, a_volume())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep if keep > 1 else keep * len(whole))])
    with pytest.raises(InputError, match=r"a\.b2nd"):
        load_volume(path)


def test_a_flipped_bit_in_the_voxels_is_noticed(tmp_path):
    path = tmp_path / "a.b2nd"
    save_volume(path, a_volume())
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="expected an intact"):
        load_volume(path)


def test_metadata_is_json_text_and_blosc2_refuses_objects(tmp_path):
    path = tmp_path / "a.b2nd"
    save_volume(path, a_volume())
    array = blosc2.open(str(path), mode="a")
    assert set(json.loads(array.schunk.vlmeta["ctloop"])) == {"kind", "affine", "crc32"}
    with pytest.raises(TypeError, match="serialize"):
        array.schunk.vlmeta["object"] = Geometry


def test_a_failed_write_is_a_state_error_without_a_file(tmp_path, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("Error while creating the NDArray")

    monkeypatch.setattr(blosc2, "asarray", full)
    with pytest.raises(StateError, match=r"room to write v\.b2nd"):
        save_volume(tmp_path / "v.b2nd", a_volume())
    assert list(tmp_path.iterdir()) == []


def test_a_crop_of_a_replaced_file_is_of_the_new_one(tmp_path):
    path = tmp_path / "a.b2nd"
    for seed in (0, 1):
        save_volume(path, a_volume(seed=seed))
        expected = a_volume(seed=seed).voxels_hu[:8, :8, :8]
        np.testing.assert_array_equal(load_crop(path, (0, 0, 0), (8, 8, 8)), expected)


def test_crops_may_be_read_in_several_threads_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    path, volume = tmp_path / "a.b2nd", a_volume((64, 64, 64))
    save_volume(path, volume)

    def agrees(start):
        crop = load_crop(path, (start, 0, 3), (16, 40, 50))
        return np.array_equal(crop, volume.voxels_hu[start : start + 16, :40, 3:53])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(agrees, [i % 40 for i in range(80)]))


def test_a_crop_of_a_file_that_is_gone_is_an_input_error(tmp_path):
    save_volume(tmp_path / "a.b2nd", a_volume())
    load_crop(tmp_path / "a.b2nd", (0, 0, 0), (8, 8, 8))
    (tmp_path / "a.b2nd").unlink()
    with pytest.raises(InputError, match=r"a\.b2nd"):
        load_crop(tmp_path / "a.b2nd", (0, 0, 0), (8, 8, 8))


def test_bytes_do_not_depend_on_the_number_of_cores(tmp_path, monkeypatch):
    written = []
    for cores in (1, 7):
        monkeypatch.setattr(blosc2, "nthreads", cores)
        save_volume(tmp_path / "v.b2nd", a_volume())
        written.append((tmp_path / "v.b2nd").read_bytes())
    assert written[0] == written[1]
