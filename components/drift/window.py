"""Which cases a window holds: those of the last days, or of the patients seen last."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import pandas as pd

from components.errors import ParameterError


@dataclass(frozen=True, kw_only=True)
class Window:
    """Args:
    until: its last day, an ISO date.
    days: that many days, the last one included; or
    patients: that many patients, by the day of their newest scan.
    """

    until: str
    days: int | None = None
    patients: int | None = None

    def __post_init__(self) -> None:
        sizes = [size for size in (self.days, self.patients) if size is not None]
        if len(sizes) != 1 or sizes[0] < 1 or not _is_date(self.until):
            raise ParameterError(
                expected="a window of 1 or more days, or of 1 or more patients, until an ISO date",
                got=f"days {self.days}, patients {self.patients}, until {self.until!r}",
                hint="--days 30, or --last 100",
            )

    @property
    def first_day(self) -> str:
        """ISO date; of a window by count the first of all days."""
        if self.days is None:
            return "0001-01-01"
        last = datetime.date.fromisoformat(self.until)
        return (last - datetime.timedelta(days=self.days - 1)).isoformat()

    @property
    def name(self) -> str:
        return (
            f"days-{self.days}-{self.until}"
            if self.days is not None
            else f"last-{self.patients}-{self.until}"
        )


def cases_in(frames: pd.DataFrame, window: Window) -> list[str]:
    """The case ids of the window, oldest first; scans without a date are in none.

    Args:
        frames: ``case_id``, ``patient_id``, ``acquired_at`` (ISO dates, ``""`` unknown).
    """
    within = frames[(frames["acquired_at"] >= window.first_day) & (frames["acquired_at"] <= window.until)]
    within = within.sort_values(["acquired_at", "case_id"], kind="stable")
    if window.patients is not None:
        newest = within.drop_duplicates("patient_id", keep="last")["patient_id"].tail(window.patients)
        within = within[within["patient_id"].isin(set(newest))]
    return within["case_id"].drop_duplicates().astype(str).tolist()


def _is_date(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
