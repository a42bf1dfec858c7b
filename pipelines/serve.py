"""Job: the pages in a browser, on this machine unless told otherwise."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from components.adapters.answer_files import read_drawn_label_map
from components.adapters.blosc_store import load_volume
from components.errors import ParameterError, StateError
from components.labeling.request import LabelingRequest
from components.labeling.request_store import RequestStore
from components.operations.accept_answer import Answerer
from components.operations.access_rules import AccessRules
from components.operations.give_access import Access
from components.registry.ledger import Ledger
from components.volume.canonical import canonical_geometry
from components.volume.resample import resample, resample_labels
from components.volume.volume import LabelMap
from dashboards.access import LOOPBACK, Entrance
from dashboards.desk import FrameView
from pipelines.answer_door import AddVersion, AnswerDoor, publish_answers
from pipelines.composition import Services
from pipelines.dvc_commands import add_version
from pipelines.label_names import finding_names, label_values
from pipelines.lease import lease
from pipelines.params import load_section
from pipelines.requests import export_requests, native_file
from pipelines.scheduler import looking
from pipelines.served_loop import WorkspaceLoop
from pipelines.served_reading import WorkspaceReading
from pipelines.workspace import Workspace

_FRAMES_KEPT = 4


@dataclass(frozen=True, kw_only=True)
class ServeParams:
    """Section ``serve`` of params.yaml.

    Args:
        port: to listen on.
        access: how long access lasts, and how often a wrong password may be tried.
        names: beyond loopback, what people call this machine, e.g. ``ctloop.hospital.example``.
        certificate, key: PEM files for TLS, without which the page does not listen beyond loopback.
    """

    port: int = 8517
    access: AccessRules = field(default_factory=AccessRules)
    names: tuple[str, ...] = ()
    certificate: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ParameterError(expected="a port from 1 to 65535", got=str(self.port), hint="8517")


class WorkspaceDesk:
    """Implements ``dashboards.desk.Desk`` on a workspace's files."""

    def __init__(
        self, workspace: Workspace, store: RequestStore, ledger: Ledger, version: AddVersion
    ) -> None:
        self._workspace, self._door = workspace, AnswerDoor(workspace=workspace, store=store)
        self._publish = partial(publish_answers, workspace, store=store, ledger=ledger, add_version=version)
        self._publishing = threading.Lock()
        self._packing = threading.Lock()
        self._view = lru_cache(maxsize=_FRAMES_KEPT)(self._load)

    def frame(self, request: LabelingRequest) -> FrameView:
        return self._view(str(native_file(self._workspace, request)), str(self.package(request)))

    def package(self, request: LabelingRequest) -> Path:
        with self._packing:
            folders = export_requests(self._workspace, [request])
        if not folders:
            raise StateError(
                expected=f"the frame {request.frame_id}",
                got="no file",
                hint="`dvc checkout` in the workspace",
            )
        return folders[0]

    def finding_names(self) -> tuple[str, ...]:
        return finding_names(self._workspace)

    def take_label_map(
        self, request: LabelingRequest, file: Path, *, annotator: str, minutes: float | None
    ) -> None:
        self._door.label_map(request.id, file, Answerer(annotator=annotator, minutes=minutes))

    def take_findings(
        self, request: LabelingRequest, row: Mapping[str, str], *, annotator: str, minutes: float | None
    ) -> None:
        self._door.findings(request.id, row, Answerer(annotator=annotator, minutes=minutes))

    def publish(self) -> None:
        """Whatever job is at work now, the next answer or the next retraining publishes this one too."""
        with self._publishing:
            try:
                with lease(self._workspace.lease, "ctloop serve, storing an answer"):
                    self._publish()
            except StateError as error:
                print(f"ctloop serve: no new data version yet: {error}", file=sys.stderr)

    def _load(self, file: str, package: str) -> FrameView:
        volume = load_volume(Path(file))
        upright = canonical_geometry(volume.geometry, None)
        drawn = Path(package) / "pre-annotation.nii.gz"
        pre_annotation = None
        if drawn.exists():
            read = read_drawn_label_map(drawn)
            names = label_values(self._workspace)
            native = LabelMap(labels=read.labels.astype("uint8"), geometry=volume.geometry, names=names)
            pre_annotation = resample_labels(native, upright)
        return FrameView(volume=resample(volume, upright), pre_annotation=pre_annotation)


