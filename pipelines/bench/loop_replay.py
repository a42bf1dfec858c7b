"""Past cycles of ``ctloop bench loop`` rerun from data version and ledger: same scores, choice, verdict, weights?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from components.adapters.blosc_store import load_label_map
from components.models.package import load_network
from components.operations.run_gate import compare
from components.registry.gate_params import GateParams
from components.registry.ledger import LedgerEntry
from components.registry.registry import ModelVersion
from pipelines.bench.loop_books import NAME, Books, Shipped
from pipelines.bench.loop_cycle import candidate, drift_facts, gate_frames, watch
from pipelines.bench.loop_students import Lesson, Students, expert_lesson
from pipelines.bench.loop_year import HELD_OUT, Labels, batch_name
from pipelines.gate import test_set_hash, training_patients
from pipelines.params import build
from pipelines.replay import differences


def replayed(students: Students, shipped: Shipped, books: Books, month: int) -> list[str]:
    """What is not the same today, in words; nothing is taken from the memory of the run.

    The window is scored and judged again and the frames to ask about are chosen again; if a retrained model met the
    gate, it is trained again from the answers as they lie in the folder, and judged again.
    """
    found = _window(students, shipped, books, month)
    kind = f"retrained-{month:02d}"
    for entry in books.store.entries("gate"):
        if entry.payload["context"]["data"] == kind:
            found += _gate(students, books, entry, month)
    return found


def _window(students: Students, shipped: Shipped, books: Books, month: int) -> list[str]:
    batch, entries = batch_name(month), books.store.entries("drift")
    entry = next(one for one in entries if one.payload["batch"] == batch)
    data = json.loads((books.folder / "data" / f"{batch}.json").read_text())
    frames = students.year.frames
    trained = frames["patient_id"].iloc[data["trained_on"]].astype(str)
    earlier = [one for one in entries if one.number < entry.number and one.subject == entry.subject]
    report = watch(
        students.year, books, shipped, _version(books, entry.payload["package_hash"]), batch,
        history=[bool(one.payload["alarmed"]) for one in earlier],
        excluded=[*data["audited"], *sorted(set(trained))], labelled=data["trained_on"],
    )  # fmt: skip
    now = json.loads(json.dumps(drift_facts(report, batch)))
    return [f"month {month}: {name}" for name, value in now.items() if entry.payload[name] != value]


def _gate(students: Students, books: Books, entry: LedgerEntry, month: int) -> list[str]:
    context = entry.payload["context"]
    champion, challenger = (
        _version(books, context[who]["package_hash"]) for who in ("champion", "challenger")
    )
    data = json.loads((books.folder / "data" / f"{context['data']}.json").read_text())
    frames = gate_frames(students.year, {row: _answer(students, books, row) for row in data["test"]})
    verdict = compare(
        task="segmentation",
        champion=candidate(books, champion),
        challenger=candidate(books, challenger),
        frames=frames,
        training_patients=set().union(
            *(training_patients(books.registry.fetch(one)) for one in (champion, challenger))
        ),
        params=build(GateParams, entry.payload["parameters"], "the verdict's parameters"),
        context={"test_set": test_set_hash(frames)},
    )
    found = list(differences(entry.payload, verdict))
    lessons: dict[int, Lesson] = dict(students.first_lessons)
    lessons |= {
        row: expert_lesson(_answer(students, books, row)) for row in data["train"] if row not in lessons
    }
    network, _ = load_network(books.registry.fetch(challenger))
    again = students.again({**students.pseudo(month, lessons, held_out=data["test"]), **lessons})
    found += [] if _same(network.state_dict(), again.state_dict()) else [f"month {month}: weights"]
    return found


def _answer(students: Students, books: Books, row: int) -> Labels:
    """From the folder of answers; the held-out patients of before the year have theirs in the pool."""
    frame = students.year.frames.iloc[row]
    if frame["batch"] == HELD_OUT:
        before: Labels = students.year.pool.labels[row]
        return before
    kept: Labels = load_label_map(books.answers.folder / f"{frame['frame_id']}.b2nd").labels
    return kept


def _version(books: Books, digest: str) -> ModelVersion:
    return next(one for one in books.registry.versions(NAME) if one.package_hash == digest)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
