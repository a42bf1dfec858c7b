from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from components.adapters.cron import Clock, Cron
from components.errors import ParameterError


def after(expression: str, zone: str, moment: str) -> str:
    found = Cron(expression, zone).after(datetime.fromisoformat(moment))
    assert found is not None
    return found.astimezone(UTC).isoformat()


def test_every_moment_of_an_hour_against_counting() -> None:
    cron, moment = Cron("*/15 * * * *", "UTC"), datetime(2026, 1, 1, tzinfo=UTC)
    found = []
    while (following := cron.after(moment)) is not None and following < datetime(2026, 1, 1, 2, tzinfo=UTC):
        found.append(following)
        moment = following
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert found == [start + timedelta(minutes=15 * n) for n in range(1, 8)]


@pytest.mark.parametrize(
    ("expression", "zone", "moment", "expected"),
    [
        ("30 2 * * *", "UTC", "2026-01-01T02:30:00+00:00", "2026-01-02T02:30:00+00:00"),
        ("30 2 * * *", "Europe/Paris", "2026-01-01T00:00:00+00:00", "2026-01-01T01:30:00+00:00"),
        ("30 2 * * *", "Europe/Paris", "2026-07-01T00:00:00+00:00", "2026-07-01T00:30:00+00:00"),
        ("0 4 * * sun", "UTC", "2026-01-01T00:00:00+00:00", "2026-01-04T04:00:00+00:00"),
        ("0 9 * * mon-fri", "America/New_York", "2026-01-02T15:00:00+00:00", "2026-01-05T14:00:00+00:00"),
    ],
)
def test_moments_are_of_the_time_zone(expression: str, zone: str, moment: str, expected: str) -> None:
    assert after(expression, zone, moment) == expected


@pytest.mark.parametrize(
    ("expression", "zone", "words"),
    [
        ("0 4 * * 0", "UTC", "weekdays by name"),
        ("0 4 * *", "UTC", "cron expression"),
        ("61 4 * * *", "UTC", "cron expression"),
        ("0 4 * * *", "Europe/Nowhere", "time zone"),
        ("0 4 * * *", "../../etc/passwd", "time zone"),
    ],
)
def test_a_wrong_expression_is_refused(expression: str, zone: str, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        Cron(expression, zone)


def test_the_clock_calls_one_at_a_time_and_ends_with_the_last_call() -> None:
    called, inside, most = threading.Event(), 0, 0
    calls = 0

    def look() -> None:
        nonlocal inside, most, calls
        inside += 1
        most = max(most, inside)
        calls += 1
        if calls == 3:
            called.set()
        threading.Event().wait(0.05)
        inside -= 1

    clock = Clock(look, [Cron("* * * * *", "UTC")], 0.02)
    clock.start()
    assert called.wait(60)
    clock.stop()
    assert (inside, most) == (0, 1)


def test_a_look_that_fails_is_logged_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    again, calls = threading.Event(), 0

    def look() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("the database is away\nmore words")
        again.set()

    clock = Clock(look, [], 0.02)
    clock.start()
    assert again.wait(60)
    clock.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "could not look for work: the database is away"
    ]
