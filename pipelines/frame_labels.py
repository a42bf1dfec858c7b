"""One frame through the teacher: label, judge, and where that fails show it lying differently."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from components.adapters.blosc_store import load_geometry, load_label_map, load_volume, save_label_map
from components.adapters.whole_file import write_whole
from components.cohort.labels import LabelSidecar, label_map_sha256
from components.errors import EmptyPrediction, InputError, TeacherError
from components.models.teacher import Teacher
from components.scorecard.plausibility import PlausibilityReport, judge
from components.volume.turned import AS_STATED, Turned
from components.volume.volume import LabelMap, Volume
from pipelines.memory_budget import MemoryBudget
from pipelines.pseudo_manifest import IMPLAUSIBLE, Entry, Manifest, label_files, remove_label
from pipelines.pseudo_params import Demands

_HELD_BYTES_PER_VOXEL = 8  # the frame twice, and a label map with its judging


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a frame: exactly one of ``labelled``, ``implausible`` and ``refused`` is set.

    ``empty``: it was refused because the teacher ran and found nothing; ``nowhere`` once that was so in every
    orientation.
    """

    frame: str
    labelled: Entry | None = None
    implausible: Entry | None = None
    refused: str | None = None
    empty: bool = False
    nowhere: Entry | None = None

    def into(self, manifest: Manifest) -> None:
        manifest.forget(self.frame)
        if self.labelled is not None:
            manifest.labelled[self.frame] = self.labelled
        elif self.implausible is not None:
            manifest.implausible[self.frame] = self.implausible
        else:
            manifest.refused[self.frame] = str(self.refused)
            if self.nowhere is not None:
                manifest.nowhere[self.frame] = self.nowhere


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameLabels:
    """Labels frames of one teacher into ``folder``.

    Args:
        demands: ``None`` judges nothing.
        budget: ``None`` knows no bound. Frames that need more than ``refuse_above_mb`` are refused.
    """

    teacher: Teacher
    folder: Path
    demands: Demands | None = None
    budget: MemoryBudget | None = None
    refuse_above_mb: float | None = None

    @property
    def judged_by(self) -> str:
        return self.demands.key if self.demands else ""

    def first(self, path: Path, earlier: Manifest) -> Outcome:
        """Label ``FRAME.b2nd`` as its axes state, or take what ``earlier`` has of it; writes the files."""
        frame = path.stem
        try:
            frame_sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            done = self._done(frame, frame_sha256, earlier)
            if done is not None:
                return done
            with self._holding(path):
                stored = self._stored(frame, frame_sha256, earlier)
                label_map = stored or self.teacher.label(_frame(path))
                return self._keep(frame, frame_sha256, label_map)
        except (InputError, TeacherError, MemoryError) as error:
            self._remove(frame)
            return Outcome(frame=frame, refused=_words(error), empty=isinstance(error, EmptyPrediction))

    def turned(self, path: Path, before: Outcome, hints: Sequence[str]) -> Outcome:
        """Show a frame that failed in other orientations; the best plausible one is kept.

        Args:
            before: what became of it as its axes state.
            hints: orientations found on other frames of its case, tried first; one that is plausible and
                better by the margin ends the search.
        """
        assert self.demands is not None
        frame = path.stem
        try:
            with self._holding(path):
                found, failures = self._search(_frame(path), _score(before), hints)
        except (InputError, MemoryError) as error:  # what there was before stands
            return _searched(before, [_words(error)])
        frame_sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if found is None:
            nowhere = {"frame_sha256": frame_sha256, "judged_by": self.judged_by}
            known = before.empty and not failures
            return replace(_searched(before, failures), nowhere=nowhere if known else None)
        code, label_map, report = found
        self._remove(frame)
        return self._keep(frame, frame_sha256, label_map, code=code, report=report)

    def _search(
        self, volume: Volume, score: float, hints: Sequence[str]
    ) -> tuple[tuple[str, LabelMap, PlausibilityReport] | None, list[str]]:
        """The best plausible orientation, and in what words the teacher failed in others."""
        assert self.demands is not None
        best, failures = None, []
        codes = list(dict.fromkeys([*hints, *self.demands.orientations]))
        for code in codes:
            turned = Turned(code)
            try:
                shown = self.teacher.label(turned.show(volume))
            except EmptyPrediction:
                continue
            except (TeacherError, MemoryError) as error:
                failures.append(f"as {code}: {_words(error)}")
                continue
            report = judge(shown, self.demands.plausibility)
            if report.plausible and report.score >= score + self.demands.margin:
                found = (code, turned.bring_back(shown, volume.geometry), report)
                if code in hints:
                    return found, failures
                if best is None or report.score > best[2].score:
                    best = found
        return best, failures

    def _keep(
        self,
        frame: str,
        frame_sha256: str,
        label_map: LabelMap,
        *,
        code: str = AS_STATED,
        report: PlausibilityReport | None = None,
    ) -> Outcome:
        if report is None and self.demands:
            report = judge(label_map, self.demands.plausibility)
        plausible = report is None or report.plausible
        folder = self.folder if plausible else self.folder / IMPLAUSIBLE
        sidecar = self._write(folder, frame, label_map, code, report)
        entry: Entry = {"frame_sha256": frame_sha256, "label_sha256": sidecar.label_sha256}
        if report is not None:
            entry |= {"judged_by": self.judged_by, "plausibility": sidecar.plausibility, "orientation": code}
        if plausible:
            remove_label(self.folder / IMPLAUSIBLE, frame)
            return Outcome(frame=frame, labelled=entry)
        assert report is not None
        remove_label(self.folder, frame)
        return Outcome(
            frame=frame,
            implausible={**entry, "reasons": list(report.reasons), "searched": False, "failures": []},
        )

    def _write(
        self, folder: Path, frame: str, label_map: LabelMap, code: str, report: PlausibilityReport | None
    ) -> LabelSidecar:
        label_file, sidecar_file = label_files(folder, frame)
        sidecar = LabelSidecar(
            provenance="pseudo",
            label_sha256=label_map_sha256(label_map),
            teacher=self.teacher.name,
            teacher_fingerprint=self.teacher.fingerprint,
            orientation=None if code == AS_STATED else code,
            plausibility=round(report.score, 4) if report else None,
        )
        save_label_map(label_file, label_map)
        write_whole(sidecar_file, sidecar.to_json())
        return sidecar

    def _done(self, frame: str, frame_sha256: str, earlier: Manifest) -> Outcome | None:
        for part, folder in self._parts(earlier):
            entry = part.get(frame, {})
            same = entry.get("judged_by", "") == self.judged_by
            if same and _undamaged(folder, frame, frame_sha256, entry) is not None:
                if part is earlier.labelled:
                    return Outcome(frame=frame, labelled=entry)
                return Outcome(frame=frame, implausible=entry)
        nowhere = {"frame_sha256": frame_sha256, "judged_by": self.judged_by}
        if earlier.nowhere.get(frame) == nowhere:
            return Outcome(frame=frame, refused=earlier.refused[frame], nowhere=nowhere)
        return None

    def _stored(self, frame: str, frame_sha256: str, earlier: Manifest) -> LabelMap | None:
        """The teacher's map of an earlier run, to be judged by new demands; not one of another orientation."""
        for part, folder in self._parts(earlier):
            entry = part.get(frame, {})
            if entry.get("orientation", AS_STATED) == AS_STATED:
                label_map = _undamaged(folder, frame, frame_sha256, entry)
                if label_map is not None:
                    return label_map
        return None

    def _parts(self, earlier: Manifest) -> tuple[tuple[dict[str, Entry], Path], ...]:
        return (earlier.labelled, self.folder), (earlier.implausible, self.folder / IMPLAUSIBLE)

    def _holding(self, path: Path) -> Any:
        from contextlib import nullcontext

        if self.budget is None:
            return nullcontext()
        geometry = load_geometry(path)
        needed_mb = self.teacher.memory_mb(geometry) + _HELD_BYTES_PER_VOXEL * prod(geometry.shape) / 1e6
        if self.refuse_above_mb is not None and needed_mb > self.refuse_above_mb:
            raise InputError(
                expected=f"a frame that needs at most {self.refuse_above_mb:.0f} MB with this teacher",
                got=f"about {needed_mb:.0f} MB for {' × '.join(map(str, geometry.shape))} voxels",
                hint="a larger `memory_mb`, or a coarser `prepare.spacing_mm`",
            )
        return self.budget.hold(needed_mb)

    def _remove(self, frame: str) -> None:
        remove_label(self.folder, frame)
        remove_label(self.folder / IMPLAUSIBLE, frame)


