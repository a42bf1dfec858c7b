"""What the model must not be used for, each line with the fact that says so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from components.operations.acceptance_criteria import EXTERNAL_DROP
from components.operations.subgroups import AGE, groups_of
from pipelines.unread_studies import TASK

Line = dict[str, str]
_WORDS = {"manufacturer": "scanners of", "model": "the scanner model", AGE: "patients aged"}
_OTHER = {"manufacturer": "make of scanner", "model": "scanner model", AGE: "age"}
_ACQUISITION = ("site", "manufacturer", "model", "kernel", "sex", AGE)


def not_for(
    *,
    calls: Mapping[str, Mapping[str, Any]],
    not_judged: Mapping[str, Mapping[str, int]],
    predicted: Sequence[str],
    judgements: Sequence[Mapping[str, Any]],
    evidence: Sequence[Mapping[str, Any]],
    drift: Sequence[Mapping[str, Any]],
    min_positives: int,
    min_patients: int,
    stated: Sequence[str],
) -> list[Line]:
    """Lines of ``what`` and ``why``.

    Args:
        calls: of ``finding_calls``, of the judged findings.
        not_judged: finding → its ``positives`` and ``negatives``, too few to judge at all.
        predicted: the findings that the model predicts.
        judgements: the criteria with their outcome.
        evidence: of ``strata_evidence``.
        drift: of ``drift_record``.
        stated: what params.yaml says.
    """
    return [
        *_findings(calls, not_judged, predicted, judgements, min_positives),
        *_criteria(judgements, predicted),
        *_strata(evidence, min_patients),
        *_drifted(drift, evidence, min_patients),
        *_always(predicted),
        *({"what": line, "why": "stated in params.yaml"} for line in stated),
    ]


def strata_evidence(judged: pd.DataFrame, frames: pd.DataFrame) -> list[dict[str, Any]]:
    """``column``, ``value``, ``judged`` and ``seen``: patients of each site, scanner, kernel, sex and age group.

    Args:
        judged: one row per judged frame, with ``frame_id``.
        frames: every prepared frame of the task: whom the workspace has seen.
    """
    return [
        {
            "column": column,
            "value": value,
            "judged": int(rows[rows["frame_id"].isin(judged["frame_id"])]["patient_id"].nunique()),
            "seen": int(rows["patient_id"].nunique()),
        }
        for column, value, rows in groups_of(frames, least_values=1)
        if column in _ACQUISITION
    ]


def _findings(
    calls: Mapping[str, Mapping[str, Any]],
    not_judged: Mapping[str, Mapping[str, int]],
    predicted: Sequence[str],
    judgements: Sequence[Mapping[str, Any]],
    min_positives: int,
) -> Iterator[Line]:
    """A line per finding, with every reason against it."""
    for name in predicted:
        found = calls.get(name) or not_judged.get(name)
        reasons = [] if found else ["no expert has said anything about it in a held-out patient"]
        if found and found["positives"] < min_positives:
            reasons.append(f"{found['positives']} held-out patients with it, fewer than {min_positives}")
        reasons += _unmet(one for one in judgements if one["about"] == name)
        if reasons:
            yield {"what": _words(name), "why": "; ".join(reasons)}


def _criteria(judgements: Sequence[Mapping[str, Any]], predicted: Sequence[str]) -> Iterator[Line]:
    """Those about no single finding."""
    for one in judgements:
        whole = "any finding" if one["criterion"] != EXTERNAL_DROP else f"another site ({one['about']})"
        if one["about"] not in predicted and one["outcome"] != "met":
            yield {"what": whole, "why": "; ".join(_unmet([one]))}


def _unmet(judgements: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        f"{_words(one['criterion'])} as asked: {one['outcome']}"
        for one in judgements
        if one["outcome"] != "met"
    ]


def _strata(evidence: Sequence[Mapping[str, Any]], min_patients: int) -> Iterator[Line]:
    for column in dict.fromkeys(row["column"] for row in evidence):
        rows = [row for row in evidence if row["column"] == column]
        for row in rows:
            if row["judged"] < min_patients:
                yield {
                    "what": f"{_WORDS.get(column, column)} {row['value']}",
                    "why": f"{row['judged']} of {row['seen']} patients were judged, fewer than {min_patients}",
                }
        enough = [str(row["value"]) for row in rows if row["judged"] >= min_patients]
        if enough:
            yield {
                "what": f"any other {_OTHER.get(column, column)} than {', '.join(enough)}",
                "why": "nobody else was judged, or too few",
            }
    for column in _ACQUISITION:
        if column not in {row["column"] for row in evidence}:
            yield {
                "what": f"claims about any {_OTHER.get(column, column)}",
                "why": "it is not known of any patient here",
            }


def _drifted(
    drift: Sequence[Mapping[str, Any]], evidence: Sequence[Mapping[str, Any]], min_patients: int
) -> Iterator[Line]:
    """Batches that drifted from the version in use, or from an earlier one and whose like nobody has judged since."""
    judged = {(row["column"], str(row["value"])): row["judged"] for row in evidence}
    for row in drift:
        grown = [(one["column"], str(one["value"])) for one in row["strata"]]
        counts = [judged[stratum] for stratum in grown if stratum in judged]
        judged_since = bool(counts) and min(counts) >= min_patients
        if row["alarmed"] and (row["in_use"] or not judged_since):
            where = ", ".join(f"{_words(column)} {value}" for column, value in grown)
            yield {
                "what": f"scans like those of batch {row['batch']}" + (f" ({where})" if where else ""),
                "why": f"{row['reason']} (seen by {row['model_version']})",
            }


def _always(predicted: Sequence[str]) -> Iterator[Line]:
    yield {
        "what": "diagnosis or treatment without a radiologist",
        "why": "ctloop is not a medical device, and its models are for research until you have validated them",
    }
    yield {
        "what": f"anything but {TASK} of the {len(predicted)} findings named here in chest CT",
        "why": "the model says nothing else: no other disease, no measurement, no other body part",
    }
    yield {
        "what": "closing a study unread because nothing was flagged",
        "why": "a study without a flag may hold any finding that the model misses or does not know",
    }


def _words(name: str) -> str:
    return name.replace("_", " ")
