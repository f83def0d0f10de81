"""The process of a worker: reads a task and parts from its input, writes what became of them.

It ends when its input does, so that it does not outlive the process that started it.
"""

import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import IO

from shufflenet.data.parts import Part
from shufflenet.score._job import Task
from shufflenet.score._scorer import Scorer

__all__ = ["main"]

_TELL_S = 5.0  # how often it is told at most that images are read


def main() -> None:
    """Answer parts until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    task: Task = pickle.load(source)  # noqa: S301  # from the process that started this one
    parts: queue.SimpleQueue[Part] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(source, parts), daemon=True).start()
    scorer: Scorer | None = None
    tell = _teller(answers, time.monotonic)
    while True:
        part = parts.get()
        try:
            scorer = scorer or Scorer(task)
            result: object = scorer.score(part, tell)
        except MemoryError:
            os._exit(1)  # as if the system had ended it: another attempt may have more
        except Exception as error:  # noqa: BLE001  # it is raised where the part came from
            result = error
        answers.write(_pickled(result))
        answers.flush()


def _teller(answers: IO[bytes], clock: Callable[[], float]) -> Callable[[], None]:
    """Return what tells that this process works, by a None, and not more often than it must."""
    told = float("-inf")

    def tell() -> None:
        nonlocal told
        if clock() - told >= _TELL_S:
            told = clock()
            answers.write(pickle.dumps(None))
            answers.flush()

    return tell


def _pickled(result: object) -> bytes:
    try:
        content = pickle.dumps(result)
        pickle.loads(content)  # noqa: S301  # some errors of libraries can be written, not read
    except Exception:  # noqa: BLE001  # an error of a library that cannot be pickled
        return pickle.dumps(RuntimeError(f"{type(result).__name__}: {result}"))
    return content


def _listen(source: IO[bytes], parts: "queue.SimpleQueue[Part]") -> None:
    try:
        while True:
            parts.put(pickle.load(source))  # noqa: S301  # likewise
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)


if __name__ == "__main__":
    main()
