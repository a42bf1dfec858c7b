"""Job: look at the machine, the workspace and its stores, and say what to fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pipelines.checkup.check import Check
from pipelines.checkup.machine import MACHINE_CHECKS
from pipelines.checkup.parameters import PARAMETER_CHECKS
from pipelines.checkup.stores import STORE_CHECKS
from pipelines.workspace import Workspace


def doctor(workspace: Workspace, extra_checks: Sequence[Callable[[], Check]] = ()) -> list[Check]:
    """Run every check; one that fails to run is a finding too, so nothing is raised.

    Args:
        extra_checks: further ones, each named by its ``__name__`` if it fails to run.
    """
    of_workspace = (*MACHINE_CHECKS, *PARAMETER_CHECKS, *STORE_CHECKS)
    findings = [_run(check.__name__, partial(check, workspace)) for check in of_workspace]
    return findings + [_run(getattr(check, "__name__", "check"), check) for check in extra_checks]


def _run(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # a broken installation raises anything; the doctor must still finish
        return Check(
            name=name.replace("_", " "),
            ok=False,
            found=f"{type(error).__name__}: {error}",
            fix=getattr(error, "hint", "reading the message; `make install` if a package is missing"),
        )
