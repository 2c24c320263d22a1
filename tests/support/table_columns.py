"""What a reader sees above the columns of a table panel, and how wide they want to be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What a screen of 1500 pixels gives a grid column, and a panel takes for itself.
_CELL_PX, _PADDING_PX = 62, 24
_LETTER_PX, _SIGN_PX = 7, 27


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column as it is shown: its title, the unit it is written in, its width in pixels."""

    title: str
    kind: str
    unit: str
    width_px: int

    @property
    def has_room(self) -> bool:
        """Whether the title fits above the column, with the sign that filters it."""
        return self.width_px >= _LETTER_PX * len(self.title) + _SIGN_PX

    @property
    def is_human(self) -> bool:
        """Whether the title reads like words, and not like a name in a program."""
        return not re.search(r"[_.#]|[a-z][A-Z]", self.title) and (
            self.title[:1].isupper() or re.fullmatch(r"p\d\d", self.title) is not None
        )


def shown_columns(
    panel: Mapping[str, Any], frames: Sequence[Mapping[str, Any]]
) -> Iterator[ShownColumn]:
    """The columns of a table of these answers, after its transformations and overrides."""
    organize = next(
        (each["options"] for each in panel.get("transformations", ()) if each["id"] == "organize"),
        {},
    )
    config = panel["fieldConfig"]
    # Merged frames share the fields of a name.
    fields = {each["name"]: each for frame in frames for each in frame["fields"]}
    for name, each in fields.items():
        if organize.get("excludeByName", {}).get(name):
            continue
        renamed = organize.get("renameByName", {}).get(name, name)
        title = renamed if renamed != name else each["config"].get("displayNameFromDS", name)
        chosen: dict[str, Any] = {}
        for override in config["overrides"]:
            if override["matcher"]["options"] in {renamed, title}:
                chosen |= {each["id"]: each["value"] for each in override["properties"]}
        if chosen.get("custom.hidden"):
            continue
        least = config["defaults"]["custom"]["minWidth"]
        # Without a width it takes what is left, and not less than its title needs.
        free = max(least, _LETTER_PX * len(chosen.get("displayName", title)) + _SIGN_PX)
        width = chosen.get("custom.width") or chosen.get("custom.minWidth") or free
        unit = chosen.get("unit") or each["config"].get("unit", "")
        yield ShownColumn(chosen.get("displayName", title), each["type"], unit, width)


def room_px(panel: Mapping[str, Any]) -> int:
    """Pixels that a panel has for its columns."""
    return panel["gridPos"]["w"] * _CELL_PX - _PADDING_PX
