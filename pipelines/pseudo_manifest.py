"""What the folder of pseudo-labels holds: a label map and sidecar per frame, and manifest.json.

Label maps that are not plausible lie in ``implausible/`` with their sidecars: kept to be looked at and to be
judged again under other demands, never trained on.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.models.teacher import Teacher
from pipelines.progress import write_json

MANIFEST, IMPLAUSIBLE = "manifest.json", "implausible"
Entry = dict[str, Any]


@dataclass(kw_only=True)
class Manifest:
    """What is in the folder.

    Args:
        teacher, fingerprint: of the one that all of it comes from.
        labelled: frame → ``frame_sha256``, ``label_sha256``, and, where it was judged, ``judged_by``,
            ``plausibility`` (its score) and ``orientation``.
        implausible: frame → the same and ``reasons``; ``searched`` once other orientations were tried;
            ``failures`` of the teacher in some of them, which are tried again in the next run.
        refused: frame → why there is no label map.
        nowhere: of the refused frames, those in which the teacher found nothing however they were shown: frame →
            ``frame_sha256`` and ``judged_by``; it need not look again.
        jumps: frame → ``measured`` and ``bound``, for each frame with neighbours in its case.
    """

    teacher: str | None
    fingerprint: str | None
    labelled: dict[str, Entry]
    refused: dict[str, str]
    implausible: dict[str, Entry] = field(default_factory=dict)
    nowhere: dict[str, Entry] = field(default_factory=dict)
    jumps: dict[str, Entry] = field(default_factory=dict)

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
            if tree["fingerprint"] == teacher.fingerprint:
                manifest.labelled = _entries(tree["labelled"])
                manifest.implausible = _entries(tree.get("implausible", {}))
                manifest.nowhere = _entries(tree.get("nowhere", {}))
                manifest.refused = {frame: str(tree["refused"][frame]) for frame in manifest.nowhere}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Manifest.empty(teacher)
        return manifest

    def write(self, folder: Path) -> None:
        write_json(folder / MANIFEST, vars(self))

    def forget(self, frame: str) -> None:
        for part in (self.labelled, self.implausible, self.refused, self.nowhere):
            part.pop(frame, None)


def read_manifest(folder: Path) -> Manifest | None:
    """Whatever teacher wrote it; ``None`` when there is none, or a damaged one."""
    try:
        return Manifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def label_files(folder: Path, frame: str) -> tuple[Path, Path]:
    """The label map and the sidecar of a frame."""
    return folder / f"{frame}.b2nd", folder / f"{frame}.sidecar.json"


def remove_label(folder: Path, frame: str) -> None:
    for path in label_files(folder, frame):
        path.unlink(missing_ok=True)


def forget_others(folder: Path, manifest: Manifest) -> None:
    """Remove every file that the manifest does not name: other teachers, frames that are gone, leftovers."""
    kept = {path for frame in manifest.labelled for path in label_files(folder, frame)} | {folder / MANIFEST}
    apart = {path for frame in manifest.implausible for path in label_files(folder / IMPLAUSIBLE, frame)}
    for path in [*folder.glob("*"), *(folder / IMPLAUSIBLE).glob("*")]:
        if path not in kept | apart and not path.is_dir():
            path.unlink()
    if not apart:
        shutil.rmtree(folder / IMPLAUSIBLE, ignore_errors=True)


def _entries(tree: Any) -> dict[str, Entry]:
    return {str(frame): dict(entry) for frame, entry in tree.items()}
