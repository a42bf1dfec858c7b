"""Scoring: what a model says of every case of the pool, to choose labels by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import JsonOption, TaskOption, WorkspaceOption, services_at, show, tasks_of

if TYPE_CHECKING:
    from components.registry.registry import ModelVersion


def score(
    task: TaskOption = "segmentation",
    model: Annotated[
        str | None, typer.Option(help="models:/NAME/3 or NAME@challenger; the model in use unless given")
    ] = None,
    batch: Annotated[str | None, typer.Option(help="only its cases; the whole pool unless given")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="held-out patients and labelled cases too, not the pool alone")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="score at most so many cases now")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="try the cases in quarantine again")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Scorecards of every unlabelled case, as Parquet; it may be killed and run again, and runs beside other jobs.

    A version with the alias `shadow` scores the same cases beside the model in use.
    No case is scored twice by one version unless its scans have changed. Exit code 0: done, or as much as --limit
    allows; 1: an error, or cases that went into quarantine in this run (the others are scored).
    """
    from pipelines.score import score as run
    from pipelines.shadow_watch import shadow_pair

    services, (one,) = services_at(workspace), tasks_of(task)
    if model is None:
        version = services.version_in_use(one)
    else:
        from components.adapters.registry_teacher import resolve

        version = resolve(services.registry, model)
    pair = shadow_pair(services, one) if model is None else None

    def scored_by(scorer: ModelVersion) -> dict[str, Any]:
        return run(
            services.workspace, one, scorer, load_predictor=lambda: services.predictor(scorer)[0],
            batch=batch, every=every, limit=limit, retry=retry,
        )  # fmt: skip

    results = [scored_by(scorer) for scorer in ((version, pair.shadow) if pair is not None else (version,))]
    text = "\n".join(
        f"{result['model']}: {result['scored']} cases scored, {result['known']} known before, {result['left']} left, "
        f"{result['quarantined']} in quarantine\nscores: {result['scores']}"
        for result in results
    )
    show({**results[0], "shadow": results[1] if pair is not None else None}, as_json, text)
    if any(result["quarantined_now"] for result in results):
        raise typer.Exit(1)
