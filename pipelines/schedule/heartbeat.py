"""A lease kept while something runs."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from components.errors import CtloopError


def holder_name() -> str:
    """One process, for good."""
    return f"{socket.gethostname()[:100]}, process {os.getpid()}, {secrets.token_hex(4)}"


class Leases(Protocol):
    """See ``components.adapters.sql_leases``."""

    def take(self, name: str, holder: str, seconds: float) -> bool: ...

    def renew(self, name: str, holder: str, seconds: float) -> bool: ...

    def drop(self, name: str, holder: str) -> None: ...

    def holder(self, name: str) -> str | None: ...


class Heartbeat:
    """Renews a lease in a thread; ``lost`` once another may have it."""

    def __init__(self, leases: Leases, name: str, holder: str, seconds: float) -> None:
        self._leases, self._name, self._holder, self._seconds = leases, name, holder, seconds
        self._stop = threading.Event()
        self._renewed = time.monotonic()
        self._taken = False
        self._thread = threading.Thread(target=self._beat, daemon=True)

    @property
    def lost(self) -> bool:
        """Also when the database could not be reached for as long as the lease lasts."""
        return self._taken or time.monotonic() - self._renewed > self._seconds

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds / 4):
            asked = time.monotonic()
            try:
                if not self._leases.renew(self._name, self._holder, self._seconds):
                    self._taken = True
                    return
                self._renewed = asked
            except (CtloopError, OSError, RuntimeError):
                continue  # `lost` by the clock, if it lasts


@contextmanager
def held(leases: Leases, name: str, holder: str, seconds: float) -> Iterator[Heartbeat | None]:
    """The lease, kept until the end; ``None`` where another holds it."""
    if not leases.take(name, holder, seconds):
        yield None
        return
    beat = Heartbeat(leases, name, holder, seconds)
    beat.start()
    try:
        yield beat
    finally:
        beat.stop()
        leases.drop(name, holder)
