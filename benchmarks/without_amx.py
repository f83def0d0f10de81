"""Run a script of this folder as if the processor had no AMX, but VNNI alone.

    python benchmarks/without_amx.py benchmarks/speed.py --to benchmarks/speed-vnni.json

Linux gives AMX to a process that asks, and refuses while one of its threads has a signal stack too
small for the registers of AMX; what is refused goes on with VNNI, as ONNX Runtime, OpenVINO, oneDNN
and this package do. To ``speed.py`` it is another machine, whose results go to a file of their own.
Source: docs.kernel.org, Using XSTATE features in user space applications
"""

import ctypes
import platform
import runpy
import sys
import threading

_ARCH_PRCTL, _REQUEST, _TILE_DATA = 158, 0x1023, 18
_TOO_SMALL = 4096  # bytes: tiles alone take twice as many


class _SignalStack(ctypes.Structure):
    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def amx_permitted() -> bool:
    """Ask Linux to let this process use AMX; says whether it does. Other systems are not asked."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False
    return bool(ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST, _TILE_DATA) == 0)


def withhold_amx() -> None:
    """Have Linux refuse AMX to this process as long as it runs.

    Raises:
        SystemExit: it does not, or this is another system.
    """
    if not sys.platform.startswith("linux"):
        raise SystemExit("Only Linux can be told to refuse AMX.")
    libc, ready = ctypes.CDLL(None), threading.Event()

    def keep_small_stack() -> None:
        room = ctypes.create_string_buffer(_TOO_SMALL)
        own = _SignalStack(ctypes.addressof(room), 0, _TOO_SMALL)
        libc.sigaltstack(ctypes.byref(own), None)
        ready.set()
        threading.Event().wait()

    # Runtimes give the first thread a signal stack of their own; no one does this one.
    threading.Thread(target=keep_small_stack, daemon=True).start()
    ready.wait()
    if amx_permitted():
        raise SystemExit("Linux gave this process AMX all the same.")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    withhold_amx()
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
