"""What the service graph keeps of a span, and what it makes of it: rows of arrays, no objects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Codes = NDArray[np.int32]

CONNECTION_TYPES: tuple[str, ...] = ("", "messaging_system", "database", "virtual_node")
DIRECT, MESSAGING, DATABASE, VIRTUAL = range(len(CONNECTION_TYPES))

# What is remembered of a span. Nodes are codes; -1 is none.
PLACE = np.dtype([
    ("key", "i8"),
    ("parent", "i8"),  # its parent's key, 0 for a root
    ("service", "i4"),
    ("node", "i4"),  # the agent, tool or retriever that it is
    ("node_type", "i1"),
    ("peer", "i4"),  # what it is drawn to if nobody answers
    ("peer_type", "i1"),
    ("names_peer", "?"),  # whether it had a peer to begin with
    ("is_call", "?"),
    ("is_client", "?"),
    ("is_server", "?"),
    ("is_messaging", "?"),
    ("failed", "?"),
    ("duration_ns", "i8"),
    ("end_ns", "i8"),
    ("trace_id", "S32"),
    ("span_id", "S16"),
])  # fmt: skip

EDGE = np.dtype([
    ("client", "i4"),
    ("server", "i4"),
    ("type", "i1"),
    ("failed", "?"),
    ("client_ns", "i8"),
    ("server_ns", "i8"),
    ("end_ns", "i8"),
    ("trace_id", "S32"),
    ("span_id", "S16"),
])  # fmt: skip

Places = NDArray[np.void]
"""Spans, as `PLACE`."""
Edges = NDArray[np.void]
"""Edges, as `EDGE`."""
