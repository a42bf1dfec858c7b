"""What the folder of pseudo-labels holds: one label map and sidecar per frame, and manifest.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components.models.teacher import Teacher
from pipelines.progress import write_json

MANIFEST = "manifest.json"


@dataclass(kw_only=True)
class Manifest:
    """What is in the folder: frame → hashes of the frame's file and its label; frame → reason of refusal."""

    teacher: str | None
    fingerprint: str | None
    labelled: dict[str, dict[str, str]]
    refused: dict[str, str]

    @staticmethod
    def empty(teacher: Teacher | None = None) -> Manifest:
        name, fingerprint = (teacher.name, teacher.fingerprint) if teacher else (None, None)
        return Manifest(teacher=name, fingerprint=fingerprint, labelled={}, refused={})

    @staticmethod
    def read(folder: Path, teacher: Teacher) -> Manifest:
        """What an earlier run by the same teacher left; damaged or foreign content counts as nothing."""
        manifest = Manifest.empty(teacher)
        try:
            tree = json.loads((folder / MANIFEST).read_text())
            same = tree["fingerprint"] == teacher.fingerprint
            manifest.labelled = {str(frame): dict(entry) for frame, entry in tree["labelled"].items() if same}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Manifest.empty(teacher)
        return manifest

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST, vars(self))


def label_files(folder: Path, frame: str) -> tuple[Path, Path]:
    """The label map and the sidecar of a frame."""
    return folder / f"{frame}.b2nd", folder / f"{frame}.sidecar.json"


def forget_others(folder: Path, manifest: Manifest) -> None:
    """Remove every file that the manifest does not name: other teachers, frames that are gone, leftovers."""
    kept = {path for frame in manifest.labelled for path in label_files(folder, frame)} | {folder / MANIFEST}
    for path in folder.glob("*"):
        if path not in kept:
            path.unlink()
