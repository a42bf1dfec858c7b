"""Tables for published data sets: what their files cannot say, in the one form that `ctloop add` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import JsonOption, WorkspaceOption, show, workspace_at

cases_table_app = typer.Typer(
    help="Write cases.csv for a published data set from the tables that come with it.", no_args_is_help=True
)
SourceArgument = Annotated[
    Path, typer.Argument(metavar="SOURCE", help="folder with the scans; only the table is written there")
]
LabelsOption = Annotated[list[Path], typer.Option(help="CSV of the labels; may be given for each part")]
OutOption = Annotated[Path | None, typer.Option(help="the table; SOURCE/cases.csv unless given")]


@cases_table_app.command("ct-rate")
def ct_rate(
    source: SourceArgument,
    labels: LabelsOption,
    metadata: Annotated[
        list[Path], typer.Option(help="CSV with VolumeName, spacing and rescale; may be given for each part")
    ],
    out: OutOption = None,
    release: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2,
            help="1: raw values, headers not to be trusted; 2: HU and right headers, as in train_fixed and "
            "valid_fixed. By each file's folder unless given",
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """CT-RATE: SOURCE/valid/valid_1/valid_1_a/valid_1_a_1.nii.gz and so on, in any part of it.

    Examples: `ctloop cases-table ct-rate /data/CT-RATE --labels valid_predicted_labels.csv --metadata
    validation_metadata.csv`, then `ctloop add --source /data/CT-RATE --name ct-rate`
    """  # fmt: skip
    from pipelines.cases_table import ct_rate as run

    report = run(workspace_at(workspace), source, labels=labels, metadata=metadata, out=out, release=release)
    show(report, as_json, f"{report}\nNext: {_add(source, out)}")


@cases_table_app.command("rad-chestct")
def rad_chestct(
    source: SourceArgument,
    labels: LabelsOption,
    metadata: Annotated[
        list[Path] | None,
        typer.Option(help="CSV with NoteAcc_DEID and MRN_DEID: which scans are one patient's"),
    ] = None,
    out: OutOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rad-ChestCT: SOURCE/tst00001.npz and so on, in any nesting.

    Examples: `ctloop cases-table rad-chestct /data/RAD --labels imgtest_Abnormality_and_Location_Labels.csv
    --metadata CT_Scan_Metadata_Complete_35747.csv`, then `ctloop add --source /data/RAD --name rad-chestct`
    """
    from pipelines.cases_table import rad_chestct as run

    report = run(workspace_at(workspace), source, labels=labels, metadata=metadata or (), out=out)
    show(report, as_json, f"{report}\nNext: {_add(source, out)}")


def _add(source: Path, out: Path | None) -> str:
    return f"ctloop add --source {source}" + (f" --cases {out}" if out else "")
