"""Tell from a batch's columns who calls whom: services, agents, tools, stores, model providers.

What each span is to the graph is said here; edges.py waits for the other half of an edge.

- A server (consumer) span below a client (producer) span: service -> service.
- A call that is counted (`UsageRole` own) and that no server span of ours answers:
  service -> provider. Client spans with `peer.service` or `db.*` attributes are drawn alike.
- An agent, tool or retriever: what runs it -> itself, named `agent.planner`, `tool.search`,
  `retriever.docs` as in the flame graphs. What runs it is the nearest agent or tool above it in
  its service, else the service.
- A server span without a parent: user -> service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from exporter.metrics.cardinality import OVERFLOW, LabelLimiter
from exporter.metrics.edges import EdgeMemory
from exporter.metrics.places import (
    CONNECTION_TYPES,
    DATABASE,
    PLACE,
    VIRTUAL,
    Codes,
    Edges,
    Places,
    Rows,
)
from exporter.spans.arrow import holds
from exporter.spans.batch import SpanBatch

_USER = "user"  # Tempo's name for what calls from outside.
# Keys of 63 bits fit in signed integers.
_KEY = np.uint64(2**63 - 1)

# The first that a span has names what it talks to, whatever else it has.
_PEER_KEYS = ("peer.service", "service.peer.name")
# A store is named `postgresql/orders`: system and namespace, whichever of them there are.
_STORE_SYSTEM_KEYS = ("db.system.name", "db.system")
_STORE_NAME_KEYS = ("db.namespace", "db.name", "db.collection.name")
_DATA_SOURCE_KEYS = ("gen_ai.data_source.id",)

Name = Callable[[str | None], str]


class ServiceGraph:
    """Gives the edges that each batch completes, each edge once, with the names of its nodes."""

    def __init__(self, *, nodes_max: int, max_spans: int, wait_s: float, max_age_s: float) -> None:
        self._limiter = LabelLimiter(nodes_max)
        self.names: list[str] = [OVERFLOW, _USER]
        """Name of each node by its code."""
        self._codes: dict[str, int] = {name: code for code, name in enumerate(self.names)}
        self._memory = EdgeMemory(
            max_spans=max_spans, wait_s=wait_s, max_age_s=max_age_s, user=self._codes[_USER]
        )

    @property
    def overflowed(self) -> int:
        """Names of nodes turned away so far."""
        return self._limiter.overflowed

    def __len__(self) -> int:
        """Return the number of spans that are remembered."""
        return len(self._memory)

    def __call__(self, batch: SpanBatch, now_s: float) -> Edges:
        """Return the edges that an attributed batch completes."""
        return self._memory.add(self._places(batch), now_s)

    def expire(self, now_s: float) -> Edges:
        """Return the edges that have waited long enough for their other half."""
        return self._memory.expire(now_s)

    def grouped(self, edges: Edges) -> tuple[list[tuple[str, ...]], Rows]:
        """Return client, server and connection type of each group, and the group of each edge."""
        nodes, types = len(self.names), len(CONNECTION_TYPES)
        keys = (edges["client"].astype(np.int64) * nodes + edges["server"]) * types + edges["type"]
        distinct, group = np.unique(keys, return_inverse=True)
        pairs, kinds = distinct // types, distinct % types
        return [
            (self.names[pair // nodes], self.names[pair % nodes], CONNECTION_TYPES[kind])
            for pair, kind in zip(pairs.tolist(), kinds.tolist(), strict=True)
        ], group

    def _places(self, batch: SpanBatch) -> Places:
        places = np.zeros(len(batch), dtype=PLACE)
        places["key"] = _signed(batch.keys)
        places["parent"] = _signed(batch.parent_keys)
        places["service"] = self._coded(batch["ServiceName"], None, lambda name: name or "unknown")
        kind = batch["SpanKind"]
        producer, consumer = holds(kind, "Producer"), holds(kind, "Consumer")
        places["is_server"] = holds(kind, "Server") | consumer
        places["is_messaging"] = producer | consumer
        places["is_client"] = holds(kind, "Client") | producer
        places["failed"] = holds(batch["Status"], "error")
        places["duration_ns"] = batch.duration_ns
        places["end_ns"] = batch.start_ns + batch.duration_ns
        places["trace_id"] = hex_ids(batch["TraceId"], 32)
        places["span_id"] = hex_ids(batch["SpanId"], 16)
        places["node"] = places["peer"] = -1
        self._name_peers(batch, places)
        self._name_runs(batch, places)
        return places

    def _name_peers(self, batch: SpanBatch, places: Places) -> None:
        """Say what each client span is drawn to when no server span of ours answers it."""
        open_to = ~places["is_server"]
        stores = self._stores(batch)
        places["peer_type"][stores >= 0] = DATABASE
        named = self._attribute(batch, _PEER_KEYS, lambda name: name or "unknown")
        named[~places["is_client"] & (stores < 0)] = -1
        peers = np.where(named >= 0, named, stores)
        places["peer_type"][(stores < 0) & (named >= 0)] = VIRTUAL
        # Only what is counted as a call, or each would be drawn as often as it is reported.
        own = np.flatnonzero(holds(batch["UsageRole"], "own"))
        peers = np.where(open_to, peers, -1)
        peers[own] = self._coded(batch["Provider"], own, lambda name: name or "unknown provider")
        places["peer_type"][own] = VIRTUAL
        places["is_call"][own] = True
        places["peer"] = peers
        places["names_peer"] = peers >= 0
        places["is_client"] |= peers >= 0

    def _name_runs(self, batch: SpanBatch, places: Places) -> None:
        """Say which spans are agents, tools and retrievers."""
        for span_class, column in (("agent", "Agent"), ("tool", "Tool")):
            rows = np.flatnonzero(holds(batch["SpanClass"], span_class))
            places["node"][rows] = self._coded(batch[column], rows, _named(span_class))
            places["node_type"][rows] = VIRTUAL
        rows = np.flatnonzero(holds(batch["SpanClass"], "retriever"))
        if len(rows):
            by_source = self._attribute(batch, _DATA_SOURCE_KEYS, _named("retriever"))[rows]
            by_name = self._coded(batch["SpanName"], rows, _named("retriever"))
            places["node"][rows] = np.where(by_source >= 0, by_source, by_name)
            places["node_type"][rows] = DATABASE

    def _stores(self, batch: SpanBatch) -> Codes:
        """Return the node of the store that each span talks to, -1 for none."""
        systems, system_names = _texts(batch, _STORE_SYSTEM_KEYS)
        stores, store_names = _texts(batch, _STORE_NAME_KEYS)
        codes = np.full(len(batch), -1, dtype=np.int32)
        rows = np.flatnonzero((systems >= 0) | (stores >= 0))
        if not len(rows):
            return codes
        pairs, which = np.unique(
            np.stack((systems[rows], stores[rows])), axis=1, return_inverse=True
        )
        # -1 is the last one: nothing.
        named = [(*system_names, ""), (*store_names, "")]
        nodes = [
            self._code("/".join(filter(None, (named[0][system], named[1][store]))))
            for system, store in pairs.T.tolist()
        ]
        codes[rows] = np.array(nodes, dtype=np.int32)[which.reshape(-1)]
        return codes

    def _attribute(self, batch: SpanBatch, keys: Sequence[str], name: Name) -> Codes:
        """Return the node that an attribute of each span names, -1 where it has none."""
        texts, words = _texts(batch, keys)
        nodes = np.array([*(self._code(name(word)) for word in words), -1], dtype=np.int32)
        return nodes[texts]

    def _coded(self, column: pa.Array, rows: NDArray[np.intp] | None, name: Name) -> Codes:
        """Return the node of each row's value; values that no row has take no name."""
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        indices = encoded.indices.fill_null(-1).to_numpy()
        indices = indices if rows is None else indices[rows]
        used = np.flatnonzero(np.bincount(indices + 1, minlength=len(encoded.dictionary) + 1)) - 1
        nodes = np.full(len(encoded.dictionary) + 1, -1, dtype=np.int32)
        for index in used.tolist():
            nodes[index] = self._code(
                name(encoded.dictionary[index].as_py() if index >= 0 else None)
            )
        return nodes[indices]

    def _code(self, name: str) -> int:
        admitted = self._limiter.admit(name)
        code = self._codes.setdefault(admitted, len(self.names))
        if code == len(self.names):
            self.names.append(admitted)
        return code


