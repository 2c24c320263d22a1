"""Let ingest go first: while spans wait to be read, questions get a share of the time.

Both want the same processors, and a dashboard that comes a second later is better than a sender
that has to come back. What questions run for is paid by pauses before the next ones, however many
ask at once. Where no spans wait, nothing pauses.
"""

from __future__ import annotations

# So many seconds may run before anything pauses: what the panels of a dashboard ask together.
BURST_S = 1.0
# How much the newest look counts, and from which average on spans are taken to wait: a queue is
# empty now and then even where more comes in than can be read, and never for long where it is not.
_NEWEST = 0.2
_WAITING = 0.3


class Pace:
    """The account of what questions ran for. Times are seconds of a monotonic clock."""

    def __init__(self, *, share: float, pause_max_s: float) -> None:
        """`share` of the time is for questions, above 0; 1 or more: they never pause."""
        self.pause_max_s = pause_max_s
        self._share = share
        self._debt_max_s = share * pause_max_s
        self._credit_s = BURST_S
        self._at = 0.0
        self._waiting = 0.0

    def look(self, *, waiting: bool) -> None:
        """Take note of whether spans wait to be read now. To be told often while questions run."""
        self._waiting += _NEWEST * (waiting - self._waiting)

    def ran(self, seconds: float, now: float) -> None:
        """Take note that a question ran."""
        self._credit_s = max(self._credit(now) - seconds, -self._debt_max_s)

    def pause_s(self, now: float) -> float:
        """Return how long the next question has to wait as things are, 0: not at all."""
        if self._share >= 1 or self._waiting < _WAITING:
            return 0.0
        return max(-self._credit(now) / self._share, 0.0)

    def _credit(self, now: float) -> float:
        earned = self._share * max(now - self._at, 0.0)
        self._credit_s = min(self._credit_s + earned, BURST_S)
        self._at = max(now, self._at)
        return self._credit_s
