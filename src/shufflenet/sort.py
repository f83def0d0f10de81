"""Photos put into folders by answer: linked or copied, none moved, none replaced."""

import filecmp
import functools
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from shufflenet.errors import ImageError, WriteError
from shufflenet.files import partial_beside
from shufflenet.labels import file_name, make_distinct
from shufflenet.runtimes import Prediction
from shufflenet.spec import Label

__all__ = ["Placed", "Sorter", "Way"]

Way: TypeAlias = Literal["hard", "symbolic", "copy"]
_UNSURE = "unsure"
_LONGEST_BYTES = 255  # of a name, on any system


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a photo is found among the sorted ones.

    Attributes:
        folder: The name of its folder.
        path: The file.
        is_new: Whether it was added; otherwise it was there already.
    """

    folder: str
    path: Path
    is_new: bool


@dataclass(slots=True)
class Sorter:
    """Puts photos into a folder for each class, and those that are answered unsurely into another.

    Attributes:
        to: Where the folders are.
        labels: The classes; each gets a folder of its name, made safe for any system.
        unsure: A probability; below it a photo goes into the folder ``unsure``.
        way: ``hard`` links, of which any is the photo itself and takes no space, or copies where
            the file system has none; ``symbolic`` links; or a ``copy`` of each photo.
    """

    to: Path
    labels: Sequence[Label]
    unsure: float = 0.0
    way: Way = "hard"
    _folders: tuple[str, ...] = field(init=False)
    _taken: set[Path] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        names = (file_name(label.name) for label in self.labels)
        self._folders = make_distinct(names, taken=[_UNSURE])

    def holds(self, path: Path) -> bool:
        """Return whether a path lies in one of the folders, and so is no photo to be sorted."""
        folder, base = _real(path.parent).parts, _real(self.to).parts
        rest = folder[len(base) :]
        return folder[: len(base)] == base and rest[:1] > () and self._is_folder(rest[0])

    def place(self, photo: Path, answer: Prediction) -> Placed:
        """Put a photo into the folder of an answer, unless it is there already.

        A file of its name that is another photo stays, and a number is added: ``cat-2.jpg``. The
        photo is told from others by its content.

        Args:
            photo: The file, which stays as it is.
            answer: The most probable class.

        Raises:
            ImageError: the photo is no longer there.
            WriteError: the disk is full or the folder cannot be written.
        """
        is_unsure = answer.probability < self.unsure
        folder = _UNSURE if is_unsure else self._folders[answer.index]
        number, target = 1, self.to / folder / photo.name
        try:
            while (is_new := self._take(photo, target)) is None:
                number += 1
                target = self.to / folder / _numbered(photo, number)
        except OSError as error:
            reason = error.strerror or str(error)
            if not photo.exists():
                raise ImageError(str(photo), reason) from error
            raise WriteError(target, reason) from error
        self._taken.add(target)
        return Placed(folder, target, is_new)

    def _take(self, photo: Path, target: Path) -> bool | None:
        """Put a photo at a place, and return whether it is new there; None where others are."""
        if target in self._taken:
            return None
        if not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._put(photo, target)
            except FileExistsError:  # another process put something there meanwhile
                pass
            else:
                return True
        return False if _same(photo, target) else None

    def _is_folder(self, name: str) -> bool:
        return name == _UNSURE or name in self._folders

    def _put(self, photo: Path, target: Path) -> None:
        """Put a photo at a place where nothing is.

        Raises:
            OSError: something is there by now, or the photo no longer, or there is no room.
        """
        if self.way == "symbolic":
            photo.stat()
            target.symlink_to(photo.absolute())
        elif self.way == "copy" or not _is_linked(os.path.realpath(photo), target):
            partial = partial_beside(target)
            try:
                shutil.copy2(photo, partial)
                if not _is_linked(partial, target):
                    target.open("xb").close()  # where there are no links, this keeps others away
                    os.replace(partial, target)
            finally:
                partial.unlink(missing_ok=True)


def _is_linked(file: str | Path, target: Path) -> bool:
    """Make a hard link, and return whether the file system has such links.

    Raises:
        FileExistsError: something is at the target.
    """
    try:
        os.link(file, target)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def _real(folder: Path) -> Path:
    """Return where a folder is, whatever links lead there."""
    return Path(os.path.realpath(folder))


def _numbered(photo: Path, number: int) -> str:
    """Return a photo's name with a number; of a name without room for it the end goes.

    >>> _numbered(Path("cat.jpg"), 2), len(_numbered(Path("c" * 251 + ".jpg"), 10))
    ('cat-2.jpg', 255)
    """
    ending = f"-{number}{photo.suffix}"
    stem, room = os.fsencode(photo.stem), _LONGEST_BYTES - len(os.fsencode(ending))
    if len(stem) <= room:
        return f"{photo.stem}{ending}"
    return f"{stem[:room].decode(errors='ignore')}{ending}"


def _same(photo: Path, target: Path) -> bool:
    """Return whether a file is a photo, or a copy of it."""
    if not target.is_file():
        return False
    return target.samefile(photo) or filecmp.cmp(photo, target, shallow=False)
