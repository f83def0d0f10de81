"""Which hosts requests may ask for, and which pages may send them."""

from collections.abc import Collection
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from shufflenet.errors import HostNotNamed, OtherHost, OtherSite, RequestError
from shufflenet.serve._problems import problem

__all__ = ["LOOPBACK_HOSTS", "HostCheck", "hosts_to_check", "is_loopback", "name_of_host"]

LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "[::1]"))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    >>> is_loopback("127.0.0.2"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def hosts_to_check(host: str, allowed: Collection[str]) -> frozenset[str] | None:
    """Return which hosts requests may ask for; None for any.

    A page of a stranger can have its own name point to 127.0.0.1 (DNS rebinding); the browser then
    takes this service for a part of that page's site, but still asks for it by that name.

    Args:
        host: What the service is bound to.
        allowed: Names that are added.
    """
    if not allowed and not is_loopback(host):
        return None
    own = f"[{host}]" if ":" in host else host
    return LOOPBACK_HOSTS | {each.lower() for each in (own, *allowed)}


def name_of_host(host: str) -> str:
    """Return a host without its port, in lower case.

    >>> name_of_host("Localhost:8000"), name_of_host("[::1]:80"), name_of_host("[::1]")
    ('localhost', '[::1]', '[::1]')
    """
    name, colon, port = host.rpartition(":")
    return (name if colon and (port.isdecimal() or not port) else host).lower().removesuffix(".")


class HostCheck:
    """An ASGI app that refuses requests for other hosts, and those that other sites' pages send.

    Args:
        app: What answers the others.
        hosts: The names that may be asked for; None for any.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None) -> None:
        self._app, self._hosts = app, hosts
        # A page on another port of this machine is another site.
        self._sites = frozenset(hosts or ()) - LOOPBACK_HOSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal:
            await problem(str(refusal), refusal.status)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> RequestError | None:
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if not hosts and not origins and scope["http_version"] == "1.0":
            return None  # no browser's: HAProxy asks so whether a service lives
        if len(hosts) != 1:
            return HostNotNamed()
        if self._hosts is not None and name_of_host(hosts[0]) not in self._hosts:
            return OtherHost()
        return None if all(self._is_own(each, hosts[0]) for each in origins) else OtherSite()

    def _is_own(self, origin: str, host: str) -> bool:
        """Return whether an origin is the host that was asked for, or one that is allowed.

        A proxy may have put another name into Host than the page has.
        """
        scheme, separator, place = origin.partition("://")
        if not separator or scheme not in ("http", "https"):
            return False  # such as "null", of a page in a file or a sandbox
        return place.lower() == host.lower() or name_of_host(place) in self._sites


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
