"""Slices as PNG."""

from __future__ import annotations

import struct
import zlib

from components.volume.slices import Rgb


def png(picture: Rgb) -> bytes:
    """``(row, column, 3)`` uint8 as PNG (ISO/IEC 15948): 8-bit truecolour, every row filtered by Up."""
    rows, columns, _ = picture.shape
    flat = picture.reshape(rows, columns * 3)
    filtered = flat.copy()
    filtered[1:] -= flat[:-1]
    lines = b"".join(b"\x02" + row.tobytes() for row in filtered)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 3)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
