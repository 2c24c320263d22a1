"""GET /render and /render-diff: flame graphs as Pyroscope's own pages and its apps ask for them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from exporter.api.pyroscope.asked import split_query
from exporter.api.pyroscope.flamegraphs import DOT_NODES
from exporter.api.pyroscope.questions import Profiles
from exporter.cancellation import Cancellation
from exporter.errors import UnsupportedError, WrongQueryError
from exporter.query.flame.diff import diff
from exporter.query.flame.encode.folded import to_folded
from exporter.query.flame.encode.levels import DiffLevels, Levels, to_diff_levels, to_levels
from exporter.query.flame.encode.pprof import to_pprof
from exporter.query.flame.fold import fold
from exporter.query.flame.profile_types import DEFAULT, ProfileType
from exporter.query.profiles.dot import to_dot
from exporter.query.profiles.fold_diff import fold_diff
from exporter.query.profiles.request import ProfileQuery, selection_of, time_of
from exporter.spans.schema import NANOSECONDS

_RELATIVE = re.compile(r"now(?:-([0-9]{1,9})(s|m|h|d|w|M|y))?")
_UNIT_S = {
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 7 * 86_400,
    "M": 30 * 86_400,
    "y": 365 * 86_400,
}
_NUMBER = re.compile(r"[0-9]{1,19}")
_JSON = "application/json"
# Unix seconds have ten digits for a long time yet.
_MS_FROM = 10**11


class Render:
    """Answers by the parameters of a request's URL."""

    def __init__(self, profiles: Profiles, *, nodes_max: int, clock_ns: Callable[[], int]) -> None:
        self._profiles = profiles
        self._nodes_max = nodes_max
        self._clock_ns = clock_ns

    def single(
        self, parameters: dict[str, str], cancellation: Cancellation
    ) -> tuple[str | bytes, str]:
        """Return a flame graph and its media type."""
        query = self._query(parameters, "query", "from", "until")
        form = parameters.get("format", "json")
        if form not in {"json", "dot", "collapsed", "pprof"}:
            raise UnsupportedError("format is json, dot, collapsed or pprof")
        nodes = self._nodes(parameters, DOT_NODES if form == "dot" else self._nodes_max)
        tree = self._profiles.flame_graph(query, cancellation)
        if form == "pprof":
            time = query.time
            packed = to_pprof(
                tree, query.kind, start_ns=time.start_ns, duration_ns=time.end_ns - time.start_ns
            )
            return packed, "application/octet-stream"
        if form == "collapsed":
            return "".join(f"{line}\n" for line in to_folded(tree)), "text/plain"
        tree = fold(tree, nodes)
        if form == "dot":
            return to_dot(tree, query.kind), "text/plain"
        found = to_levels(tree)
        return _page(found, query.kind, "single"), _JSON

    def double(
        self, parameters: dict[str, str], cancellation: Cancellation
    ) -> tuple[str | bytes, str]:
        """Return a diff of two flame graphs and its media type."""
        if parameters.get("format", "json") != "json":
            raise UnsupportedError("a diff's format is json")
        left = self._query(parameters, "leftQuery", "leftFrom", "leftUntil")
        right = self._query(parameters, "rightQuery", "rightFrom", "rightUntil")
        if left.kind is not right.kind:
            raise WrongQueryError("leftQuery and rightQuery are of one profile type")
        both = diff(
            self._profiles.flame_graph(left, cancellation),
            self._profiles.flame_graph(right, cancellation),
        )
        found = to_diff_levels(fold_diff(both, self._nodes(parameters, self._nodes_max)))
        ticks = {"leftTicks": found.left_ticks, "rightTicks": found.right_ticks}
        return _page(found, left.kind, "double", **ticks), _JSON

    def _query(self, parameters: dict[str, str], query: str, start: str, end: str) -> ProfileQuery:
        kind, selector = split_query(parameters.get(query, ""))
        from_ms = self._time_ms(parameters.get(start, "now-1h"), start)
        until_ms = self._time_ms(parameters.get(end, "now"), end)
        return ProfileQuery(
            kind=kind or DEFAULT,
            time=time_of(from_ms, until_ms),
            selection=selection_of(selector),
        )

    def _time_ms(self, text: str, name: str) -> int:
        if found := _RELATIVE.fullmatch(text):
            count, unit = found.groups()
            back_s = int(count) * _UNIT_S[unit] if unit else 0
            return max(self._clock_ns() - back_s * NANOSECONDS, 0) // 1_000_000
        if not _NUMBER.fullmatch(text):
            raise WrongQueryError(f"{name} is now, now-1h, Unix seconds or milliseconds")
        number = int(text)
        return number if number >= _MS_FROM else number * 1000

    def _nodes(self, parameters: dict[str, str], default: int) -> int:
        text = parameters.get("max-nodes") or parameters.get("maxNodes") or "0"
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise WrongQueryError("max-nodes is a number")
        return min(int(text) or default, self._nodes_max)


def _page(found: Levels | DiffLevels, kind: ProfileType, form: str, **ticks: int) -> str:
    bearer = {
        "names": found.names,
        "levels": [level.tolist() for level in found.levels],
        "numTicks": found.total,
        "maxSelf": found.max_self,
    }
    metadata = {
        "format": form,
        "spyName": "",
        "sampleRate": 0,
        "units": kind.unit,
        "name": kind.name,
    }
    page = {"version": 1, "flamebearer": bearer, "metadata": metadata, "timeline": None, **ticks}
    return json.dumps(page)
