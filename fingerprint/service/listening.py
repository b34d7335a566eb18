"""The sockets that the service listens on, bound before anything is started, and their addresses."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack

from fingerprint.domain.errors import UsageError


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Bind a socket to every address of a host name; port 0 takes a free one.

    Nobody can connect before they are listened on. Raises UsageError for an address that cannot be had: the port is in use,
    not allowed, or the host is not this machine.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError, UnicodeError) as error:
        raise UsageError(f"--host {host}: no address of this machine: {error}") from error
    sockets: list[socket.socket] = []
    with ExitStack() as unless_all:
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            try:
                one = socket.socket(family, socket.SOCK_STREAM)
            except OSError:  # this machine has no IPv6, but a name for it
                continue
            unless_all.callback(one.close)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            chosen = sockets[0].getsockname()[1] if sockets else port
            try:
                one.bind((address[0], chosen, *address[2:]))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL and len(found) > 1:
                    continue
                raise UsageError(
                    f"--host {host} --port {port}: {os.strerror(error.errno or 0)}"
                    + ("; another process listens there" if error.errno == errno.EADDRINUSE else "")
                ) from error
            one.set_inheritable(True)
            sockets.append(one)
        if not sockets:
            raise UsageError(f"--host {host}: no address of this machine")
        unless_all.pop_all()
    return sockets


def url_of(host: str, sockets: list[socket.socket]) -> str:
    """Return the address that a person opens."""
    name = f"[{host.strip('[]')}]" if ":" in host else host
    return f"http://{name}:{sockets[0].getsockname()[1]}"
