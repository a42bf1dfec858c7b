"""The one error tree. Every message reads "expected …, got …, try …".

    CtloopError
    ├── InputError          a file, table, label or answer that cannot be used
    │   ├── GeometryError   grids, spacings or orientations that do not fit
    │   └── ParameterError  a value in params.yaml or on the command line
    ├── StateError          a store, registry or workspace that is not as the action needs it
    │   └── BusyError       another job is at work there: the same again later
    └── TeacherError        a teacher that failed, timed out or wrote something unusable
        └── EmptyPrediction it ran, and found nothing

A bad file never stops a batch: whoever iterates catches ``InputError``, quarantines the item with
``str(error)`` and goes on.
"""

from __future__ import annotations


class CtloopError(Exception):
    """Root of all errors that a user can cause and can repair."""

    def __init__(self, *, expected: str, got: str, hint: str) -> None:
        self.expected, self.got, self.hint = expected, got, hint
        super().__init__(f"expected {expected}, got {got}, try {hint}")


class InputError(CtloopError):
    """A file, table, label map or answer that cannot be used."""


class GeometryError(InputError):
    """Grids, spacings or orientations that do not fit together."""


class ParameterError(InputError):
    """A parameter that is unknown, mistyped or out of range."""


class StateError(CtloopError):
    """A store, registry or workspace that is not as the action needs it."""


class BusyError(StateError):
    """Another job is at work; the same will do later."""


class TeacherError(CtloopError):
    """A teacher that failed, timed out or wrote something unusable."""


class EmptyPrediction(TeacherError):
    """A teacher that ran and found nothing: perhaps the patient lies otherwise than it expects."""
