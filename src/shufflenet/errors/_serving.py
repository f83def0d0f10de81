"""Errors of a service: it cannot listen, its token cannot be read, who asks may not."""

import shlex
from pathlib import Path

from shufflenet.errors._base import ShuffleNetError, count_of
from shufflenet.errors._requests import RequestError

__all__ = [
    "AddressInUse",
    "AddressRefused",
    "HostNotNamed",
    "OtherHost",
    "OtherSite",
    "ServeError",
    "TokenFileShared",
    "TokenFileUnusable",
    "TokenMissing",
    "WorkerFailed",
]


class ServeError(ShuffleNetError):
    """A service cannot start or go on."""


class AddressInUse(ServeError):
    """Another program listens there."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"Port {port} of {host!r} is in use: another program listens there. "
            "Choose another --port, or 0 for a free one."
        )


class AddressRefused(ServeError):
    """The system does not let this program listen there.

    Args:
        host: The host's name or address.
        port: The port.
        reason: What the system says.
        remedy: What to do: a sentence.
    """

    def __init__(self, host: str, port: int, reason: str, remedy: str) -> None:
        super().__init__(
            f"Cannot listen on port {port} of {host!r} ({reason.rstrip('.')}). {remedy}"
        )


class TokenFileShared(ServeError):
    """Others than the owner may read or write the token."""

    def __init__(self, path: str | Path, mode: int) -> None:
        super().__init__(
            f"The token file {str(path)!r} can be read or written by others (mode {mode:03o}). "
            f"Keep it to yourself: chmod 600 {shlex.quote(str(path))}."
        )


class TokenFileUnusable(ServeError):
    """The file holds no token.

    Args:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        quoted = shlex.quote(str(path))
        super().__init__(
            f"The token file {str(path)!r} cannot be used ({reason}). "
            f"Make one: (umask 077; openssl rand -hex 32 > {quoted})."
        )


class WorkerFailed(ServeError):
    """Workers end before they can serve.

    Args:
        times: How many, one after the other.
        code: The exit code of the last; a signal's number, negative.
    """

    def __init__(self, times: int, code: int) -> None:
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        last = ", the last" if times > 1 else ""
        super().__init__(
            f"{count_of(times, 'worker')} ended before serving{last} {how}. "
            "What stderr says above is the reason."
        )


class HostNotNamed(RequestError):
    """A request has no header Host, or several."""

    def __init__(self) -> None:
        super().__init__("A request names one host, in the header Host.")


class OtherHost(RequestError):
    """A request asks for a host that this service is not."""

    status = 421

    def __init__(self) -> None:
        super().__init__(
            "The service does not answer for this host. "
            "Ask for localhost, or for a NAME that it was started with: --allow-host NAME."
        )


class OtherSite(RequestError):
    """The page of another site sends a request."""

    status = 403

    def __init__(self) -> None:
        super().__init__(
            "Pages of other sites may not use this service. "
            "Behind a proxy, start it with --allow-host NAME of the site."
        )


class TokenMissing(RequestError):
    """A request does not bear the service's token.

    Args:
        other: Whether it bears another one.
    """

    status = 401

    def __init__(self, *, other: bool = False) -> None:
        wrong = "The token of the request is not the service's. " if other else ""
        super().__init__(f"{wrong}Send the service's token: Authorization: Bearer TOKEN.")
