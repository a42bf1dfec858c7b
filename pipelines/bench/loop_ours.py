"""Our arm of ``ctloop bench loop``: a year under ctloop's own monitor, requests, checks, gate, ledger and rollback.

Experts are simulated by the truth, see ``loop_answers``; all that decides is what production calls, as shipped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.adapters.parquet import read_parquet
from components.cohort.split import Split, assign
from components.errors import InputError
from components.labeling.request import LabelingRequest
from components.operations.accept_answer import Answerer, accept_label_map
from components.operations.audit_sample import frames_to_audit
from components.operations.doubtful_answers import Agreement, agreement, doubts, widest_gap
from components.operations.monitor_window import WindowReport
from components.operations.open_requests import open_requests
from components.operations.promote import promote
from components.operations.register_model import subject_of
from components.operations.roll_back import roll_back
from components.operations.run_gate import run_gate
from components.registry.registry import ModelVersion
from components.registry.verdict import Verdict
from components.volume.volume import LabelMap
from pipelines.bench.acquisition_pool import GRID
from pipelines.bench.loop_answers import exchanged, fault_of, first_answer, second_answer
from pipelines.bench.loop_books import FRAMES, NAME, Books, Shipped
from pipelines.bench.loop_cycle import candidate, drift_facts, gate_frames, watch
from pipelines.bench.loop_students import DAMAGED, Lesson, Students, composite, expert_lesson
from pipelines.bench.loop_year import BAD_MONTH, HELD_OUT, RECALL_MONTH, Labels, batch_name
from pipelines.gate import test_set_hash, training_patients
from pipelines.progress import say, write_json
from pipelines.withdraw import supersede_requests

ANSWERS_TO_RETRAIN = 20  # as the shipped section `scheduler` has it
TRUSTED = 0.95  # share of right answers that pass the second reading
_READER = Answerer(annotator="reader 1")
_OTHER = Answerer(annotator="reader 2", unasked=True)


@dataclass(frozen=True, kw_only=True)
class Cycle:
    """What happened in a month.

    Args:
        score: of the model in use when the month's scans came.
        labels: answers given, those to second readings included; ``doubted`` of them were read again.
        wrong, caught: answers with a fault, and how many of these were found.
        gates: challenger, outcome, reason and whether it was promoted.
    """

    month: int
    score: float
    alarmed: bool
    channels: tuple[str, ...]
    labels: int
    doubted: int
    wrong: int
    caught: int
    events: tuple[str, ...]
    gates: tuple[Mapping[str, Any], ...]


@dataclass(kw_only=True, eq=False)
class OurYear:
    """Args:
    lessons: answers that training may read, by row.
    held_out: rows of held-out patients; see ``loop_books.HeldOut``.
    waiting: answers for training since the last retraining.
    """

    students: Students
    shipped: Shipped
    books: Books
    lessons: dict[int, Lesson] = field(default_factory=dict)
    held_out: dict[int, Labels | None] = field(default_factory=dict)
    split: Split | None = None
    waiting: int = 0

    def run(self) -> list[Cycle]:
        """The year, from the first model on."""
        year = self.students.year
        self.lessons = dict(self.students.first_lessons)
        self.held_out = {
            row: year.pool.labels[row] if self.students.asked_of_a_cine(row) else None
            for row in year.rows(HELD_OUT)
        }
        lessons = {**self.students.pseudo(0, self.lessons), **self.lessons}
        self._challenge("start", self.students.start, lessons, 0)
        return [self._month(month) for month in sorted(year.fresh)]

    @property
    def champion(self) -> ModelVersion:
        found = self.books.registry.by_alias(NAME, "champion")
        assert found is not None, "the first model passed no gate"
        return found

    def _month(self, month: int) -> Cycle:
        year, version, batch = self.students.year, self.champion, batch_name(month)
        score = composite(self.books.predictor(version).network, year.fresh[month])  # type: ignore[arg-type]
        self.split = assign(
            year.frames.iloc[year.rows(batch)], self.split,
            audit_share=self.shipped.split.audit_share, seed=self.shipped.split.seed,
        )  # fmt: skip
        report = self._watch(version, month)
        given = self._ask_and_read(version, report, month)
        events, gates = [], []
        if month == BAD_MONTH:
            gates.append(self._bad_challenger(month))
        if recalled := month == RECALL_MONTH and self._recall(version):
            events.append("rolled back")
        drifted = report.verdict.kind == "drift"
        if drifted or recalled or self.waiting >= ANSWERS_TO_RETRAIN:
            lessons = {
                **self.students.pseudo(month, self.lessons, held_out=self.held_out),
                **self.lessons,
            }
            gates.append(self._challenge("retrained", self.students.learn(lessons), lessons, month))
            self.waiting = 0
        cycle = Cycle(
            month=month,
            score=score,
            alarmed=report.verdict.alarmed,
            channels=tuple(channel.name for channel in report.verdict.channels if channel.alarmed),
            events=tuple(events),
            gates=tuple(gates),
            **given,
        )
        say(f"ours, {cycle}")
        return cycle

    def _watch(self, version: ModelVersion, month: int) -> WindowReport:
        assert self.split is not None
        store, batch = self.books.store, batch_name(month)
        earlier = [e for e in store.entries("drift") if e.subject == subject_of(version)]
        audited, trained = self.split.patients("test"), sorted(self.lessons)
        report = watch(
            self.students.year, self.books, self.shipped, version, batch,
            history=[bool(entry.payload["alarmed"]) for entry in earlier],
            excluded=[*audited, *self._patients(self.lessons)], labelled=trained,
        )  # fmt: skip
        file = self.books.folder / "data" / f"{batch}.json"
        write_json(file, {"batch": batch, "audited": audited, "trained_on": trained})
        facts = {**drift_facts(report, batch), "package_hash": version.package_hash}
        store.append("drift", subject_of(version), facts)
        return report

    def _patients(self, rows: Mapping[int, object]) -> list[str]:
        return sorted(set(self.students.year.frames["patient_id"].iloc[list(rows)].astype(str)))

    def _ask_and_read(self, version: ModelVersion, report: WindowReport, month: int) -> dict[str, int]:
        """Open the requests of the audit and of the monitor, take the answers, and read the doubtful ones again."""
        year, counts = self.students.year, dict.fromkeys(("labels", "doubted", "wrong", "caught"), 0)
        opened = open_requests(self.books.store, self._requests(version, report, month)).opened
        rows = {str(name): row for row, name in enumerate(year.frames["frame_id"])}
        foretold = report.scorecards.set_index("frame_id")["expected_dice"].astype(float)
        widest, predictor = self._widest_gap(version), self.books.predictor(version)
        for request in opened:
            row = rows[request.frame_id]
            faulty = fault_of(year, row) is not None
            counts["labels"] += 1
            counts["wrong"] += faulty
            try:
                answer = self._accept(request, row, first=True)
                said = predictor.predict(year.volume(row)).labels
                assert said is not None
                found = agreement(request.patient_id, answer, said, foretold=foretold[request.frame_id])
                again = doubts(answer, found, demanded=self.shipped.plausibility, widest=widest)
            except InputError as refusal:
                again = (str(refusal),)
            if again:
                counts["labels"] += 1
                counts["doubted"] += 1
                counts["caught"] += faulty
                answer = self._accept(request, row, first=False)
            self._keep(request, row, answer.labels)
        return counts

    def _requests(self, version: ModelVersion, report: WindowReport, month: int) -> list[LabelingRequest]:
        assert self.split is not None
        frames = self.students.year.frames.iloc[self.students.year.rows(batch_name(month))]
        audit = frames_to_audit(
            frames, task="segmentation", audited=self.split.patients("test"), labelled=(),
            frames_per_case=self.shipped.requests.frames_per_case,
        )  # fmt: skip
        audits: list[tuple[Mapping[Any, Any], str]] = [(row, "none") for row in audit.to_dict("records")]
        found = [(vars(one), subject_of(version)) for one in report.candidates]
        return [_request(fields, by, month) for fields, by in (*audits, *found)]

    def _accept(self, request: LabelingRequest, row: int, *, first: bool) -> LabelMap:
        """The answer as the door lets it in; ``InputError`` where it refuses."""
        year, check = self.students.year, self.shipped.check
        drawn = first_answer(year, row) if first else second_answer(year, row)
        accept_label_map(
            request.frame_id, drawn, request=request, native=GRID, check=check,
            by=_READER if first else _OTHER, shelf=self.books.answers, store=self.books.store,
        )  # fmt: skip
        return check.label_map(drawn, GRID)

    def _keep(self, request: LabelingRequest, row: int, labels: Labels) -> None:
        if request.reason == "audit":
            every = np.flatnonzero(self.students.year.frames["case_id"] == request.case_id)
            for other in every.tolist():
                self.held_out.setdefault(other, None)
            self.held_out[row] = labels
        else:
            self.lessons[row] = expert_lesson(labels)
            self.waiting += 1

    def _widest_gap(self, version: ModelVersion) -> float:
        package = self.books.registry.fetch(version)
        judged = read_parquet(package / FRAMES)
        cards = read_parquet(package / "reference.parquet").set_index("frame_id")
        held_out = [
            Agreement(
                patient_id=str(cards.loc[frame, "patient_id"]),
                foretold=float(cards.loc[frame, "expected_dice"]),
                found=dice,
            )
            for frame, dice in judged[judged["judged"]][["frame_id", "dice_mean"]].itertuples(index=False)
        ]
        return widest_gap(held_out, level=TRUSTED)

    def _bad_challenger(self, month: int) -> Mapping[str, Any]:
        """A colleague's, whose every other label exchanges left and right chambers."""
        lessons = {
            row: expert_lesson(exchanged(one.labels)) if i % 2 else one
            for i, (row, one) in enumerate(sorted(self.lessons.items()))
        }
        return self._challenge("bad", self.students.learn(lessons), lessons, month)

    def _recall(self, version: ModelVersion) -> bool:
        """Whether the model in use had learned from the recalled teacher, and the one before is back."""
        package = self.books.registry.fetch(version)
        if DAMAGED not in json.loads((package / "lineage" / "lineage.json").read_text())["teachers"]:
            return False
        store = self.books.store
        roll_back(
            self.books.registry, store, name=NAME, reason=f"{DAMAGED} was recalled",
            withdraw=lambda subject, reason: {
                "requests_superseded": supersede_requests(store, "segmentation", subject, reason)
            },
        )  # fmt: skip
        return True

    def _challenge(
        self, kind: str, network: Any, lessons: Mapping[int, Lesson], month: int
    ) -> Mapping[str, Any]:
        """Register, meet the gate, and be promoted where it accepts."""
        books, year = self.books, self.students.year
        champion = books.registry.by_alias(NAME, "champion")
        facts = {
            "training_patients": self._patients(lessons),
            "teachers": sorted({one.source for one in lessons.values() if one.provenance == "pseudo"}),
            "kind": kind,
            "month": month,
        }
        version = books.package(network, year, self.held_out, facts, label=f"{kind}-{month:02d}")
        answers = {row: labels for row, labels in self.held_out.items() if labels is not None}
        frames = gate_frames(year, answers)
        known = {"test": sorted(answers), "train": sorted(self.lessons)}
        write_json(books.folder / "data" / f"{kind}-{month:02d}.json", known)
        packages = [books.registry.fetch(one) for one in (champion, version) if one is not None]
        verdict = run_gate(
            task="segmentation",
            champion=None if champion is None else candidate(books, champion),
            challenger=candidate(books, version),
            frames=frames,
            training_patients=set().union(*map(training_patients, packages)),
            params=self.shipped.gate,
            ledger=books.store,
            context={"test_set": test_set_hash(frames), "data": f"{kind}-{month:02d}"},
        )
        promoted = self._promoted(version, champion, verdict)
        return {
            "kind": kind, "version": version.version, "outcome": verdict.outcome, "reason": verdict.reason,
            "promoted": promoted, "patients": len(verdict.patients),
            "truly": round(composite(network, year.fresh[max(month, 1)]), 4),
        }  # fmt: skip

    def _promoted(self, version: ModelVersion, champion: ModelVersion | None, verdict: Verdict) -> bool:
        new = champion is None or version.version != champion.version
        if verdict.accepted and new:
            promote(self.books.registry, self.books.store, name=NAME)
        return verdict.accepted and new


def _request(found: Mapping[Any, Any], by: str, month: int) -> LabelingRequest:
    """A candidate of the monitor, or a row of the audit sample."""
    return LabelingRequest(
        task="segmentation",
        case_id=str(found["case_id"]),
        frame_id=str(found["frame_id"]),
        patient_id=str(found["patient_id"]),
        batch=str(found["batch"]),
        reason=found.get("reason", "audit"),
        measured=found.get("measured"),
        threshold=found.get("threshold"),
        model_version=by,
        evidence=str(found.get("evidence", "audit sample")),
        budget_minutes=round(float(found.get("minutes", 30.0)), 1),
        opened_at=f"2026-{month:02d}-01T00:00:00+00:00",
        due=f"2026-{month:02d}-15",
        arm=found.get("arm"),
        choice=found.get("choice"),
    )