def serve(
    workspace: Workspace,
    host: str = "127.0.0.1",
    port: int | None = None,
    token: str | None = None,
    schedule: bool = False,
) -> None:
    """Answer on ``http://HOST:PORT`` until interrupted.

    Args:
        host: to listen on. Beyond loopback only with TLS, names, and an admin who has a password.
        port: by default that of params.yaml.
        token: by default the workspace's own, see ``serve_token``.
        schedule: also run the jobs of ``ctloop scheduler``.
    """
    params = load_section(ServeParams, workspace.params, "serve")
    beyond = host not in LOOPBACK
    if beyond:
        _expect_safe(params, host)
    import uvicorn

    from components.adapters.argon2_passwords import Argon2Passwords
    from dashboards.app import create_app

    services, port = Services(workspace), port or params.port
    store = services.store
    access = Access(store=store.accounts, passwords=Argon2Passwords(), rules=params.access)
    if beyond and not access.has_admin():
        raise StateError(
            expected=f"an admin who has a password, before the page listens on {host}",
            got="none",
            hint="`ctloop serve` on loopback first, and the link that it prints",
        )
    desk = WorkspaceDesk(workspace, store, store, partial(add_version, workspace.root))
    entrance = Entrance(
        access=access, workspace_token=token or serve_token(workspace), names=(*LOOPBACK, *params.names),
        beyond_loopback=beyond,
    )  # fmt: skip
    app = create_app(
        store=store,
        desk=desk,
        loop=WorkspaceLoop(services),
        reading=WorkspaceReading(services),
        entrance=entrance,
    )
    _say_where(access, f"{'https' if beyond else 'http'}://{f'[{host}]' if ':' in host else host}:{port}")
    certificate, key = (params.certificate, params.key) if beyond else (None, None)
    # uvicorn sends itself the signal once more when it has stopped; by default that would end us here and now
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with looking(services) if schedule else nullcontext():
        uvicorn.run(
            app, host=host, port=port, log_level="warning", access_log=False, server_header=False,
            proxy_headers=False, ssl_certfile=certificate, ssl_keyfile=key,
        )  # fmt: skip


def _expect_safe(params: ServeParams, host: str) -> None:
    """Passwords do not travel in the clear, and a page has a name that others cannot take."""
    files = [Path(name) for name in (params.certificate, params.key) if name]
    if len(files) < 2 or not all(file.is_file() for file in files) or not params.names:
        raise ParameterError(
            expected=f"`certificate`, `key` and `names` in section `serve`, or a loopback host ({', '.join(LOOPBACK)})",
            got=host,
            hint="an SSH tunnel to reach the page from elsewhere",
        )


def _say_where(access: Access, address: str) -> None:
    print(f"ctloop: {address}", file=sys.stderr)
    if (secret := access.first_admin()) is not None:
        hours = access.rules.invitation_hours
        print(
            f"the first admin sets a password here, once, within {hours:g} hours: {address}/invitation/{secret}",
            file=sys.stderr,
        )


def serve_token(workspace: Workspace) -> str:
    """The workspace's token; made, stored with mode 0600 and printed when there is none yet."""
    path = workspace.state / "serve.token"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(f"the token for programs is in {path.name} of the state folder", file=sys.stderr)
        return path.read_text().strip()
    token = secrets.token_urlsafe(24)
    with os.fdopen(handle, "w") as file:
        file.write(token + "\n")
    print(
        f"token for programs (stored as {path.name} in the state folder, shown only now): {token}",
        file=sys.stderr,
    )
    return token
