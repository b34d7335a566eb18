"""Finds the templated prompt families of model-extraction campaigns in LLM API traffic, and matches new traffic with them.

The names below are all that other programs need; they load their modules when they are first used, so that
`import fingerprint` and `fingerprint --help` stay quick. Inside, start with `fingerprint.jobs.night_steps`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fingerprint.domain.settings import Home, Settings
    from fingerprint.jobs.lookup import open_matcher
    from fingerprint.jobs.nightly import nightly

from fingerprint.base import kernel_cache
from fingerprint.base.version import __version__

kernel_cache.choose(Path(__file__).parent)

__all__ = ["Home", "Settings", "__version__", "nightly", "open_matcher"]

_MODULES = {
    "Home": "fingerprint.domain.settings",
    "Settings": "fingerprint.domain.settings",
    "nightly": "fingerprint.jobs.nightly",
    "open_matcher": "fingerprint.jobs.lookup",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'fingerprint' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
