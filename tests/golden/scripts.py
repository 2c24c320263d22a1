"""What each scenario asks, and what the provider answers and bills: the truth of the golden files.

No two turns bill the same counts, so that a number in a golden file can be traced to its turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.golden.stand_in.turns import Finish, ToolCall, Turn, Usage

RATE_LIMITED = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A conversation: the prompt an app sends, and the turns that answer it."""

    prompt: str
    turns: tuple[Turn, ...]

    @property
    def last_text(self) -> str | None:
        """What the user reads in the end."""
        last = self.turns[-1]
        spoken = last.tool and str(last.tool.arguments.get("answer", ""))
        return last.text or spoken or None


_CITY = "What is the capital of Portugal?"
_LISBON = "The capital of Portugal is Lisbon."
_WEATHER = "Is it sunny in Lisbon today?"
_WEATHER_TURNS = (
    Turn(
        tool=ToolCall(name="get_weather", arguments={"city": "Lisbon"}),
        usage=Usage(input=57, output=15),
        finish=Finish.TOOL,
    ),
    Turn(text="Yes, Lisbon is sunny at 21 degrees.", usage=Usage(input=83, output=21)),
)

SCRIPTS: Mapping[str, Script] = {
    "chat": Script(prompt=_CITY, turns=(Turn(text=_LISBON, usage=Usage(input=23, output=11)),)),
    "stream": Script(prompt=_CITY, turns=(Turn(text=_LISBON, usage=Usage(input=29, output=13)),)),
    "cache_read": Script(
        prompt=_CITY,
        turns=(Turn(text=_LISBON, usage=Usage(input=173, cache_read=1536, output=17)),),
    ),
    "cache_both": Script(
        prompt=_CITY,
        turns=(
            Turn(
                text=_LISBON,
                usage=Usage(input=19, cache_read=1792, cache_write=1280, output=18),
            ),
        ),
    ),
    # Fewer cached tokens than others: only the library's convention tells whether they are in.
    "cache_small": Script(
        prompt=_CITY,
        turns=(
            Turn(
                text=_LISBON,
                usage=Usage(input=2311, cache_read=1152, cache_write=128, output=16),
            ),
        ),
    ),
    "cache_stream": Script(
        prompt=_CITY,
        turns=(
            Turn(
                text=_LISBON,
                usage=Usage(input=37, cache_read=2048, cache_write=1408, output=22),
            ),
        ),
    ),
    "reasoning": Script(
        prompt=_CITY,
        turns=(
            Turn(
                text=_LISBON,
                thinking="The user asks for a capital city.",
                usage=Usage(input=31, output=19, reasoning=128),
            ),
        ),
    ),
    "tool": Script(prompt=_WEATHER, turns=_WEATHER_TURNS),
    "embeddings": Script(prompt=_CITY, turns=(Turn(usage=Usage(input=9)),)),
    "error": Script(prompt=_CITY, turns=(Turn(status=RATE_LIMITED),)),
    "chain": Script(
        prompt=_CITY,
        turns=(
            Turn(text="Portugal", usage=Usage(input=41, output=3)),
            Turn(text=_LISBON, usage=Usage(input=43, output=12)),
        ),
    ),
    # A final_answer tool ends a smolagents run.
    "final_answer": Script(
        prompt=_WEATHER,
        turns=(
            _WEATHER_TURNS[0],
            Turn(
                tool=ToolCall(
                    name="final_answer",
                    arguments={"answer": "Yes, Lisbon is sunny at 21 degrees."},
                ),
                usage=Usage(input=89, output=24),
                finish=Finish.TOOL,
            ),
        ),
    ),
}
