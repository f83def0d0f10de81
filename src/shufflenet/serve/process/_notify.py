"""Write to the service manager that started this process how it is."""

import contextlib
import os
import socket

__all__ = ["notify"]


def notify(state: str) -> None:
    """Send a state such as ``READY=1`` to systemd, where it asks for that (``Type=notify``).

    Source: systemd, sd_notify(3): a datagram to the socket that ``NOTIFY_SOCKET`` names, of which
    an ``@`` in front stands for the zero byte of an abstract name.
    """
    name = os.environ.get("NOTIFY_SOCKET", "")
    if name[:1] not in ("/", "@"):
        return
    with (
        contextlib.suppress(OSError),  # it goes on without
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        sender.sendto(state.encode(), f"\0{name[1:]}" if name[0] == "@" else name)
