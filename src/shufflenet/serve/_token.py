"""The token that requests must bear: read from a private file, compared in constant time."""

import hashlib
import hmac
import os
import stat
from collections.abc import Callable
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from shufflenet.errors import TokenFileShared, TokenFileUnusable, TokenMissing
from shufflenet.outside import open_regular
from shufflenet.serve._problems import problem

__all__ = ["TokenCheck", "read_token"]

_SHORTEST, _LONGEST = 16, 4096  # characters
_ROOT = 0


def read_token(path: str | Path) -> str:
    """Read a token: the only line of a regular file that only its owner can read.

    Raises:
        TokenFileShared: others may read or write the file.
        TokenFileUnusable: it is missing, no regular file, or holds no such line.
    """
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            content = file.read(_LONGEST + 3)  # a line's end takes two at most
    except OSError as error:
        raise TokenFileUnusable(path, error.strerror or str(error)) from error
    mode = stat.S_IMODE(status.st_mode)
    if os.name == "posix" and _is_shared(mode, status.st_uid, os.geteuid()):
        raise TokenFileShared(path, mode)
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    if not (_SHORTEST <= len(line) <= _LONGEST and all(0x21 <= byte <= 0x7E for byte in line)):
        reason = f"it is not one line of {_SHORTEST} to {_LONGEST} letters, digits and signs"
        raise TokenFileUnusable(path, reason)
    return line.decode("ascii")


def _is_shared(mode: int, owner: int, user: int) -> bool:
    """Return whether others may read or write a file.

    A file of root that a group may read is how systemd (``LoadCredential``, by an access control
    list whose mask these bits show) and Kubernetes (``fsGroup``) give a secret to another user.

    >>> _is_shared(0o600, 1000, 1000), _is_shared(0o640, 1000, 1000), _is_shared(0o440, 0, 1000)
    (False, True, False)
    >>> _is_shared(0o440, 0, 0), _is_shared(0o444, 0, 1000), _is_shared(0o460, 0, 1000)
    (True, True, True)
    """
    given_by_root = owner == _ROOT and user != _ROOT
    return bool(mode & (0o037 if given_by_root else 0o077))


class TokenCheck:
    """An ASGI app that answers 401 to requests without the token.

    What is compared are SHA-256 hashes, so that neither the time nor the length tells anything.

    Args:
        app: What answers the others.
        token: The token; None asks for none.
        is_open: Returns whether a path needs no token.
    """

    def __init__(self, app: ASGIApp, token: str | None, is_open: Callable[[str], bool]) -> None:
        self._app, self._is_open = app, is_open
        self._expected = _digest(token.encode()) if token is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that bears the token, or needs none."""
        if scope["type"] != "http" or self._may_pass(scope):
            await self._app(scope, receive, send)
            return
        refusal = TokenMissing(other=bool(_given(scope)))
        answer = problem(str(refusal), refusal.status, {"WWW-Authenticate": "Bearer"})
        await answer(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if self._expected is None:
            return True
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # where it is mounted
        return self._is_open(path) or _bears(scope, self._expected)


def _bears(scope: Scope, expected: bytes) -> bool:
    """Return whether a request bears the token whose digest is expected.

    RFC 6750, section 2.1; RFC 9110, section 11.1: the scheme's case is of no account.
    """
    given = _given(scope)
    if len(given) != 1:
        return False
    scheme, _, token = given[0].partition(b" ")
    same = hmac.compare_digest(_digest(token.strip(b" ")), expected)
    return same and scheme.lower() == b"bearer"


def _given(scope: Scope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == b"authorization"]


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
