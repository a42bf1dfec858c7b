"""A workspace after some months: three versions, gates, a drift alarm, runs that went wrong, and many cases."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from fastapi import FastAPI

from components.adapters.blosc_store import save_volume
from components.adapters.sql_store import SqlStore
from components.drift.strata import Stratum
from components.drift.verdict import ChannelVerdict, DriftVerdict
from components.labeling.second_reading import SecondReading
from components.registry.package import package_hash
from components.registry.registry import Registry
from components.registry.verdict import Check, PatientScore, Verdict
from pipelines.gate import gate_folder
from pipelines.gate_page import write_gate_page
from pipelines.monitor import report_folder
from pipelines.workspace import Workspace
from tests.components.registry.fakes import RegistryInMemory
from tests.dashboards.desk_server import made_app
from tests.pipelines.answering_workspace import HEART_REQUEST, heart_volume

NAME = "ctloop-segmentation"
BATCH = "2026-02 north"


class OfOneModel(RegistryInMemory):
    """Versions of the one model that was registered here, none of another."""

    def versions(self, name: str) -> Any:
        return super().versions(name) if name == NAME else ()


def lived_app(
    folder: Path, *, cases: int = 60, run: Any = None, registry: Registry | None = None
) -> tuple[FastAPI, Workspace, SqlStore]:
    """``registry``: an empty one, in memory unless given; ``run``: the real verbs unless given."""
    registry = registry or OfOneModel()
    app, workspace, store = made_app(folder, registry=registry, run=run)
    _scans(workspace, cases)
    hashes = _versions(registry, store, folder / "packages")
    _gate(workspace, store, hashes)
    _drift(workspace, store)
    _runs(workspace, store)
    return app, workspace, store


def _scans(workspace: Workspace, cases: int) -> None:
    workspace.batches.write_text(
        yaml.safe_dump(
            {
                "pseudonym_key": "",
                "segmentation": [{"name": "first", "digest": "d", "files": 1}],
                "classification": [],
            }
        )
    )
    number = np.arange(cases)
    frames = pd.DataFrame(
        {
            "frame_id": [f"heart-{n:02d}__phase-040" for n in number],
            "case_id": [f"heart-{n:02d}" for n in number],
            "patient_id": [f"p-{n:02d}" for n in number],
            "batch": np.where(number % 5 == 0, BATCH, "first"),
            "phase_percent": 40.0,
            "site": np.where(number % 5 == 0, "north", "south"),
            "manufacturer": np.where(number % 2 == 0, "Vendor A", "Vendor B"),
            "model": "One",
            "kernel": np.where(number % 3 == 0, "sharp", "soft"),
            "kvp": 120.0,
            "slice_thickness_mm": 1.5,
            **{f"spacing_{axis}_mm": 1.5 for axis in "zyx"},
            **{f"shape_{axis}": 128 for axis in "zyx"},
            "orientation": "LPS",
            "acquired_at": "2026-01-12",
            "sha256": [f"{n:064x}" for n in number],
        }
    )
    frames.to_parquet(workspace.ingested("segmentation") / "frames.parquet", index=False)


def _versions(registry: Registry, store: SqlStore, packages: Path) -> dict[int, str]:
    hashes = {}
    for number, (labels, dice) in enumerate(((12, 0.71), (33, 0.79), (61, 0.83)), 1):
        tags = {"label_set": f"labels-{number}" * 3, "git_commit": "c0ffee" * 6, "seed": "7"}
        tags |= {
            "hash.data/segmentation/prepared": "5ca1e" * 6 if number < 3 else "5ca2e" * 6,
            "hash.data/segmentation/pseudo": "90add" * 6, "teacher_fingerprint": "7eac4" * 6,
        }  # fmt: skip
        tags |= {"parent": f"{NAME}/{number - 1}"} if number > 1 else {}
        package = _package(packages / str(number), labels, dice)
        hashes[number] = package_hash(package)
        registry.register(NAME, package, package_hash=hashes[number], tags=tags)
        store.append("register", f"{NAME}/{number}", {"package_hash": hashes[number]})
    for number in (1, 2):
        _promote(store, number, number - 1 or None, hashes[number])
    for alias, number in (("champion", 2), ("previous", 1), ("challenger", 3)):
        registry.set_alias(alias=alias, name=NAME, version=number)  # type: ignore[arg-type]
    return hashes


def _package(folder: Path, labels: int, dice: float) -> Path:
    """A whole package, though no network is in it."""
    (folder / "lineage").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "calibration.json").write_text("{}")
    (folder / "reference.parquet").write_bytes(b"reference")
    interval = {"value": dice, "low": dice - 0.03, "high": dice + 0.025, "patients": 24}
    (folder / "metrics.json").write_text(json.dumps({"dice": {"mean": interval}}))
    (folder / "model.json").write_text(json.dumps({"training": {"labels": {"expert": labels, "pseudo": 80}}}))
    (folder / "lineage" / "params.yaml").write_text(
        "evaluate: {segmentation: {level: 0.95}, classification: {}}\n"
    )
    return folder


def _promote(store: SqlStore, number: int, before: int | None, digest: str) -> None:
    payload = {
        "version": number, "package_hash": digest, "previous": before, "override": None,
        "reason": "better on site north by 0.04 Dice, worse nowhere", "by": "mlops-1",
        "aliases": {"champion": number},
    }  # fmt: skip
    entry = store.append("promote", f"{NAME}/{number}", payload)
    store.append(
        "settled", entry.subject,
        {"entry": entry.number, "move": "promote", "reason": "", "interrupted": False, "withdrawn": {}},
    )  # fmt: skip


def _gate(workspace: Workspace, store: SqlStore, hashes: Mapping[int, str]) -> None:
    challenger, champion = ({"name": f"{NAME}/{n}", "package_hash": hashes[n]} for n in (3, 2))
    verdict = Verdict(
        outcome="refused",
        reason="loses 0.07 Dice on site south, 0.05 allowed",
        checks=(
            Check(name="evidence", stratum="all", patients=24, bound=8, holds=True),
            _compared(stratum="all", patients=24, mean=0.01, lower=-0.01, holds=True),
            _compared(stratum="first", patients=12, mean=-0.07, lower=-0.1, holds=False),
        ),
        patients=tuple(
            PatientScore(patient_id=f"p-{n:02d}", stratum="first", champion=0.8, challenger=0.8 - n / 100)
            for n in range(24)
        ),
        parameters={"margin": 0.05, "alpha": 0.05},
        context={"challenger": challenger, "champion": champion, "frames": 24, "test_set": "t"},
    )  # fmt: skip
    store.append("gate", f"{NAME}/3", verdict.as_json())
    write_gate_page(gate_folder(workspace, "segmentation", 3), verdict, "segmentation")


def _compared(**facts: Any) -> Check:
    return Check(name="non-inferiority", bound=-0.05, alpha=0.05, **facts)


def _drift(workspace: Workspace, store: SqlStore) -> None:
    channels = tuple(
        ChannelVerdict(
            name=name, column=column, columns=6, statistic=9.0 if alarmed else 1.0, threshold=3.0,
            effect=0.8 if alarmed else 0.1, effect_low=0.05, effect_high=1.1,
            effect_name="Wasserstein distance, in standard deviations",
            p_value=p, level=0.002, p_holm=5 * p, alarmed=alarmed,
        )
        for name, column, p, alarmed in (
            ("metadata", "kernel", 0.0005, True), ("image", "noise", 0.001, True),
            ("embeddings", "embedding", 0.2, False), ("outputs", "left_ventricle", 0.15, False),
            ("uncertainty", "uncertainty", 0.19, False),
        )
    )  # fmt: skip
    verdict = DriftVerdict(
        kind="drift", reason="metadata and image differ from the reference", alarmed=True, n_reference=40,
        n_window=12, alpha=0.01, permutations=1999, channels=channels,
        strata=(Stratum(column="site", value="north", share_reference=0.1, share_window=0.9, p_value=0.0005),),
    )  # fmt: skip
    folder = report_folder(workspace, "segmentation", BATCH)
    folder.mkdir(parents=True)
    content = {"model_version": f"{NAME}/2", "verdict": dataclasses.asdict(verdict)}
    (folder / "verdict.json").write_text(json.dumps(content))
    (folder / "index.html").write_text(
        "<!doctype html><title>window</title><style>p{color:red}</style><p>report</p>"
    )
    pd.DataFrame(
        {
            "frame_id": [f"heart-{n:02d}__phase-040" for n in range(20)],
            "case_id": [f"heart-{n:02d}" for n in range(20)],
            "novelty": np.linspace(0, 3, 20),
            "uncertainty": np.linspace(0.2, 0.4, 20),
        }
    ).to_parquet(folder / "scorecards.parquet", index=False)
    for number in range(20):
        frame = workspace.ingested("segmentation") / "volumes" / f"heart-{number:02d}__phase-040.b2nd"
        save_volume(frame, heart_volume())
    quiet = {
        "task": "segmentation",
        "batch": "first",
        "kind": "no drift",
        "alarmed": False,
        "n_reference": 40,
        "n_window": 30,
    }
    store.append("drift", f"{NAME}/1", {**quiet, "p_holm": {channel.name: 0.9 for channel in channels}})
    loud = {**quiet, "batch": BATCH, "kind": "drift", "alarmed": True, "n_window": 12}
    store.append("drift", f"{NAME}/2", {**loud, "p_holm": {c.name: c.p_holm for c in channels}})


def _runs(workspace: Workspace, store: SqlStore) -> None:
    for job, status, code in (("verify", "done", 0), ("retrain-segmentation", "failed", 1)):
        store.runs.queue(job, "by hand")
        run = store.runs.waiting(job)[0].id
        store.runs.start(run, "here")
        store.runs.end(run, status, exit_code=code)  # type: ignore[arg-type]
        workspace.scheduler_logs.mkdir(parents=True, exist_ok=True)
        (workspace.scheduler_logs / f"{run}.log").write_text(f"{job}: {status}\n")
    store.finish_job(store.start_job("monitor"), "failed", {"error": "StateError"})
    store.finish_job(store.start_job("gate"), "done")
    store.mark_answered(HEART_REQUEST.id, label_sha256="a" * 64, annotator="reader-1", minutes=22.5)
    for case, pairs in (
        ("chest-12", (1, 1)),
        ("chest-13", (0, 1)),
        ("chest-14", (0, 0)),
        ("chest-15", (1, 1)),
    ):
        reread = SecondReading(
            task="classification", readers=("reader-1", "reader-2"), labels=("a" * 64, "b" * 64),
            findings={"emphysema": pairs},
        )  # fmt: skip
        store.record_second_reading(case, reread)
    store.append(
        "label_set", "segmentation", {"version": "d" * 32, "answers": 1, "requests": [HEART_REQUEST.id]}
    )
