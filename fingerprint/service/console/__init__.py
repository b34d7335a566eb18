"""The analysts' console: server-rendered pages in the service's process; `router` holds its routes."""

from fingerprint.service.console.login import router

__all__ = ["router"]
