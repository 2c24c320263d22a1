"""speedscope's own file format: frames that open and close along an axis of the value."""

from __future__ import annotations

import json

from exporter.query.flame.encode.text import one_line, visits
from exporter.query.flame.profile_types import ProfileType
from exporter.query.flame.tree import FlameTree

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"
# The units that speedscope knows; all others are shown as plain numbers.
_UNITS = {"nanoseconds": "nanoseconds"}


def to_speedscope(tree: FlameTree, kind: ProfileType) -> str:
    """Encode a tree as a JSON document with one profile.

    The axis runs from 0 to the total. It is not a clock: frames of the same path lie together,
    each with its own value first and its children after it.
    """
    events: list[str] = []
    names, own = tree.name.tolist(), tree.self_value.tolist()
    around: list[int] = []
    at = 0
    # Written by hand, for a million events of two dictionaries each would not fit.
    for index, closed in visits(tree):
        events.append(f'{{"type":"O","frame":{names[index]},"at":{at}}}')
        around.append(names[index])
        at += own[index]
        ended = [around.pop() for _ in range(closed)]
        events.extend(f'{{"type":"C","frame":{frame},"at":{at}}}' for frame in ended)
    title = f"{kind.name} ({kind.unit})"
    frames = json.dumps([{"name": one_line(name)} for name in tree.names])
    return (
        f'{{"$schema":"{_SCHEMA}","exporter":"llm-observatory","name":{json.dumps(title)},'
        f'"activeProfileIndex":0,"shared":{{"frames":{frames}}},"profiles":[{{"type":"evented",'
        f'"name":{json.dumps(title)},"unit":"{_UNITS.get(kind.unit, "none")}",'
        f'"startValue":0,"endValue":{at},"events":[{",".join(events)}]}}]}}'
    )
