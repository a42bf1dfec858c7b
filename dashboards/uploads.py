"""Uploads: limited in size, kept only while they are read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from fastapi import HTTPException, UploadFile
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SizeLimit:
    """Stops reading a request at ``most_bytes``, whatever its header promised."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app, self._most = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        promised = Headers(scope=scope).get("content-length", "0")
        if not promised.isdigit() or int(promised) > self._most:
            await PlainTextResponse(self._message(), 413)(scope, receive, send)
            return
        read = 0

        async def receive_limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise HTTPException(413, self._message())
            return message

        await self._app(scope, receive_limited, send)

    def _message(self) -> str:
        return f"An answer may have up to {self._most // 2**20} MiB. Save it compressed, as .nii.gz."


@contextmanager
def kept_briefly(upload: UploadFile) -> Iterator[Path]:
    """The upload as a file whose ending is that of its name; deleted at the end, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="ctloop-answer-") as folder:
        endings = "".join(PurePath(upload.filename or "").suffixes[-2:])
        path = Path(folder) / f"answer{endings}"
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file)
        yield path
