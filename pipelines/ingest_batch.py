"""Reading one batch: volumes, labels and rows of what can be used, reasons for the rest."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from components.adapters.answer_folder import AnswerFolder
from components.adapters.blosc_store import save_volume
from components.adapters.readers import read_label_map, read_source
from components.cohort.cases_table import CaseRow
from components.cohort.frame_row import frame_row
from components.cohort.labels import LabelSidecar, findings_sha256, label_map_sha256
from components.cohort.pseudonym import pseudonym
from components.cohort.scan import Rejected, ScannedFrame, StatedVoxels
from components.cohort.task import Task
from components.errors import InputError
from pipelines.batch_source import Unit
from pipelines.ingest_journal import IngestJournal, Outcome

_ANNOTATOR = "cases.csv"


@dataclass
class BatchReader:
    """Reads the units of one batch into ``folder`` (data/TASK/ingested).

    Args:
        root: of the source.
        folder: gets volumes/FRAME.b2nd and labels/.
        task, batch: what is read.
        key: of the pseudonyms.
        min_slices: least number of voxels along every axis.
        structures: meaning of label values 1, 2, … where the cases table does not say.
        findings: names of the findings that a case may state.
        known: frame_id → row of all frames of earlier batches; grows with this one.
        quarantined: pseudonym → path of what was turned away; grows.
    """

    root: Path = field(repr=False)
    folder: Path
    task: Task
    batch: str
    key: bytes = field(repr=False)
    min_slices: int
    structures: tuple[str, ...]
    findings: tuple[str, ...]
    known: dict[str, Mapping[str, Any]]
    quarantined: dict[str, str] = field(default_factory=dict, repr=False)

    def read(self, units: tuple[Unit, ...], journal: IngestJournal) -> tuple[Outcome, ...]:
        """Every outcome in the order of reading; what ``journal`` has is not read again."""
        done = {key: outcome for key, outcome in journal.read().items() if self._is_there(outcome)}
        outcomes = list(done.values())
        for (source, _), outcome in done.items():
            if outcome.quarantine:
                self._hide(source)
        for outcome in outcomes:
            self._remember(outcome)
        files = sum(len(unit.files) for unit in units)
        with tqdm(total=files, unit="file", desc=f"ingest {self.task} {self.batch}", file=sys.stderr) as bar:
            for unit in units:
                stated = unit.row.stated if unit.row else StatedVoxels()
                for found in read_source(
                    self.root, unit.files, min_slices=self.min_slices, done=done.keys(), stated=stated
                ):
                    outcome = self._outcome(found, unit.row)
                    if isinstance(found, ScannedFrame):
                        journal.append((found.source, found.index), outcome)
                    outcomes.append(outcome)
                    bar.update(found.files)
        return tuple(outcomes)

    def _outcome(self, found: ScannedFrame | Rejected, row: CaseRow | None) -> Outcome:
        if isinstance(found, Rejected):
            return self._quarantined(found.source, row, found.reason)
        try:
            entry = frame_row(found, row, batch=self.batch, key=self.key)
            self._refuse_copies(entry)
        except InputError as error:
            return self._quarantined(found.source, row, str(error))
        save_volume(self.folder / "volumes" / f"{entry['frame_id']}.b2nd", found.volume)
        outcome = Outcome(row=entry)
        self._remember(outcome)
        try:
            self._save_label(found, row, entry)
        except InputError as error:
            return Outcome(row=entry, quarantine=self._quarantined(found.source, row, str(error)).quarantine)
        return outcome

    def _refuse_copies(self, entry: Mapping[str, Any]) -> None:
        """One frame per name, and no scan under two cases: a copy could train and test at once."""
        if entry["frame_id"] in self.known:
            raise InputError(
                expected="one scan per case and phase",
                got="another file or series of the same case and phase",
                hint="giving each its own case in cases.csv, or its phase",
            )
        twin = self._case_of.get(str(entry["sha256"]))
        if twin is not None and twin != entry["case_id"]:
            raise InputError(
                expected="a scan that is new", got=f"a copy of case {twin}", hint="leaving the copy out"
            )

    def _save_label(self, frame: ScannedFrame, row: CaseRow | None, entry: Mapping[str, Any]) -> None:
        if row is None:
            return
        shelf = AnswerFolder(self.folder / "labels")
        if self.task == "segmentation" and row.labels:
            names = dict(row.label_values) or dict(enumerate(self.structures, start=1))
            label_map = read_label_map(
                self.root / row.labels, names, frame.volume, frame.index, stated=row.stated
            )
            shelf.put_label_map(entry["frame_id"], label_map, _expert(label_map_sha256(label_map), row))
        stated = {name: row.findings.get(name) for name in self.findings}
        if self.task == "classification" and set(stated.values()) != {None}:
            shelf.put_findings(entry["case_id"], stated, _expert(findings_sha256(stated), row))

    def _remember(self, outcome: Outcome) -> None:
        if outcome.row is not None:
            self.known[outcome.row["frame_id"]] = outcome.row
            self._case_of.setdefault(outcome.row["sha256"], outcome.row["case_id"])

    @cached_property
    def _case_of(self) -> dict[str, str]:
        """sha256 of a frame → its case."""
        return {row["sha256"]: row["case_id"] for row in self.known.values()}

    def _is_there(self, outcome: Outcome) -> bool:
        return outcome.row is None or (self.folder / "volumes" / f"{outcome.row['frame_id']}.b2nd").exists()

    def _quarantined(self, source: str, row: CaseRow | None, reason: str) -> Outcome:
        shown = self._hide(source) + (f" (row {row.line} of the cases table)" if row else "")
        return Outcome(row=None, quarantine=({"source": shown, "batch": self.batch, "reason": reason},))

    def _hide(self, source: str) -> str:
        """Its pseudonym: names of files and folders can name people, also where a table states them."""
        name = pseudonym(self.key, "source", f"{self.batch}/{source}")
        self.quarantined[name] = str(self.root / source)
        return name


def _expert(sha256: str, row: CaseRow) -> LabelSidecar:
    return LabelSidecar(provenance="expert", label_sha256=sha256, annotator=row.labelled_by or _ANNOTATOR)
