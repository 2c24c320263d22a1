"""Every form in which a model's name is seen leads to the entry of the list that it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.genai.model_names import Serves, readings, serves
from exporter.genai.prices.book import PriceBook
from exporter.genai.transforms import providers
from tests.support.otlp import NOON

BOOK = PriceBook()
CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
REGIONAL = f"aws:regional.{CLAUDE}"


@pytest.mark.parametrize(
    ("provider", "model", "price_id"),
    [
        pytest.param("openai", "gpt-4o", "openai:gpt-4o", id="as listed"),
        pytest.param("openai", " GPT-4o ", "openai:gpt-4o", id="capitals and blanks"),
        pytest.param("openai", "openai/gpt-4o", "openai:gpt-4o", id="openai/"),
        pytest.param("openai", "openai:gpt-4o", "openai:gpt-4o", id="openai:"),
        pytest.param("litellm", "azure/gpt-4o", "azure:gpt-4o", id="azure/"),
        pytest.param("openai", "azure/eu/gpt-4o-2024-08-06", "azure:gpt-4o", id="azure/eu/"),
        pytest.param("azure.ai.openai", "gpt-35-turbo", "azure:gpt-3.5-turbo", id="Azure's 35"),
        pytest.param("openai", "gpt-4o-20240806", "openai:gpt-4o", id="a date without dashes"),
        pytest.param("openai", "gpt-4o-2099-01-01", "openai:gpt-4o", id="a date not yet listed"),
        pytest.param("openai", "ft:gpt-4o-mini-2024-07-18:acme::x1", "openai:ft:gpt-4o-mini",
                     id="fine-tuned has a price of its own"),
        pytest.param("anthropic", "claude-sonnet-4-5[1m]", "anthropic:claude-sonnet-4-5",
                     id="with a context size"),
        pytest.param("anthropic", "claude-sonnet-4.5", "anthropic:claude-sonnet-4-5", id="a dot"),
        pytest.param("anthropic", "claude-3-5-sonnet@20240620", "anthropic:claude-3-5-sonnet",
                     id="@date by the maker's SDK"),
        pytest.param("gcp.vertex_ai", "claude-3-5-sonnet@20240620", "google:claude-3-5-sonnet",
                     id="@date on Vertex AI"),
        pytest.param("gcp.vertex_ai", "claude-opus-4-5@default", "google:claude-opus-4-5",
                     id="@default"),
        pytest.param("gcp.vertex_ai",
                     "projects/p/locations/us-east5/publishers/google/models/gemini-2.5-pro",
                     "google:gemini-2.5-pro", id="a path on Vertex AI"),
        pytest.param("gcp.vertex_ai", "publishers/anthropic/models/claude-3-5-sonnet@20240620",
                     "google:claude-3-5-sonnet", id="a publisher's path"),
        pytest.param("gcp.gemini", "models/gemini-2.5-pro", "google:gemini-2.5-pro", id="models/"),
        pytest.param("gcp.gemini", "gemini-2.5-flash-001", "google:gemini-2.5-flash", id="-001"),
        pytest.param("litellm", "gemini/gemini-2.5-pro", "google:gemini-2.5-pro", id="gemini/"),
        pytest.param("litellm", "vertex_ai/gemini-2.5-flash", "google:gemini-2.5-flash",
                     id="vertex_ai/"),
        pytest.param("gateway", "google-gla:gemini-2.5-pro", "google:gemini-2.5-pro",
                     id="google-gla:"),
        pytest.param("aws.bedrock", f"us.{CLAUDE}", REGIONAL, id="Bedrock, by region"),
        pytest.param("aws.bedrock", f"us-gov.{CLAUDE}", REGIONAL, id="Bedrock, GovCloud"),
        pytest.param("aws.bedrock", f"global.{CLAUDE}", f"aws:global.{CLAUDE}", id="global"),
        pytest.param("aws.bedrock", "amazon.nova-pro-v1:0:300k", "aws:amazon.nova-pro-v1:0",
                     id="Bedrock, with a context size"),
        pytest.param("aws.bedrock", f"bedrock/us.{CLAUDE}", REGIONAL, id="bedrock/us."),
        pytest.param("openai", f"bedrock/converse/us-east-1/us.{CLAUDE}", REGIONAL,
                     id="bedrock/converse/region/"),
        pytest.param("aws.bedrock",
                     f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{CLAUDE}",
                     REGIONAL, id="ARN of an inference profile"),
        pytest.param("aws.bedrock",
                     f"arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/{CLAUDE}",
                     REGIONAL, id="ARN of a model"),
        pytest.param("anthropic", f"us.{CLAUDE}", REGIONAL, id="Bedrock by the maker's SDK"),
        pytest.param(None, f"us.{CLAUDE}", REGIONAL, id="Bedrock, no provider"),
        pytest.param("openrouter", "anthropic/claude-sonnet-4.5",
                     "openrouter:anthropic/claude-sonnet-4.5", id="OpenRouter"),
        pytest.param("openrouter", "anthropic/claude-sonnet-4.5:nitro",
                     "openrouter:anthropic/claude-sonnet-4.5", id="OpenRouter, :nitro"),
        pytest.param("litellm", "openrouter/anthropic/claude-sonnet-4.5",
                     "openrouter:anthropic/claude-sonnet-4.5", id="openrouter/"),
        pytest.param("groq", "openai/gpt-oss-120b", "groq:openai/gpt-oss-120b",
                     id="a host's own slash"),
        pytest.param("groq", "groq/llama-3.3-70b-versatile", "groq:llama-3.3-70b-versatile",
                     id="groq/"),
        pytest.param("litellm", "fireworks_ai/accounts/fireworks/models/kimi-k2p5",
                     "fireworks:kimi-k2p5", id="a path on Fireworks"),
        pytest.param("openai", "claude-sonnet-4-5", "anthropic:claude-sonnet-4-5",
                     id="the OpenAI SDK before a gateway"),
        pytest.param("our-gateway", "gpt-4o", "openai:gpt-4o", id="a gateway nobody knows"),
        pytest.param("github", "openai/gpt-4o", "openai:gpt-4o", id="a known gateway"),
        pytest.param(None, "openai/gpt-4o", "openai:gpt-4o", id="a prefix and no provider"),
        pytest.param("openai", "gpt-4o-mimi", None, id="a typing error"),
        pytest.param("aws.bedrock",
                     "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2c3", None,
                     id="an opaque ARN"),
        pytest.param("groq", "gpt-4o", None, id="a host that does not have it"),
        pytest.param("ollama", "gpt-oss:20b", None, id="on one's own machine"),
        pytest.param("vllm", "deepseek-chat", None, id="a listed name on one's own machine"),
        pytest.param("openai", "hosted_vllm/gpt-4o", None, id="the prefix says one's own machine"),
        pytest.param("our-gateway", "deepseek-r1-distill-llama-70b", None, id="open weights"),
        pytest.param("litellm", "gpt-oss-20b", None, id="open weights of a maker with an API"),
    ],
)  # fmt: skip
def test_a_name_leads_to_its_price(provider: str | None, model: str, price_id: str | None) -> None:
    listing = BOOK.find(provider, model)
    card = listing and listing.card_at(NOON)
    assert (card.price_id if card else None) == price_id


@given(
    st.sampled_from([None, "gateway", *(p.name for p in providers().values())]),
    st.text(st.sampled_from("aeg4-.:/@[]1us "), max_size=40)
    | st.lists(st.sampled_from(["openai", "azure", "us", "converse", "models", "gpt-4o"])).map(
        "/".join
    ),
)
def test_any_text_has_few_readings(provider: str | None, model: str) -> None:
    found = readings(provider, model)
    assert len(found) == len(set(found)) <= 40
    assert all(reading.model or not model.strip() for reading in found)
    if serves(provider) is Serves.LISTED:
        assert {reading.provider for reading in found} <= {provider}
