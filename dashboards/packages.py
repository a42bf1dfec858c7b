"""One way out for what an expert needs, for the page and for the API."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

from fastapi import BackgroundTasks, Request
from fastapi.responses import FileResponse

from dashboards.answers import find


def package(request: Request, request_id: str, later: BackgroundTasks) -> FileResponse:
    """What an expert needs, as a zip."""
    found = find(request.app.state.store, request_id)
    file = _zipped(request.app.state.desk.package(found))
    later.add_task(file.unlink)
    return FileResponse(file, filename=f"{found.id}.zip", media_type="application/zip", background=later)


def _zipped(folder: Path) -> Path:
    """The files of ``folder`` in a new temporary zip; the caller deletes it."""
    handle, name = tempfile.mkstemp(prefix="ctloop-package-", suffix=".zip")
    with (
        os.fdopen(handle, "wb") as file,
        zipfile.ZipFile(file, "w") as archive,
    ):  # stored: NIfTI is compressed
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{folder.name}/{path.name}")
    return Path(name)
