"""The routes of the service, as the framework keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from starlette.routing import BaseRoute


def all_routes(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Walk over an application's routes as the framework keeps them; yields method and path."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from all_routes(inner.routes)
            continue
        path = getattr(route, "path", "")
        for method in getattr(route, "methods", None) or ("GET", "POST"):
            yield method, re.sub(r"\{[^}]*\}", "x", path)
