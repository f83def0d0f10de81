"""Portions of one image's work that threads claim, compute and report as done, by atomic counters.

Portions are numbered through all steps of a network. A thread claims the next number, waits until
all portions of the steps before are done, computes the portion, and claims again. So no thread is
waited for unless it has claimed something: a thread that never starts delays nobody, and one that
starts late joins in where the others are.

A claim is one of an image, whose number is in the upper half of the counter: a thread that comes
when its image is done finds the number of another, and leaves.
"""

from llvmlite import ir

from shufflenet.codegen.kernels._ir import BYTES, INDEX, INT32, Function, Value, index
from shufflenet.codegen.kernels._layout import LINE_BYTES
from shufflenet.codegen.kernels._library import Library
from shufflenet.codegen.kernels._signature import Kernel, Signature

__all__ = ["Claims"]

_INDEX_POINTER = INDEX.as_pointer()
_PAUSES = 256  # a few microseconds, before another thread may have the core
# What a thread that waits executes, so that another of the same core is not slowed down.
_PAUSE = {"x86": ("x86.sse2.pause", ()), "aarch64": ("aarch64.hint", (ir.Constant(INT32, 1),))}


class Claims:
    """The kernels of claims.

    Args:
        library: The module's functions.
        architecture: ``x86``, ``aarch64`` or another one.

    Attributes:
        counters_bytes: Bytes of the counters.
        rest: The type of the function by which a thread that waits offers its core to another.
    """

    counters_bytes = 2 * LINE_BYTES  # that of claims, and that of what is done, a line each
    rest = ir.FunctionType(ir.VoidType(), []).as_pointer()

    def __init__(self, library: Library, architecture: str) -> None:
        self._library = library
        self._pause = _PAUSE.get(architecture)

    def begin(self) -> Kernel:
        """Return the kernel that opens an image's portions to all threads that know its number.

        Those of the image before must all be done.
        """

        def write(f: Function) -> None:
            claimed, done = _counters(f)
            f.store_atomic(index(0), done, "monotonic", 8)
            first = f.shl(f.arguments.image_number, index(32))
            f.store_atomic(first, claimed, "release", 8)

        signature = Signature({"counters": BYTES, "image_number": INDEX})
        return self._library.kernel("open_image", signature, write, alone=False)

    def claim(self) -> Kernel:
        """Return the kernel that stores the number of a portion that is now this thread's.

        It stores -1 if the image is no longer computed.
        """

        def write(f: Function) -> None:
            a = f.arguments
            claimed, _ = _counters(f)
            first = f.load_atomic(claimed, "monotonic", 8)
            before, again, found, other, after = (f.append_basic_block() for _ in range(5))
            entry = f.block
            f.branch(before)
            f.position_at_end(before)
            number = f.phi(INDEX)
            number.add_incoming(first, entry)
            f.cbranch(f.icmp_signed("==", f.lshr(number, index(32)), a.image_number), again, other)
            f.position_at_end(again)
            more = f.add(number, index(1))
            pair = f.cmpxchg(claimed, number, more, "acq_rel", "acquire")
            number.add_incoming(f.extract_value(pair, 0), again)
            f.cbranch(f.extract_value(pair, 1), found, before)
            f.position_at_end(found)
            f.store(f.and_(number, index(0xFFFFFFFF)), a.portion)
            f.branch(after)
            f.position_at_end(other)
            f.store(index(-1), a.portion)
            f.branch(after)
            f.position_at_end(after)

        signature = Signature({"counters": BYTES, "image_number": INDEX, "portion": _INDEX_POINTER})
        return self._library.kernel("claim_portion", signature, write, alone=False)

    def wait(self) -> Kernel:
        """Return the kernel that waits until so many portions are done.

        ``rest`` may be null.
        """

        def write(f: Function) -> None:
            a = f.arguments
            _, done = _counters(f)
            head, body, long, after = (f.append_basic_block() for _ in range(4))
            entry = f.block
            f.branch(head)
            f.position_at_end(head)
            pauses = f.phi(INDEX)
            pauses.add_incoming(index(0), entry)
            enough = f.icmp_signed(">=", f.load_atomic(done, "acquire", 8), a.portions)
            f.cbranch(enough, after, body)
            f.position_at_end(body)
            if self._pause:
                name, arguments = self._pause
                f.intrinsic(name, ir.VoidType(), *arguments)
            more = f.add(pauses, index(1))
            pauses.add_incoming(more, body)
            f.cbranch(f.icmp_signed("<", more, index(_PAUSES)), head, long)
            f.position_at_end(long)
            with f.if_then(f.icmp_unsigned("!=", a.rest, ir.Constant(a.rest.type, None))):
                f.call(a.rest, [])
            pauses.add_incoming(more, f.block)
            f.branch(head)
            f.position_at_end(after)

        signature = Signature({"counters": BYTES, "portions": INDEX, "rest": self.rest})
        return self._library.kernel("wait_for_portions", signature, write, alone=False)

    def finish(self) -> Kernel:
        """Return the kernel that reports one more portion as done."""

        def write(f: Function) -> None:
            _, done = _counters(f)
            f.atomic_rmw("add", done, index(1), "release")

        signature = Signature({"counters": BYTES})
        return self._library.kernel("finish_portion", signature, write, alone=False)


def _counters(f: Function) -> tuple[Value, Value]:
    """Return pointers to the number of the next claim, and of portions that are done."""
    first = f.arguments.counters
    return tuple(f.bitcast(f.at(first, at), _INDEX_POINTER) for at in (0, LINE_BYTES))
