"""Sockets that listen, bound before anything else so that what is wrong is told at once."""

import errno
import os
import socket
from typing import TypeAlias, cast

from shufflenet.errors import AddressInUse, AddressRefused

__all__ = ["listen", "url_of"]

_Address: TypeAlias = tuple[str | int, ...]

_WAITING = 1024  # connections that the system accepts before a worker takes them
_TRIES = 8  # to find a port that is free for each of a host's addresses
_ANOTHER_HOST = (
    "Give --host an address of this machine: 127.0.0.1 for its own programs alone, "
    "0.0.0.0 for other machines too."
)
_ANOTHER_PORT = "Choose another --port, such as 8000."


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on a port of each address that a host has; they do not block.

    Args:
        host: A name or an address of this machine; ``0.0.0.0`` and ``::`` are all of its addresses.
        port: The port, the same for each; 0 for a free one.

    Raises:
        AddressInUse: another program listens there.
        AddressRefused: it is no address of this machine, or not this user's to listen on.
    """
    for _ in range(_TRIES):
        try:
            return _listen_on_each(host, port)
        except AddressInUse:
            if port:
                raise
    raise AddressInUse(host, port)


def url_of(host: str, sockets: list[socket.socket]) -> str:
    """Return the address that a browser takes.

    >>> url_of("::1", listen("127.0.0.1", 0)).rpartition(":")[0]
    'http://[::1]'
    """
    port = sockets[0].getsockname()[1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _listen_on_each(host: str, port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    failures: list[OSError] = []
    for family, address in _addresses(host, port):
        chosen = sockets[0].getsockname()[1] if sockets else port
        try:
            sockets.append(_listen_on(family, (address[0], chosen, *address[2:])))
        except OSError as error:
            failures.append(error)
    in_use = [error for error in failures if error.errno == errno.EADDRINUSE]
    if in_use or not sockets:  # else one of the two kinds of addresses is switched off here
        for each in sockets:
            each.close()
        raise _refusal(host, port, (in_use or failures)[0])
    return sockets


def _addresses(host: str, port: int) -> list[tuple[int, _Address]]:
    """Return the families and addresses of a host, each once.

    Raises:
        AddressRefused: no such host is known.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # a name of more than 63 letters between two dots
        reason = "no host of that name is known"
        raise AddressRefused(host, port, reason, _ANOTHER_HOST) from error
    addresses = [(int(family), cast(_Address, address)) for family, _, _, _, address in found]
    return list(dict.fromkeys(addresses))


def _listen_on(family: int, address: _Address) -> socket.socket:
    """Return a socket that listens on one address.

    Raises:
        OSError: it cannot.
    """
    every = address[0] == "::" and socket.has_dualstack_ipv6()  # of IPv4 too
    listening = socket.create_server(address, family=family, backlog=_WAITING, dualstack_ipv6=every)
    listening.setblocking(False)
    return listening


def _refusal(host: str, port: int, error: OSError) -> AddressInUse | AddressRefused:
    match error.errno:
        case errno.EADDRINUSE:
            return AddressInUse(host, port)
        case errno.EACCES:
            reason, remedy = "it is not yours to listen on", _ANOTHER_PORT
        case errno.EADDRNOTAVAIL:
            reason, remedy = "it is no address of this machine", _ANOTHER_HOST
        case _:
            reason, remedy = _reason(error), _ANOTHER_HOST
    return AddressRefused(host, port, reason, remedy)


def _reason(error: OSError) -> str:
    """Return what the system says, without the address that ``socket.create_server`` adds."""
    return os.strerror(error.errno) if error.errno else str(error)
