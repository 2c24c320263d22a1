"""Bedrock through boto3, under whatever instrumentation the harness names."""

import contextlib
import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from common import PROMPT, STAND_IN, SYSTEM, arguments, instrument, run, trace_to_collector

MODEL = "anthropic.claude-haiku-4-5-20251001-v1:0"
MESSAGES = [{"role": "user", "content": [{"text": PROMPT}]}]
BODY = json.dumps(
    {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 256,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": PROMPT}],
    }
)


def client() -> boto3.client:
    """Return a client of the runtime at the stand-in."""
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=STAND_IN,
        region_name="eu-west-1",
        aws_access_key_id="golden",
        aws_secret_access_key="golden",
        config=Config(retries={"total_max_attempts": 1}),
    )


def converse() -> None:
    """Ask once."""
    client().converse(modelId=MODEL, messages=MESSAGES, system=[{"text": SYSTEM}])


def converse_stream() -> None:
    """Ask, and read the answer as it comes."""
    answer = client().converse_stream(modelId=MODEL, messages=MESSAGES)
    for _ in answer["stream"]:
        pass


def invoke() -> None:
    """Ask in Claude's own words."""
    client().invoke_model(modelId=MODEL, body=BODY)["body"].read()


def invoke_stream() -> None:
    """Ask in Claude's own words, and read the answer as it comes."""
    for _ in client().invoke_model_with_response_stream(modelId=MODEL, body=BODY)["body"]:
        pass


def error() -> None:
    """Be refused."""
    with contextlib.suppress(ClientError):
        converse()


trace_to_collector()
instrument(arguments())
run(
    {
        "converse": converse,
        "converse_cache": converse,
        "converse_cache_small": converse,
        "converse_stream": converse_stream,
        "invoke": invoke,
        "invoke_cache": invoke,
        "invoke_stream": invoke_stream,
        "error": error,
    }
)
