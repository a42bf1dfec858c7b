"""The registry: a trained model goes in, is judged, becomes champion, and may have to leave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import (
    ByOption,
    CasesOption,
    JsonOption,
    TaskOption,
    WorkspaceOption,
    services_at,
    show,
    tasks_of,
    who,
)
from pipelines.lease import writes

if TYPE_CHECKING:
    from components.operations.alias_moves import AliasMove


@writes("ctloop register")
def register(task: TaskOption, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Put the trained model into the registry, as challenger."""
    from pipelines.composition import MODEL_NAMES
    from pipelines.register import register as run
    from pipelines.registry_lease import moving_aliases

    services, (one,) = services_at(workspace), tasks_of(task)
    with moving_aliases(services.store, MODEL_NAMES[one]) as ledger:
        version = run(services.workspace, one, services.registry, ledger, name=MODEL_NAMES[one])
    show(version, as_json, f"{version.name} version {version.version}, package {version.package_hash[:12]}")


@writes("ctloop import-weights")
def import_weights(
    layout: Annotated[str, typer.Argument(help="ct-scroll: the authors' checkpoint")],
    file: Annotated[Path, typer.Argument(help=".pth or .safetensors; nothing in it is run")],
    thresholds: Annotated[
        Path | None, typer.Option(help="the JSON published beside it; 0.5 for every finding unless given")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register weights that others trained, as challenger.

    Example: `ctloop import-weights ct-scroll ct_scroll.pth --thresholds thresholds.json`
    """
    from components.errors import ParameterError
    from pipelines.composition import MODEL_NAMES
    from pipelines.import_weights import import_ct_scroll
    from pipelines.registry_lease import moving_aliases

    if layout != "ct-scroll":
        raise ParameterError(
            expected="ct-scroll", got=repr(layout), hint="`ctloop import-weights ct-scroll FILE`"
        )
    services = services_at(workspace)
    name = MODEL_NAMES["classification"]
    with moving_aliases(services.store, name) as ledger:
        version = import_ct_scroll(
            services.workspace,
            file,
            thresholds=thresholds,
            registry=services.registry,
            ledger=ledger,
            name=name,
        )
    show(version, as_json, f"{version.name} version {version.version}, package {version.package_hash[:12]}")


@writes("ctloop gate")
def gate(task: TaskOption, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Judge the challenger against the champion. A refusal is an outcome: the exit code is 0."""
    from pipelines.composition import MODEL_NAMES
    from pipelines.gate import gate as run

    services, (one,) = services_at(workspace), tasks_of(task)
    verdict = run(
        services.workspace, one, services.registry, services.store, name=MODEL_NAMES[one],
        load_predictor=services.load_predictor,
    )  # fmt: skip
    show(verdict.as_json(), as_json, f"{verdict.outcome}: {verdict.reason}")


def replay(
    task: TaskOption,
    entry: Annotated[
        int | None,
        typer.Option(min=1, help="number of a gate's entry in the ledger; the newest unless given"),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a past challenger again, from the data version and packages of then. Exit code 3: something differs.

    Nothing is written to registry or ledger. Example: `ctloop replay --task segmentation --entry 41`
    """
    import dataclasses

    from pipelines.composition import MODEL_NAMES
    from pipelines.replay import replay as run

    services, (one,) = services_at(workspace), tasks_of(task)
    found = run(
        services.workspace, one, services.registry, services.store, name=MODEL_NAMES[one],
        load_predictor=services.load_predictor, entry=entry,
    )  # fmt: skip
    show({**dataclasses.asdict(found), "identical": found.identical}, as_json, found.words())
    if not found.identical:
        raise typer.Exit(3)


@writes("ctloop external-test")
def external_test(
    task: TaskOption = "segmentation",
    version: Annotated[int | None, typer.Option(min=1, help="number of the registered version")] = None,
    alias: Annotated[
        str | None, typer.Option(help="champion (unless given), challenger, previous or shadow")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="a batch that did not train the version")] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            help="instead of a batch: a folder of scans, with labels or findings, that stays outside"
        ),
    ] = None,
    cases: CasesOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a registered version on another site or species, without training on it, and its drop there.

    Example: `ctloop external-test --task classification --source /data/other-site --cases other-site.csv`
    """
    from pipelines.composition import MODEL_NAMES
    from pipelines.external_data import ExternalData
    from pipelines.external_test import chosen_version, headline
    from pipelines.external_test import external_test as run

    services, (one,) = services_at(workspace), tasks_of(task)
    result = run(
        services.workspace,
        one,
        chosen_version(services.registry, MODEL_NAMES[one], number=version, alias=alias),
        ExternalData(batch=batch, source=source, cases=cases),
        registry=services.registry,
        load_predictor=services.load_predictor,
    )
    show(result, as_json, f"{headline(result)}\nreport: {result['report']}")


def export(
    out: Annotated[Path, typer.Argument(help="folder for backbone.xml, head.xml and export.json")],
    number: Annotated[str, typer.Option(help="float32, bfloat16 or int8")] = "bfloat16",
    scans: Annotated[int, typer.Option(help="to find the ranges of int8 on, and to check on", min=1)] = 16,
    version: Annotated[int | None, typer.Option(min=1, help="number of the registered version")] = None,
    alias: Annotated[
        str | None, typer.Option(help="champion (unless given), challenger, previous or shadow")
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the chest classifier as OpenVINO models for a CPU server, checked against torch.

    Example: `ctloop export /srv/models/chest --number int8`
    """
    from typing import get_args

    from components.errors import ParameterError
    from components.models.scroll_export import ExportNumber
    from pipelines.composition import MODEL_NAMES
    from pipelines.export import export as run
    from pipelines.external_test import chosen_version

    services = services_at(workspace)
    known = next((one for one in get_args(ExportNumber) if one == number), None)
    if known is None:
        raise ParameterError(
            expected=f"a number among {', '.join(get_args(ExportNumber))}", got=repr(number), hint="int8"
        )
    chosen = chosen_version(services.registry, MODEL_NAMES["classification"], number=version, alias=alias)
    result = run(services.workspace, chosen, out, registry=services.registry, number=known, scans=scans)
    show(
        result, as_json,
        f"{out}: {number}, within {result['largest']:.2g} of torch's probabilities on {result['scans']} scans",
    )  # fmt: skip


@writes("ctloop promote", moves_aliases=True)
def promote(
    task: TaskOption,
    override: Annotated[
        str | None, typer.Option(help="promote without a pass, for this reason, which is kept")
    ] = None,
    by: ByOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the accepted challenger the champion. Killed, it is finished by the next command, which says so."""
    from pipelines.composition import MODEL_NAMES
    from pipelines.promote import promote as run
    from pipelines.registry_lease import moving_aliases
    from pipelines.withdraw import withdrawing

    services, (one,) = services_at(workspace), tasks_of(task)
    with moving_aliases(services.store, MODEL_NAMES[one]) as ledger:
        moved = run(
            services.registry, ledger, name=MODEL_NAMES[one], override=override, by=who(by),
            withdraw=withdrawing(services, one),
        )  # fmt: skip
    show(moved, as_json, f"champion is version {moved.champion.version}: {moved.reason}{_finished(moved)}")


@writes("ctloop rollback", moves_aliases=True)
def rollback(
    task: TaskOption,
    reason: Annotated[str, typer.Option(help="why; the ledger keeps it")],
    by: ByOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Return to the champion before; open requests and pseudo-labels of the one that leaves are taken back."""
    from pipelines.composition import MODEL_NAMES
    from pipelines.registry_lease import moving_aliases
    from pipelines.rollback import rollback as run
    from pipelines.withdraw import withdrawing

    services, (one,) = services_at(workspace), tasks_of(task)
    with moving_aliases(services.store, MODEL_NAMES[one]) as ledger:
        moved = run(
            services.registry, ledger, name=MODEL_NAMES[one], reason=reason, by=who(by),
            withdraw=withdrawing(services, one),
        )  # fmt: skip
    taken = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in moved.withdrawn.items())
    show(moved, as_json, f"champion is version {moved.champion.version} again; {taken}{_finished(moved)}")


def shadow(
    task: TaskOption,
    reason: Annotated[str | None, typer.Option(help="why; the ledger keeps it")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="number of the registered version")] = None,
    off: Annotated[bool, typer.Option("--off", help="no version any more")] = False,
    report: Annotated[
        bool, typer.Option("--report", help="instead: how it has done beside the version in use")
    ] = False,
    by: ByOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give the alias `shadow` to a version that is to be watched beside the champion, or take it away.

    `ctloop monitor` and `ctloop score` then score with both. `--report` shows how far the two agree, who is surer, and
    who is nearer to the labels that experts have returned since.
    """
    from components.errors import ParameterError

    if report:
        from pipelines.shadow_watch import report_text, shadow_report

        services, (one,) = services_at(workspace), tasks_of(task)
        found = shadow_report(services, one)
        show(found, as_json, report_text(found))
        return
    if off == (version is not None) or reason is None:
        raise ParameterError(
            expected="--report, or --version N or --off with a --reason",
            got="no reason" if off != (version is not None) else "both" if off else "neither",
            hint="one of them",
        )
    _shadow(task=task, reason=reason, version=version, by=by, workspace=workspace, as_json=as_json)


@writes("ctloop shadow", moves_aliases=True)
def _shadow(
    *, task: str, reason: str, version: int | None, by: str | None, workspace: Path | None, as_json: bool
) -> None:
    from pipelines.composition import MODEL_NAMES
    from pipelines.registry_lease import moving_aliases
    from pipelines.shadow import shadow as run
    from pipelines.withdraw import withdrawing

    services, (one,) = services_at(workspace), tasks_of(task)
    with moving_aliases(services.store, MODEL_NAMES[one]) as ledger:
        found = run(
            services.registry, ledger, name=MODEL_NAMES[one], version=version, reason=reason, by=who(by),
            withdraw=withdrawing(services, one),
        )  # fmt: skip
    show(found, as_json, f"shadow is version {found.version}" if found else "no shadow")


def _finished(moved: AliasMove) -> str:
    return " (an earlier call, which was interrupted, had decided this)" if moved.interrupted else ""