def _frame(path: Path) -> Volume:
    volume = load_volume(path)
    low, high = int(volume.voxels_hu.min()), int(volume.voxels_hu.max())
    if low == high:
        raise InputError(
            expected="voxels that differ", got=f"the constant {low} HU", hint="looking at the scan"
        )
    return volume


def _score(before: Outcome) -> float:
    return float(before.implausible["plausibility"]) if before.implausible else 0.0


def _undamaged(folder: Path, frame: str, frame_sha256: str, entry: Entry) -> LabelMap | None:
    """What ``entry`` of an earlier run says of this frame, if its files hold just that."""
    label_file, sidecar_file = label_files(folder, frame)
    if entry.get("frame_sha256") != frame_sha256 or not label_file.is_file():
        return None
    try:
        label_map = load_label_map(label_file)
        stated = LabelSidecar.from_json(sidecar_file.read_text()).label_sha256
    except (InputError, OSError, ValueError):
        return None
    return label_map if label_map_sha256(label_map) == stated == entry.get("label_sha256") else None


def _searched(before: Outcome, failures: Sequence[str]) -> Outcome:
    """The same outcome, with no search left to do; after failures the next run searches again."""
    if before.implausible is None:
        words = "; ".join([str(before.refused), *failures])
        return Outcome(frame=before.frame, refused=words)
    entry = {**before.implausible, "searched": not failures, "failures": list(failures)}
    return Outcome(frame=before.frame, implausible=entry)


def _words(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "expected enough memory, got a failed allocation, try a coarser `prepare.spacing_mm`"
    return str(error)
