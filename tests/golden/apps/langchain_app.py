"""LangChain with OpenAI's and Anthropic's models, under the instrumentations named."""

import contextlib

import anthropic
import openai
from common import PROMPT, SYSTEM, arguments, get_weather, instrument, run, trace_to_collector
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

MESSAGES = [("system", SYSTEM), ("human", PROMPT)]


def gpt() -> ChatOpenAI:
    """Return OpenAI's model."""
    return ChatOpenAI(model="gpt-4o-mini", max_retries=0, stream_usage=True)


def claude() -> ChatAnthropic:
    """Return Anthropic's model."""
    return ChatAnthropic(model="claude-haiku-4-5", max_retries=0)


def stream(model: ChatOpenAI | ChatAnthropic) -> None:
    """Ask, and read the answer as it comes."""
    for _ in model.stream(MESSAGES):
        pass


def chain() -> None:
    """Ask twice, the second question made from the first answer."""
    ask = ChatPromptTemplate.from_messages([("system", SYSTEM), ("human", "{text}")])
    first = ask | gpt() | StrOutputParser()
    (first | ask | gpt() | StrOutputParser()).invoke({"text": PROMPT})


def agent() -> None:
    """Let an agent call a tool."""
    weather = create_agent(gpt(), [tool(get_weather)], system_prompt=SYSTEM, name="weather")
    weather.invoke({"messages": [("human", PROMPT)]})


def error() -> None:
    """Be refused."""
    with contextlib.suppress(openai.RateLimitError, anthropic.RateLimitError):
        gpt().invoke(MESSAGES)


trace_to_collector()
instrument(arguments())
run(
    {
        "chat": lambda: gpt().invoke(MESSAGES),
        "stream": lambda: stream(gpt()),
        "cache_read": lambda: gpt().invoke(MESSAGES),
        "chain": chain,
        "agent": agent,
        "embeddings": lambda: OpenAIEmbeddings(
            model="text-embedding-3-small", check_embedding_ctx_length=False
        ).embed_query(PROMPT),
        "error": error,
        "anthropic_cache": lambda: claude().invoke(MESSAGES),
        "anthropic_cache_small": lambda: claude().invoke(MESSAGES),
        "anthropic_stream": lambda: stream(claude()),
    }
)
