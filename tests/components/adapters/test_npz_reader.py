import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from components.cohort.scan import StatedVoxels
from tests.components.adapters.reading import frames, read, reason

STATED = StatedVoxels(spacing_mm=(0.8, 0.8, 0.8), orientation="LPI")


def ct(shape=(9, 8, 7), seed=0):
    return np.random.default_rng(seed).integers(-1000, 1001, shape).astype(np.int16)


def npy_bytes(header: str, content: bytes, version=(1, 0)) -> bytes:
    text = header.encode() + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text + content


def pack(path, content, name="ct.npy", method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)


def header(shape, descr="<i2", order=False):
    return repr({"descr": descr, "fortran_order": order, "shape": shape})


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, ">i2"])
def test_the_array_ct_is_read_with_the_stated_grid(tmp_path, save, dtype):
    save(tmp_path / "trn00001.npz", ct=ct().astype(dtype))
    (frame,) = frames(read(tmp_path, stated=STATED))
    np.testing.assert_array_equal(frame.volume.voxels_hu, ct())
    geometry = frame.volume.geometry
    assert (geometry.shape, geometry.spacing_mm, geometry.orientation) == (
        (9, 8, 7),
        (0.8, 0.8, 0.8),
        "LPI",
    )
    assert (frame.patient_key, frame.phase_percent) == (None, None)


def test_an_array_in_column_order_is_the_same(tmp_path):
    """What the makers of Rad-ChestCT save: they transpose, and numpy keeps the memory as it was."""
    np.savez_compressed(tmp_path / "a.npz", ct=np.asfortranarray(ct()))
    (frame,) = frames(read(tmp_path, stated=STATED))
    np.testing.assert_array_equal(frame.volume.voxels_hu, ct())


def test_a_large_array_is_read_in_pieces(tmp_path):
    large = ct((40, 200, 150))  # 2.4 MB: more than one piece, and not a whole number of them
    np.savez_compressed(tmp_path / "a.npz", ct=large)
    (frame,) = frames(read(tmp_path, stated=STATED))
    np.testing.assert_array_equal(frame.volume.voxels_hu, large)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (StatedVoxels(), "no spacing_mm"),
        (StatedVoxels(orientation="LPI"), "no spacing_mm"),
        (StatedVoxels(spacing_mm=(0.8, 0.8, 0.8)), "no orientation"),
    ],
)
def test_what_the_file_cannot_say_must_be_stated(tmp_path, stated, words):
    np.savez(tmp_path / "a.npz", ct=ct())
    assert words in reason(read(tmp_path, stated=stated))


WRONG_ARRAYS = [
    (np.zeros((9, 8)), "three axes"),
    (np.zeros((9, 8, 7, 2)), "three axes"),
    (np.zeros((0, 8, 7)), "three axes"),
    (ct().astype(complex), "integers or floats"),
    (ct() > 0, "integers or floats"),
    (np.array([["a"]]), "integers or floats"),
    (ct((9, 8, 4)), "only 9 × 8 × 4 voxels"),
]


@pytest.mark.parametrize(("array", "words"), WRONG_ARRAYS, ids=[str(i) for i in range(len(WRONG_ARRAYS))])
def test_an_array_that_is_no_scan_is_turned_away(tmp_path, array, words):
    np.savez(tmp_path / "a.npz", ct=array)
    assert words in reason(read(tmp_path, stated=STATED))


def test_another_name_is_not_taken_for_the_scan(tmp_path):
    np.savez(tmp_path / "a.npz", arr_0=ct())
    assert "0 of that name" in reason(read(tmp_path, stated=STATED))


def test_a_name_given_twice_is_not_taken_for_the_scan(tmp_path):
    content = npy_bytes(header((9, 8, 7)), ct().tobytes())
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("ct.npy", content)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("ct.npy", content)
    assert "2 of that name" in reason(read(tmp_path, stated=STATED))


class Trap:
    """Unpickled, it would raise a flag."""

    sprung = False

    def __reduce__(self):
        return setattr, (Trap, "sprung", True)


def test_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", ct=np.array([[[Trap()] * 9] * 9] * 9, dtype=object))
    assert "integers or floats" in reason(read(tmp_path, stated=STATED))
    assert not Trap.sprung


