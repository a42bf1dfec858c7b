"""Cron expressions with time zones, and the clock that calls at them: APScheduler.

Nothing is stored there: its database store unpickles. What is due is worked out from our own tables, and the
clock only says when to look.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from components.errors import ParameterError

_log = logging.getLogger(__name__)


class Cron:
    """Moments given by ``minute hour day month weekday`` in a time zone, with daylight saving as it is there.

    Weekdays are named: 0 is Monday to APScheduler and Sunday to cron. Raises ``ParameterError``.
    """

    def __init__(self, expression: str, time_zone: str) -> None:
        fields = expression.split()
        if len(fields) == 5 and re.search(r"\d", fields[4]):
            raise ParameterError(
                expected="weekdays by name",
                got=repr(expression),
                hint="mon, mon-fri, or sat,sun as the fifth field",
            )
        try:
            zone = ZoneInfo(time_zone)
            self.trigger: Any = CronTrigger.from_crontab(expression, timezone=zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ParameterError(
                expected="a cron expression and a time zone",
                got=f"{expression!r} in {time_zone!r}: {error}",
                hint='"30 2 * * mon-fri" in Europe/Paris',
            ) from error

    def after(self, moment: datetime) -> datetime | None:
        """The first moment after ``moment``."""
        found: datetime | None = self.trigger.get_next_fire_time(moment, moment)
        return found


class Clock:
    """Calls ``look`` at every moment of ``crons`` and every ``seconds``, one call at a time, in a thread of its own.

    A call that fails, because the database is away say, is logged in one line, and the next one comes all the same.
    """

    def __init__(self, look: Callable[[], None], crons: Sequence[Cron], seconds: float) -> None:
        executor = {"type": "threadpool", "max_workers": 1}
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler: Any = BackgroundScheduler(
            timezone=ZoneInfo("UTC"), job_defaults=defaults, executors={"default": executor}
        )
        for trigger in (IntervalTrigger(seconds=seconds), *(cron.trigger for cron in crons)):
            self._scheduler.add_job(self._call, trigger, (look,))
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns of each look that takes long

    @staticmethod
    def _call(look: Callable[[], None]) -> None:
        try:
            look()
        except Exception as error:  # whatever it is, the next look may do
            _log.warning("could not look for work: %s", (str(error) or type(error).__name__).splitlines()[0])

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        """After the call that is being made."""
        self._scheduler.shutdown(wait=True)
