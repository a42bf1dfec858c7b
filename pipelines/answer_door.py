"""The one door for experts' answers: the folder import and the web page come through here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from components.adapters.answer_files import read_drawn_label_map
from components.adapters.answer_folder import AnswerFolder
from components.adapters.blosc_store import load_geometry
from components.cohort.labels import LabelSidecar
from components.cohort.task import TASKS, Task
from components.errors import InputError, ParameterError
from components.labeling.answer_check import AnswerCheck
from components.labeling.findings_answer import check_findings
from components.labeling.request import LabelingRequest
from components.labeling.request_store import RequestStore
from components.operations.accept_answer import Answerer, accept_findings, accept_label_map
from components.registry.ledger import Ledger
from pipelines.composition import Services
from pipelines.dvc_commands import add_version as dvc_add
from pipelines.label_names import finding_names, label_values
from pipelines.params import load_section
from pipelines.workspace import Workspace

AddVersion = Callable[[Path], str]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class AnswersParams:
    """Section ``answers`` of params.yaml: what a drawn label map must be.

    Args:
        min_labelled_ml: an answer with less is taken for an unfinished one.
        max_labelled_share: an answer that labels more of the frame is taken for a flooded one.
    """

    min_labelled_ml: float = 0.5
    max_labelled_share: float = 0.6

    def __post_init__(self) -> None:
        if self.min_labelled_ml < 0 or not 0 < self.max_labelled_share <= 1:
            raise ParameterError(
                expected="min_labelled_ml >= 0, 0 < max_labelled_share <= 1",
                got=str(self),
                hint="the shipped section `answers` of params.yaml",
            )


@dataclass(frozen=True, kw_only=True)
class AnswerDoor:
    """Answers to the requests in ``store``, about the frames of ``workspace``."""

    workspace: Workspace
    store: RequestStore

    @cached_property
    def check(self) -> AnswerCheck:
        """The rules for a label map."""
        params = load_section(AnswersParams, self.workspace.params, "answers")
        return AnswerCheck(
            names=label_values(self.workspace),
            min_labelled_ml=params.min_labelled_ml,
            max_labelled_share=params.max_labelled_share,
        )

    @cached_property
    def finding_names(self) -> tuple[str, ...]:
        """The findings that a case is asked about."""
        return finding_names(self.workspace)

    def label_map(self, name: str, file: Path, by: Answerer) -> LabelSidecar:
        """Take ``file`` as the label map of ``name``, a request or a frame; ``InputError`` says why not."""
        request = self.find(name, "segmentation")
        frame = request.frame_id if request else name
        volume = self.workspace.ingested("segmentation") / "volumes" / f"{frame}.b2nd"
        if not volume.exists() or (request is None and not by.unasked):
            raise _nobody_asked(name, volume.exists())
        return accept_label_map(
            frame,
            read_drawn_label_map(file),
            request=request,
            native=load_geometry(volume),
            check=self.check,
            by=by,
            shelf=AnswerFolder(self.workspace.answers("segmentation")),
            store=self.store,
        )

    def findings(self, name: str, row: Mapping[str, str], by: Answerer) -> LabelSidecar:
        """Take ``row`` (finding → ``0``, ``1``, nothing) as the answer to ``name``, a request or a case."""
        request = self.find(name, "classification")
        case = request.case_id if request else name
        known = request is not None or self._is_case(case)
        if not known or (request is None and not by.unasked):
            raise _nobody_asked(name, known)
        return accept_findings(
            case,
            check_findings(row, self.finding_names),
            request=request,
            by=by,
            shelf=AnswerFolder(self.workspace.answers("classification")),
            store=self.store,
        )

    def find(self, name: str, task: Task) -> LabelingRequest | None:
        """The request with this id, else the one about this frame that is nearest to being open."""
        if not _NAME.fullmatch(name):
            raise _nobody_asked(name, False)
        if (exact := self.store.request(name)) is not None:
            return _of_task(exact, task)
        about = self.store.requests(task=task, frame_id=name)
        order = ("open", "answered", "cancelled")
        return min(about, key=lambda request: order.index(request.status), default=None)

    def _is_case(self, case: str) -> bool:
        folder = self.workspace.ingested("classification") / "volumes"
        return (folder / f"{case}.b2nd").exists() or any(folder.glob(f"{case}__phase-*.b2nd"))


def publish_waiting(services: Services) -> dict[Task, str]:
    """What comes before any training: the answers that the page could not publish become a data version."""
    workspace, store = services.workspace, services.store
    return publish_answers(workspace, store=store, ledger=store, add_version=partial(dvc_add, workspace.root))


def publish_answers(
    workspace: Workspace, *, store: RequestStore, ledger: Ledger, add_version: AddVersion
) -> dict[Task, str]:
    """Make a data version of each task's answers that have none yet; task → its hash.

    Safe to repeat: the same answers are the same version, and the ledger names it once.
    """
    versions: dict[Task, str] = {}
    for task in TASKS:
        waiting = [
            found.id for found in store.requests(status="answered", task=task) if not found.label_set_version
        ]
        if waiting:
            versions[task] = publish_task(
                workspace, task, waiting, store=store, ledger=ledger, add_version=add_version
            )
    return versions


def publish_task(
    workspace: Workspace,
    task: Task,
    waiting: list[str],
    *,
    store: RequestStore,
    ledger: Ledger,
    add_version: AddVersion,
) -> str:
    """Make a data version of one task's answers; ``waiting`` are the requests it is the first to hold."""
    version = add_version(workspace.answers(task))
    earlier = [entry.payload["version"] for entry in ledger.entries("label_set") if entry.subject == task]
    if earlier[-1:] != [version]:
        answers = len(list(workspace.answers(task).glob("*.sidecar.json")))
        ledger.append("label_set", task, {"version": version, "answers": answers, "requests": waiting})
    store.record_label_set(waiting, version)
    return version


def _of_task(request: LabelingRequest, task: Task) -> LabelingRequest:
    if request.task != task:
        kinds = ("a label map", "findings")
        wanted, got = kinds if request.task == "segmentation" else kinds[::-1]
        raise InputError(
            expected=f"{wanted} as the answer to {request.id}",
            got=got,
            hint="the files of the exported request",
        )
    return request


def _nobody_asked(name: str, known: bool) -> InputError:
    return InputError(
        expected="a file or row named after a labeling request or its frame",
        got=f"{name!r}, which no request asks about"
        if known
        else f"{name!r}, which is no request and no frame",
        hint="`--unasked` to take it all the same" if known else "`ctloop requests list` for the names",
    )