def _named(kind: str) -> Name:
    return lambda name: f"{kind}.{name or 'unknown'}"


def _signed(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    return (keys & _KEY).astype(np.int64)


def _texts(batch: SpanBatch, keys: Sequence[str]) -> tuple[Codes, list[str]]:
    """Return for each span the text of the first of these attributes that it has, as a code.

    -1: it has none of them, or an empty one. The texts by code are the second value.
    """
    attributes = batch.attributes
    codes = np.full(len(batch), -1, dtype=np.int32)
    words: list[str] = []
    for key in keys:
        at = attributes.keys.index(key).as_py()
        if at < 0:
            continue
        entries = np.flatnonzero(attributes.codes == at)
        texts = attributes.text.take(pa.array(entries)).dictionary_encode()
        found = texts.indices.to_numpy() + len(words)
        more = texts.dictionary.to_pylist()
        owners = attributes.owners[entries]
        # Reversed, so that of a key that occurs twice the first occurrence wins.
        free = (codes[owners] < 0) & np.array([bool(word) for word in more], np.bool_)[
            found - len(words)
        ]
        codes[owners[free][::-1]] = found[free][::-1]
        words += more
    return codes, words


def hex_ids(column: pa.StringArray, digits: int) -> NDArray[np.bytes_]:
    """Return ids of a fixed length as a numpy array, without a copy."""
    data = column.buffers()[2]
    if data is None:
        return np.empty(0, dtype=f"S{digits}")
    return np.frombuffer(data, dtype=f"S{digits}")[: len(column)]
