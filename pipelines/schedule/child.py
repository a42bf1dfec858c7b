"""``python -m pipelines.schedule.child VERB …``: ctloop in a process that dies with the one that started it.

So that a job never goes on once its lease is nobody's. Linux only (``prctl(2)``, PR_SET_PDEATHSIG); elsewhere a
job whose supervisor was killed ends by itself.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from pipelines.cli import main

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Also when it has died already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ["CTLOOP_SUPERVISOR"]):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_with_parent()
    main()
