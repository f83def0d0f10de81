"""Errors of downloads."""

from dataclasses import dataclass

from shufflenet.errors._base import ShuffleNetError

__all__ = [
    "DownloadError",
    "DownloadFailed",
    "DownloadedFileWrong",
    "MustDownloadByHand",
    "Offline",
    "ServerUnreachable",
    "WhereToGet",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhereToGet:
    """Where a person finds a published file, and where to put it.

    Attributes:
        name: The weights' name in the catalogue.
        network: Their network's name.
        filename: The file's name at its source.
        url: The file's address; empty if only ``folders`` are known.
        folders: Addresses of folders that hold the file.
        path: Where this package looks for it.
    """

    name: str
    network: str
    filename: str
    url: str
    folders: tuple[str, ...]
    path: str

    @property
    def advice(self) -> str:
        """The end of a sentence that tells a person how to get the file."""
        get = f"get {self.filename!r} from {self.url}"
        if not self.url:
            get = (
                f"get the file of {self.network!r} from {' or '.join(self.folders)}, where it may "
                f"have another name than {self.filename!r},"
            )
        return f"{get} and put it at {self.path!r}."


class DownloadError(ShuffleNetError):
    """A published file cannot be downloaded, or is not what was published."""

    def __init__(self, where: WhereToGet, problem: str, before: str = "To go on,") -> None:
        super().__init__(f"The weights {where.name!r} {problem}. {before} {where.advice}")


class MustDownloadByHand(DownloadError):
    """The file has no address that a program can download from."""

    def __init__(self, where: WhereToGet, mismatch: str) -> None:
        super().__init__(where, f"must be downloaded by hand, and the cached file {mismatch}")


class Offline(DownloadError):
    """Downloads are switched off, and the cached file is missing or wrong."""

    def __init__(self, where: WhereToGet, mismatch: str) -> None:
        problem = (
            f"are not downloaded while SHUFFLENET_OFFLINE is set, and the cached file {mismatch}"
        )
        super().__init__(where, problem, "Unset it, or")


class DownloadFailed(DownloadError):
    """The server or the address is at fault, so another attempt is pointless."""

    def __init__(self, where: WhereToGet, reason: str) -> None:
        super().__init__(where, f"could not be downloaded from {where.url!r}: {reason}")


class ServerUnreachable(DownloadError):
    """All attempts failed, but a later one may not."""

    def __init__(self, where: WhereToGet, reason: object) -> None:
        problem = f"could not be downloaded from {where.url!r}: {reason}"
        super().__init__(where, problem, "Run the command again later, or")


class DownloadedFileWrong(DownloadError):
    """The downloaded file is not what was published."""

    def __init__(self, where: WhereToGet, mismatch: str) -> None:
        problem = (
            f"were downloaded from {where.url!r}, but are not what was published: the file "
            f"{mismatch}, so it was deleted"
        )
        super().__init__(where, problem, "Run the command again; if that does not help,")
