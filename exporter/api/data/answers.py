"""How a question is answered over HTTP: its rows in an envelope or as CSV, or the problem."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from exporter.api.asking import ask, status_of
from exporter.api.data.asked import Asked, Paged
from exporter.cancellation import Cancellation
from exporter.errors import ObservatoryError, RetryableError
from exporter.query.asked import Found
from exporter.query.form import as_csv, as_json
from exporter.query.times import rfc3339
from exporter.query.usage import Group

Row = TypeVar("Row", bound=BaseModel)


class Problem(BaseModel):
    """Why there is no answer, and what to do."""

    detail: str = Field(examples=["from must be before to"])


class Answer(BaseModel, Generic[Row]):
    """Rows, and what they are about. `rows` is the root for Grafana's Infinity data source."""

    from_: str = Field(alias="from", description="Start of the time that was looked at.")
    to: str = Field(description="End of that time, itself not in it.")
    source: str = Field(description="Table that was read.", examples=["llm_usage_1m"])
    missing_before: str | None = Field(
        description="Rows older than this are deleted, so the answer is about less than was asked "
        "for (with a comparison: or is compared with less); null: nothing is missing."
    )
    next: str | None = Field(description="`cursor` of the next page, null: this is the last.")
    rows: list[Row]


_PROBLEMS = {
    400: "A parameter is wrong, or the question takes too much.",
    404: "Nothing of this id is stored.",
    413: "The answer is too large.",
    429: "Too many questions at once.",
    503: "The store does not answer.",
}


class DataRoute(APIRoute):
    """A route whose refusals are a `Problem`, whatever refuses."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with its errors answered."""
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return problem(400, "; ".join(_place(each) for each in error.errors()))
            except RetryableError as error:
                return problem(status_of(error), str(error), error.retry_after_s)
            except ObservatoryError as error:
                return problem(status_of(error), str(error))

        return answered


def problem(status: int, detail: str, retry_after_s: float | None = None) -> Response:
    """Return a refusal."""
    headers = {} if retry_after_s is None else {"Retry-After": f"{max(round(retry_after_s), 1)}"}
    body = as_json({"detail": detail})
    return Response(body, status, headers, "application/json")


def documented(row: type[BaseModel], model: type[BaseModel] | None = None) -> dict[str, Any]:
    """Return what OpenAPI says of an answer with such rows; `model` has further lists."""
    content = {"text/csv": {"schema": {"type": "string"}}}
    answers: dict[int | str, Any] = {
        200: {"model": model or Answer[row], "content": content, "description": "The rows."}
    }
    return {"responses": answers | problems()}


def problems() -> dict[int | str, Any]:
    """Return what OpenAPI says of the refusals."""
    described: dict[int | str, Any] = {
        status: {"model": Problem, "description": text} for status, text in _PROBLEMS.items()
    }
    # Without it OpenAPI would promise validation errors in another form.
    return described | {"4XX": {"model": Problem, "description": "Refused."}}


async def answer(
    request: Request,
    asked: Asked,
    row: type[Row],
    question: Callable[[Cancellation], Found[Row] | None],
) -> Response:
    """Ask, and return the rows in the form that was asked for; 404 where nothing was found."""
    found = await ask(request, question)
    if found is None:
        return problem(404, "no spans of this trace are stored")
    return await asyncio.to_thread(_formed, request, asked, row, found)


async def as_text(value: Any) -> str:
    """Return JSON, made off the event loop."""
    return await asyncio.to_thread(as_json, value)


def _formed(request: Request, asked: Asked, row: type[BaseModel], found: Found[Any]) -> Response:
    rows = [_fields(each) for each in found.rows]
    following = None
    if found.next is not None and isinstance(asked, Paged):
        following = asked.following(request.url.path, found.range, found.next)
    if wants_csv(request, asked):
        return _csv(request, rows, row, found, following)
    start, end = rfc3339(found.range.start_ns), rfc3339(found.range.end_ns)
    missing = found.missing_before_ns
    envelope: dict[str, Any] = {
        "from": start,
        "to": end,
        "source": found.source,
        "missing_before": None if missing is None else rfc3339(missing),
        "next": following,
        "rows": rows,
    }
    for name, further in found.more.items():
        envelope[name] = [_fields(each) for each in further]
    return Response(as_json(envelope), media_type="application/json")


def wants_csv(request: Request, asked: Asked) -> bool:
    """Return whether CSV was asked for, by `format` or else by the Accept header."""
    if asked.format is not None:
        return asked.format == "csv"
    accept = request.headers.get("accept", "")
    return "text/csv" in accept and "application/json" not in accept


def _fields(row: BaseModel) -> dict[str, Any]:
    """Return a row's fields; what names a group comes first."""
    fields = row.model_dump(exclude_unset=True)
    if not isinstance(row, Group):
        return fields
    first = [*(["time"] if "time" in fields else []), *(row.model_extra or {})]
    return {name: fields[name] for name in first} | fields


def _csv(
    request: Request,
    rows: list[dict[str, Any]],
    row: type[BaseModel],
    found: Found[Any],
    following: str | None,
) -> Response:
    names: Mapping[str, Any] = dict.fromkeys(name for each in rows for name in each)
    names = names or dict.fromkeys(row.model_fields)
    headers = {"X-Source": found.source}
    if following is not None:
        url = request.url.include_query_params(cursor=following)
        headers["Link"] = f'<{url}>; rel="next"'
    return Response(as_csv(rows, list(names)), 200, headers, "text/csv; charset=utf-8")


def _place(error: Mapping[str, Any]) -> str:
    """Return one mistake of a request, without the value: it may be anything."""
    name = str(error["loc"][-1])
    if error["type"] == "extra_forbidden":
        return f"{name[:80]}: no such parameter"
    return f"{name}: {error['msg']}"
