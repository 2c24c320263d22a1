"""Draw the people who use the demo shop and what they ask, from a seed."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from exporter.demo.faults import Fault

FAULT_EVERY = 8
FAULT_FIRST = 2

_USERS = 40
_QUESTIONS = (
    "Where is my parcel?",
    "Can I return shoes that I wore once?",
    "Do you deliver to the islands?",
    "Which jacket keeps out heavy rain?",
    "The blue mug arrived broken, what now?",
    "How long does a refund take?",
    "Is the large backpack back in stock soon?",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One use of one feature by one person."""

    user_id: str
    session_id: str
    tenant_id: str
    feature: str
    question: str
    fault: Fault | None


def visits(
    service: str, features: Sequence[str], faults: Sequence[Fault], seed: int
) -> Iterator[Visit]:
    """Yield visits without end. Every eighth one, from the third on, meets the next fault."""
    draw = random.Random(f"{service}:{seed}")
    for index in itertools.count():
        turn, step = divmod(index, FAULT_EVERY)
        user = draw.randrange(_USERS)
        yield Visit(
            user_id=f"user-{user:03}",
            session_id=f"session-{user:03}-{draw.randrange(3)}",
            tenant_id=("acme", "globex", "initech")[user % 3],
            feature=draw.choice(features),
            question=draw.choice(_QUESTIONS),
            fault=faults[turn % len(faults)] if faults and step == FAULT_FIRST else None,
        )
