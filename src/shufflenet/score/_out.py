"""The folder of a job: what the job is, the answers, and the counts when all are there."""

import json
import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shufflenet.data.parts import Part
from shufflenet.errors import (
    AnswersUnreadable,
    OtherJob,
    OutNotEmpty,
    SourceChanged,
    SpecError,
    StoreUnreadable,
    WriteError,
)
from shufflenet.files import PARTIAL
from shufflenet.files.stores import Store, is_address, join, open_store
from shufflenet.outside import read_json, typed
from shufflenet.score._answers import Counts

__all__ = ["Done", "Ending", "Out", "open_out"]

_ANSWERS, _JOB, _COUNTS, _CARD = "answers", "job.json", "counts.json", "card.json"
_LARGEST_JSON = 1 << 20
_NAME = re.compile(r"part-([0-9]{9,12})-([0-9a-f]{16})\.parquet")  # as ``answers_name`` makes it
_PARTIAL_NAME = re.compile(rf"\.({_NAME.pattern})\.[0-9a-f]+{re.escape(PARTIAL)}")


class Done:
    """Which parts are answered, 8 bytes for each."""

    def __init__(self) -> None:
        self._found = array("Q")
        self.parts = 0

    def add(self, number: int, fingerprint: int) -> bool:
        """Add a part; return whether there is none of that number with another fingerprint."""
        if number >= len(self._found):
            self._found.extend([0] * (number + 1 - len(self._found)))
        before, self._found[number] = self._found[number], fingerprint or 1
        self.parts += before == 0
        return before in (0, fingerprint or 1)

    def has(self, part: Part, source: str) -> bool:
        """Return whether a part is answered.

        Raises:
            SourceChanged: a part of that number is, but other images are in it now.
        """
        found = self._found[part.number] if part.number < len(self._found) else 0
        if found and found != (int(part.fingerprint, 16) or 1):
            name = part.units[0].name or part.units[0].at
            what = f"it is cut into other parts than before, from {name!r} on"
            raise SourceChanged(source, what)
        return found != 0

    @property
    def end(self) -> int:
        """One more than the largest number."""
        return len(self._found)


@dataclass(frozen=True, slots=True)
class Ending:
    """What is written when all is answered.

    Attributes:
        counts: Of all images.
        parts: How many files of answers there are.
        fingerprint: A hash of the source's units.
    """

    counts: Counts
    parts: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Out:
    """The folder of a job."""

    address: str
    store: Store
    path: str

    @property
    def answers(self) -> str:
        """The folder of the answers."""
        return join(self.path, _ANSWERS)

    def begin(self, record: Mapping[str, object], card: str) -> bool:
        """Write what the job is, or check that it is the one that the folder belongs to.

        Returns:
            Whether the job was begun before.

        Raises:
            OtherJob: it belongs to another.
            OutNotEmpty: the folder holds something else.
            WriteError: it cannot be written.
        """
        before = self._read(_JOB)
        if before is not None:
            for name, value in record.items():
                if before.get(name) != value:
                    raise OtherJob(self.address, _WORDS.get(name, name), before.get(name), value)
            if self.store.find(join(self.path, _CARD)) is None:  # that run ended between the two
                self.store.write(join(self.path, _CARD), card.encode())
            return True
        for entry in self._scan(self.path):
            if not entry.startswith("."):
                raise OutNotEmpty(self.address, entry)
        self.store.write(join(self.path, _JOB), json.dumps(record, indent=1).encode())
        self.store.write(join(self.path, _CARD), card.encode())
        return False

    def runtime(self) -> str | None:
        """Return the runtime of the job that was begun here, if one was."""
        runtime = (self._read(_JOB) or {}).get("runtime")
        return runtime if isinstance(runtime, str) else None

    def done(self, source: str) -> Done:
        """List which parts are answered.

        Raises:
            SourceChanged: there are answers of two sources.
            AnswersUnreadable: there is a file that no run wrote, such as a copy of one; who reads
                the folder would read its rows too.
        """
        done = Done()
        for name in self._scan(self.answers):
            if name.startswith(".") or not name.endswith(".parquet"):
                continue
            found = _NAME.fullmatch(name)
            if found is None:
                cause = ValueError("scoring gives no file such a name")
                raise AnswersUnreadable(join(self.answers, name), cause)
            number, fingerprint = found.groups()
            if not done.add(int(number), int(fingerprint, 16)):
                raise SourceChanged(source, f"there are two files of answers to part {number}")
        return done

    def counts(self) -> Ending | None:
        """Return what ``end`` wrote; None if not all is answered yet.

        Raises:
            AnswersUnreadable: the file is damaged.
        """
        fields = self._read(_COUNTS)
        if fields is None:
            return None
        try:
            parts = typed(fields.get("parts"), int, "parts")
            fingerprint = typed(fields.get("fingerprint"), str, "fingerprint")
            return Ending(Counts.from_fields(fields), parts, fingerprint)
        except SpecError as error:
            raise AnswersUnreadable(join(self.path, _COUNTS), error) from error

    def end(self, ending: Ending) -> None:
        """Write the counts, by which others know that all is answered."""
        fields = ending.counts.fields()
        fields |= {"parts": ending.parts, "fingerprint": ending.fingerprint}
        self.store.write(join(self.path, _COUNTS), json.dumps(fields, indent=1).encode())

    def remove_partials(self) -> None:
        """Remove what killed workers left half written of parts that others have answered.

        Raises:
            WriteError: a file cannot be removed.
        """
        for name in list(self._scan(self.answers)):
            found = _PARTIAL_NAME.fullmatch(name)
            if found and self.store.find(join(self.answers, found[1])) is not None:
                self.store.remove(join(self.answers, name))

    def _read(self, name: str) -> dict[str, object] | None:
        path = join(self.path, name)
        try:
            with self.store.open(path) as file:
                content = file.read(_LARGEST_JSON)
            return typed(read_json(content, name), dict[str, object], name)
        except FileNotFoundError:
            return None
        except (OSError, SpecError) as error:
            raise AnswersUnreadable(path, error) from error

    def _scan(self, folder: str) -> Iterator[str]:
        try:
            for entry in self.store.scan(folder):
                yield entry.name
        except FileNotFoundError:
            return
        except OSError as error:
            raise WriteError(folder, error.strerror or str(error)) from error


_WORDS = {
    "sha256": "content of the model's file",
    "part_images": "number of images in a part",
    "part_bytes": "size of a part",
    "shufflenet": "version of shufflenet",
}


def open_out(address: str) -> Out:
    """Return the folder at an address; nothing is written yet.

    Raises:
        StoreUnreadable: the store cannot be reached.
        WriteError: it is a file.
    """
    store, path = open_store(address)
    out = Out(address if is_address(address) else path, store, path.rstrip("/"))
    try:
        found = store.find(path)
    except OSError as error:
        raise StoreUnreadable(address, error) from error
    if found is not None and not found.is_folder:
        raise WriteError(address, "it is no folder")
    return out
