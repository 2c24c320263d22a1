"""Send a report when its day or week is over."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from exporter.cancellation import Cancellation
from exporter.errors import ConfigurationError, ObservatoryError
from exporter.notices.webhooks import Webhook
from exporter.query.report.digest import Digest, Period
from exporter.query.report.slack import slack
from exporter.settings import Settings

log = logging.getLogger(__name__)


def next_due(period: Period, hour: int, now: datetime) -> datetime:
    """Return the next time at that hour (UTC), of a Monday for a week, after `now`."""
    due = now.astimezone(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    if period is Period.WEEK:
        due -= timedelta(days=due.weekday())
    step = timedelta(days=1 if period is Period.DAY else 7)
    return due if due > now else due + step


class ReportSchedule:
    """Sends a report each day or week, in a thread of its own.

    One that came due while the service was down is not sent later: the next one has the change.
    """

    def __init__(
        self,
        period: Period,
        hour: int,
        *,
        report: Callable[[Period, None, Cancellation], Digest],
        send: Callable[[Digest], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._period = period
        self._hour = hour
        self._report = report
        self._send = send
        self._clock = clock
        self._stopped = threading.Event()
        self._cancellation = Cancellation()
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def start(self) -> None:
        """Begin to wait."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Send no more."""
        self._stopped.set()
        self._cancellation.cancel()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def send(self) -> None:
        """Make one and send it; a failure is logged, the next one is sent all the same."""
        try:
            self._send(self._report(self._period, None, self._cancellation))
        except ObservatoryError as error:
            log.warning("report not sent", extra={"error": str(error)})
        except Exception:
            log.exception("report not sent")
        else:
            log.info("report sent", extra={"period": str(self._period)})

    def _run(self) -> None:
        while not self._stopped.is_set():
            now = datetime.fromtimestamp(self._clock(), UTC)
            due = next_due(self._period, self._hour, now)
            # In short steps, so that a clock that is set does not shift the hour.
            if self._stopped.wait(min((due - now).total_seconds(), 60.0)):
                return
            if self._clock() >= due.timestamp():
                self.send()


def webhook(settings: Settings) -> Webhook:
    """Return where reports are sent; raise ConfigurationError when that is not set."""
    url = settings.report_webhook
    if not url:
        raise ConfigurationError(
            "set report_slack_url or report_slack_url_file to an incoming webhook of Slack"
        )
    return Webhook(url, "report_slack_url")


def scheduled(
    settings: Settings, report: Callable[[Period, None, Cancellation], Digest]
) -> ReportSchedule | None:
    """Return the schedule that the settings ask for, None: none."""
    if not settings.report_period:
        return None
    target = webhook(settings)
    return ReportSchedule(
        Period(settings.report_period),
        settings.report_hour_utc,
        report=report,
        send=lambda digest: target.post(slack(digest)),
    )
