"""Liveness and readiness, for orchestrators and for people."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response

from exporter import __version__


def health_router(problems: Callable[[], list[str]]) -> APIRouter:
    """Return `/healthz` (the process answers) and `/readyz` (it takes spans and can store them)."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @router.get("/readyz")
    async def readyz(response: Response) -> dict[str, object]:
        found = problems()
        response.status_code = 503 if found else 200
        return {"status": "not ready" if found else "ready", "problems": found}

    return router
