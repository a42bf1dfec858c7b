"""Read a folder as a batch is read, and look at what came of it."""

from components.adapters.readers import is_scan, read_source
from components.cohort.scan import Rejected, ScannedFrame


def read(root, **kwargs):
    files = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and is_scan(p.name))
    return list(read_source(root, files, **{"min_slices": 5, **kwargs}))


def frames(found):
    assert all(isinstance(item, ScannedFrame) for item in found), [getattr(i, "reason", i) for i in found]
    return found


def reason(found):
    assert len(found) == 1
    assert isinstance(found[0], Rejected)
    return found[0].reason
