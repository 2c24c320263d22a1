"""The Traceloop SDK's decorators around OpenAI's SDK."""

from typing import Any

import openai
from common import COLLECTOR, PROMPT, SYSTEM, run
from common import get_weather as tell
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import agent, task, tool, workflow

MESSAGES: list[Any] = [
    {"role": "system", "content": SYSTEM},
    {"role": "user", "content": PROMPT},
]
Traceloop.init(app_name="golden-traceloop", api_endpoint=COLLECTOR, disable_batch=True)
get_weather = tool(name="get_weather")(tell)


@task(name="ask")
def ask() -> None:
    """Ask once."""
    openai.OpenAI(max_retries=0).chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)


@agent(name="weather")
def weather() -> None:
    """Call a tool between two questions."""
    ask()
    get_weather("Lisbon")
    ask()


@workflow(name="golden")
def in_workflow() -> None:
    """Run the agent for a customer."""
    Traceloop.set_association_properties({"user_id": "user-1", "tenant": "acme"})
    weather()


run({"workflow": in_workflow})
