"""The label vocabulary of a workspace, in one place: what label values and findings columns mean."""

from __future__ import annotations

from dataclasses import dataclass

from components.cohort.findings import CT_RATE_FINDINGS
from components.cohort.structures import HEART_STRUCTURES
from components.errors import ParameterError
from pipelines.params import load_section
from pipelines.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class LabelNames:
    """Section ``labels`` of params.yaml.

    Args:
        structures: in the order of our label values, from 1; anything else is background.
        findings: the columns of a findings table.
    """

    structures: tuple[str, ...] = HEART_STRUCTURES
    findings: tuple[str, ...] = CT_RATE_FINDINGS

    def __post_init__(self) -> None:
        for name, values in (("structures", self.structures), ("findings", self.findings)):
            if len(set(values)) != len(values):
                raise ParameterError(expected=f"{name} that differ", got=str(values), hint="removing one")


def structure_names(workspace: Workspace) -> tuple[str, ...]:
    """The structures, in the order of their values from 1."""
    return _names(workspace).structures


def label_values(workspace: Workspace) -> dict[int, str]:
    """Value → structure."""
    return dict(enumerate(structure_names(workspace), start=1))


def finding_names(workspace: Workspace) -> tuple[str, ...]:
    """The findings that a case is asked about, in column order."""
    return _names(workspace).findings


def _names(workspace: Workspace) -> LabelNames:
    return load_section(LabelNames, workspace.params, "labels")
