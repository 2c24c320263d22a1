"""The state behind the stand-in providers: what they cached, and what they would bill."""

import asyncio
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.demo.answers import (
    MODELS,
    Answer,
    Prompt,
    Usage,
    compose,
    count_tokens,
    scripted_usage,
)
from exporter.demo.faults import Fault, Refusal, refusal, scripted_fault

CACHE_TOKENS_MIN = 1024  # Both providers ignore shorter prefixes.
CACHE_PREFIXES_MAX = 256


@dataclass(slots=True)
class Ledger:
    """What the providers answered: the truth that the observatory's numbers are held against."""

    calls: Counter[str] = field(default_factory=Counter[str])
    input_tokens: Counter[str] = field(default_factory=Counter[str])
    output_tokens: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])

    def bill(self, model: str, usage: Usage) -> None:
        """Add one answered call to the bill of a model."""
        self.calls[model] += 1
        self.input_tokens[model] += usage.input
        self.output_tokens[model] += usage.output


@dataclass(slots=True, kw_only=True)
class Mischief:
    """What goes wrong for everybody until it is taken back. A request's own fault comes first."""

    fault: Fault | None = None
    slowness: float = 1.0  # Multiplies the time of every answer.
    verbosity: int = 1  # Multiplies the tokens that are billed.
    renamed: str | None = None  # The model that answers say they come from.


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answered request: the answer, its bill and an id of its own."""

    serial: str
    model: str  # With its date, as providers report it.
    answer: Answer
    usage: Usage


class StandIn:
    """Answer prompts for every provider. Use it from one event loop only."""

    def __init__(self, *, seed: int, latency_scale: float) -> None:
        """Start with empty caches and an empty ledger; a scale of 0 answers at once."""
        self.ledger = Ledger()
        self.mischief = Mischief()
        self._seed = seed
        self._latency_scale = latency_scale
        self._prefixes: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._served = 0

    async def reply(
        self, prompt: Prompt, headers: Mapping[str, str], *, writes_billed: bool
    ) -> Reply | Refusal:
        """Answer or refuse. `writes_billed` says whether filling the prompt cache is billed."""
        refused = self.refuse(prompt.model, headers)
        if refused is not None:
            return refused
        answer = compose(prompt, seed=self._seed, fault=self._fault(headers))
        read, write = self._cache(prompt)
        usage = scripted_usage(headers) or Usage(
            input=count_tokens(prompt.text) * self.mischief.verbosity,
            output=answer.output_tokens * self.mischief.verbosity,
            cache_read=read,
            cache_write=write if writes_billed else 0,
            reasoning=answer.reasoning_tokens,
        )
        await self.wait(answer.first_token_s)
        dated = self._bill(prompt.model, usage, self.mischief.renamed)
        return Reply(serial=self._serial(), model=dated, answer=answer, usage=usage)

    async def reply_without_text(self, model: str, usage: Usage) -> str:
        """Bill a call whose answer is not text, and return the model's dated name."""
        await self.wait(MODELS[model].first_token_s)
        return self._bill(model, usage)

    def refuse(self, model: str, headers: Mapping[str, str]) -> Refusal | None:
        """Return why a request gets no answer, if it gets none."""
        if model not in MODELS:
            refused = Refusal(status=404, fault=None, model=model)
        else:
            refused = refusal(self._fault(headers), model)
        if refused is not None:
            self.ledger.refused[model if model in MODELS else "unknown"] += 1
        return refused

    async def wait(self, seconds: float) -> None:
        """Take as long as the model would, scaled."""
        if self._latency_scale > 0:
            await asyncio.sleep(seconds * self._latency_scale * self.mischief.slowness)

    def _fault(self, headers: Mapping[str, str]) -> Fault | None:
        return scripted_fault(headers) or self.mischief.fault

    def _bill(self, model: str, usage: Usage, renamed: str | None = None) -> str:
        dated = renamed or MODELS[model].dated
        self.ledger.bill(dated, usage)
        return dated

    def _serial(self) -> str:
        self._served += 1
        return hashlib.sha256(f"{self._seed}:{self._served}".encode()).hexdigest()[:24]

    def _cache(self, prompt: Prompt) -> tuple[int, int]:
        """Return the tokens read from and written to the prompt cache."""
        tokens = count_tokens(prompt.cacheable)
        if tokens < CACHE_TOKENS_MIN:
            return 0, 0
        key = (prompt.model, prompt.cacheable)
        known = key in self._prefixes
        self._prefixes[key] = None
        self._prefixes.move_to_end(key)
        if len(self._prefixes) > CACHE_PREFIXES_MAX:
            self._prefixes.popitem(last=False)
        return (tokens, 0) if known else (0, tokens)
