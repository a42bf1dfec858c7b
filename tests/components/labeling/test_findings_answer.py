from __future__ import annotations

import pytest

from components.cohort.findings import CT_RATE_FINDINGS
from components.errors import InputError
from components.labeling.findings_answer import check_columns, check_findings, check_minutes


def test_missing_columns_and_empty_cells_are_unknown() -> None:
    findings = check_findings(
        {"case_id": "chest-1", "emphysema": "1", "atelectasis": "0", "lung_nodule": " "}, CT_RATE_FINDINGS
    )
    assert tuple(findings) == CT_RATE_FINDINGS
    assert (findings["emphysema"], findings["atelectasis"], findings["lung_nodule"]) == (1, 0, None)
    assert findings["cardiomegaly"] is None


@pytest.mark.parametrize("text", ["2", "yes", "-1", "0.5", "1.0"])
def test_other_values_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="0, 1 or nothing for emphysema"):
        check_findings({"emphysema": text}, CT_RATE_FINDINGS)


def test_nothing_answered_is_refused() -> None:
    with pytest.raises(InputError, match="only empty cells"):
        check_findings({"case_id": "chest-1", "emphysema": ""}, CT_RATE_FINDINGS)


def test_an_unknown_column_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="got 'emphysemia', try 'emphysema'"):
        check_columns(["case_id", "emphysemia"], CT_RATE_FINDINGS)


def test_a_table_needs_a_key_and_each_column_once() -> None:
    with pytest.raises(InputError, match="case_id or request_id"):
        check_columns(["emphysema"], CT_RATE_FINDINGS)
    with pytest.raises(InputError, match="twice"):
        check_columns(["case_id", "emphysema", "emphysema"], CT_RATE_FINDINGS)
    check_columns(["request_id", "minutes", "emphysema"], CT_RATE_FINDINGS)


def test_minutes() -> None:
    assert check_minutes(" 7.5 ") == 7.5
    assert check_minutes("") is None
    assert check_minutes(None) is None
    for text in ("-1", "nan", "soon", "9999"):
        with pytest.raises(InputError, match="minutes from 0 to 1440"):
            check_minutes(text)