LIES = [
    (npy_bytes(header((9, 8, 70)), ct().tobytes()), "10080 bytes for the shape"),
    (npy_bytes(header((9, 8, 6)), ct().tobytes()), "864 bytes for the shape"),
    (npy_bytes(header((2**40, 8, 7)), ct().tobytes()), "at most 1073741824 voxels"),
    (npy_bytes(header((-9, -8, 7)), ct().tobytes()), "three axes"),
    (npy_bytes(header((9, 8, 7)), ct().tobytes(), version=(2, 0)), "format 1.0"),
    (npy_bytes(header((9, 8, 7)), ct().tobytes(), version=(9, 9)), "format 1.0"),
    (npy_bytes("__import__('os')", b""), "damaged"),
    (npy_bytes("{" * 300, b""), "damaged"),
    (npy_bytes(header((9, 8, 7), descr="|O"), ct().tobytes()), "integers or floats"),
    (npy_bytes(header((9, 8, 7), descr="nonsense"), ct().tobytes()), "damaged"),
    (b"PK, but no array", "damaged"),
    (b"", "at most 100 times|damaged"),
]


@pytest.mark.parametrize(("content", "words"), LIES, ids=[str(i) for i in range(len(LIES))])
def test_a_header_that_cannot_be_true_is_turned_away(tmp_path, content, words):
    pack(tmp_path / "a.npz", content)
    assert any(word in reason(read(tmp_path, stated=STATED)) for word in words.split("|"))


def test_a_bomb_is_not_unpacked(tmp_path):
    """200 MB of zeros in 0.2 MB, and a header that is in order."""
    shape = (1000, 1000, 100)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("ct.npy", "w", force_zip64=True) as stream:
            stream.write(npy_bytes(header(shape), b""))
            for _ in range(200):
                stream.write(bytes(1_000_000))
    tracemalloc.start()
    said = reason(read(tmp_path, stated=STATED))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "times the packed size" in said
    assert peak < 20e6


def declare(path, size):
    """Have the archive's directory declare another size of its array, packed and unpacked."""
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", size)
    path.write_bytes(content)


@pytest.mark.parametrize("more", [-2, 2, 10**6, 2**32 - 10**6])
def test_a_size_that_the_directory_invents_is_turned_away(tmp_path, more):
    content = npy_bytes(header((9, 8, 7)), ct().tobytes())
    pack(tmp_path / "a.npz", content)
    declare(tmp_path / "a.npz", len(content) + more)
    said = reason(read(tmp_path, stated=STATED))
    assert any(word in said for word in ("bytes for the shape", "times the packed size", "damaged"))


def test_no_more_is_unpacked_than_was_declared(tmp_path):
    """Header and directory agree on a small array; the stream goes on for 50 MB."""
    small = npy_bytes(header((9, 8, 7)), ct().tobytes())
    pack(tmp_path / "a.npz", small + bytes(50_000_000))
    declare(tmp_path / "a.npz", len(small))
    tracemalloc.start()
    said = reason(read(tmp_path, stated=STATED))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "damaged" in said  # the checksum is of the whole stream
    assert peak < 20e6


def test_a_stream_that_ends_early_is_turned_away(tmp_path):
    short = npy_bytes(header((9, 8, 7)), ct().tobytes()[:-200])
    pack(tmp_path / "a.npz", short)
    declare(tmp_path / "a.npz", len(short) + 200)
    said = reason(read(tmp_path, stated=STATED))
    assert "damaged" in said or "fewer" in said


@pytest.mark.parametrize("where", [30, 300, -90])
def test_damage_is_turned_away_without_the_path(tmp_path, where):
    np.savez_compressed(tmp_path / "Doe_Jane.npz", ct=ct())
    content = bytearray((tmp_path / "Doe_Jane.npz").read_bytes())
    content[where] ^= 0xFF
    (tmp_path / "Doe_Jane.npz").write_bytes(content)
    said = reason(read(tmp_path, stated=STATED))
    assert "Doe" not in said
    assert str(tmp_path) not in said


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"])
def test_what_is_no_archive_is_turned_away(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    assert "damaged" in reason(read(tmp_path, stated=STATED))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_turned_away(tmp_path, method):
    pack(tmp_path / "a.npz", npy_bytes(header((9, 8, 7)), ct().tobytes()), method=method)
    assert "another compression" in reason(read(tmp_path, stated=STATED))


def test_what_numpy_writes_is_what_these_tests_write(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, ct())
    ours = npy_bytes(header((9, 8, 7)), ct().tobytes())
    assert np.array_equal(
        np.load(io.BytesIO(ours), allow_pickle=False), np.load(io.BytesIO(buffer.getvalue()))
    )
