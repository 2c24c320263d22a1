"""What every app shares: its scenario, OpenTelemetry, and the tool that agents may call."""

import asyncio
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SCENARIO = os.environ["GOLDEN_SCENARIO"]
PROMPT = os.environ["GOLDEN_PROMPT"]
STAND_IN = os.environ["GOLDEN_STAND_IN"]
COLLECTOR = os.environ["GOLDEN_COLLECTOR"]
SYSTEM = "You are a terse geographer."
TOOL_RESULT = "sunny, 21 degrees"
FLUSH_MS = 10_000

_INSTRUMENTORS = {
    "otel-openai": "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
    "otel-anthropic": "opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor",
    "otel-google-genai": "opentelemetry.instrumentation.google_genai:GoogleGenAiSdkInstrumentor",
    "otel-botocore": "opentelemetry.instrumentation.botocore:BotocoreInstrumentor",
    "openllmetry-openai": "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
    "openllmetry-anthropic": "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor",
    "openllmetry-bedrock": "opentelemetry.instrumentation.bedrock:BedrockInstrumentor",
    "openllmetry-langchain": "opentelemetry.instrumentation.langchain:LangchainInstrumentor",
    "openllmetry-google-genai": (
        "opentelemetry.instrumentation.google_generativeai:GoogleGenerativeAiInstrumentor"
    ),
    "openllmetry-crewai": "opentelemetry.instrumentation.crewai:CrewAIInstrumentor",
    "openinference-openai": "openinference.instrumentation.openai:OpenAIInstrumentor",
    "openinference-anthropic": "openinference.instrumentation.anthropic:AnthropicInstrumentor",
    "openinference-bedrock": "openinference.instrumentation.bedrock:BedrockInstrumentor",
    "openinference-langchain": "openinference.instrumentation.langchain:LangChainInstrumentor",
    "openinference-google-genai": (
        "openinference.instrumentation.google_genai:GoogleGenAIInstrumentor"
    ),
    "openinference-litellm": "openinference.instrumentation.litellm:LiteLLMInstrumentor",
    "openinference-smolagents": "openinference.instrumentation.smolagents:SmolagentsInstrumentor",
    "openinference-agno": "openinference.instrumentation.agno:AgnoInstrumentor",
    "openinference-crewai": "openinference.instrumentation.crewai:CrewAIInstrumentor",
    "openinference-openai-agents": (
        "openinference.instrumentation.openai_agents:OpenAIAgentsInstrumentor"
    ),
    "openinference-llama-index": (
        "openinference.instrumentation.llama_index:LlamaIndexInstrumentor"
    ),
    "openinference-dspy": "openinference.instrumentation.dspy:DSPyInstrumentor",
    "openinference-autogen": (
        "openinference.instrumentation.autogen_agentchat:AutogenAgentChatInstrumentor"
    ),
}


def trace_to_collector() -> TracerProvider:
    """Make spans go to the collector, as OpenTelemetry's environment variables say."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def instrument(names: list[str]) -> None:
    """Switch on the instrumentations with these names, in this order."""
    for name in names:
        if name == "openlit":
            _instrument_openlit()
            continue
        module, _, kind = _INSTRUMENTORS[name].partition(":")
        getattr(importlib.import_module(module), kind)().instrument()


def _instrument_openlit() -> None:
    """OpenLIT takes the tracer provider that is there, and brings many instrumentations along."""
    openlit = importlib.import_module("openlit")
    http = ["httpx", "requests", "urllib", "urllib3", "aiohttp-client"]
    openlit.init(disable_metrics=True, disabled_instrumentors=http)


def run(scenarios: Mapping[str, Callable[[], Any]]) -> None:
    """Run the scenario that the environment names, and hand on its spans."""
    name = SCENARIO
    result = scenarios[name]()
    if inspect.iscoroutine(result):
        asyncio.run(result)
    flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is not None:
        flush(FLUSH_MS)


def arguments() -> list[str]:
    """Return the names of instrumentations that the harness gave."""
    return sys.argv[1:]


def get_weather(city: str) -> str:
    """Tell the weather in a city.

    Args:
        city: The name of the city.
    """
    return f"{city}: {TOOL_RESULT}"
