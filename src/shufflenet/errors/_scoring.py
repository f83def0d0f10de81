"""Errors in scoring: jobs that differ, sources that change, workers that cannot be used."""

from pathlib import Path

from shufflenet.errors._base import ShuffleNetError, count_of, first_line, shown

__all__ = [
    "AnswersUnreadable",
    "ClusterMissing",
    "ClusterWithoutCpus",
    "ImageColumnMissing",
    "MachineFails",
    "OtherJob",
    "OutNotEmpty",
    "OutUsed",
    "PartEndsWorkers",
    "ScoreError",
    "SourceChanged",
    "StoreUnreadable",
    "WebForbidden",
    "WorkersDiffer",
]


class ScoreError(ShuffleNetError):
    """A job of scoring cannot be started, continued or ended; written answers stay as they are."""


class StoreUnreadable(ScoreError):
    """No store is known for an address, or it cannot be reached."""

    def __init__(self, address: str, cause: Exception) -> None:
        super().__init__(
            f"{address!r} cannot be reached ({first_line(cause)}). Give a path, or an address of a "
            "store that pyarrow or fsspec knows, such as s3://BUCKET/FOLDER, and check that this "
            "machine may use it."
        )


class WebForbidden(ScoreError):
    """An image is on the web, from which nothing may be fetched."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url!r} is not fetched while SHUFFLENET_OFFLINE is set. Unset it, or name files or "
            "objects in a store."
        )


class MachineFails(ScoreError):
    """An image cannot be read for a reason that is not its own, such as too many open files.

    Args:
        name: The image's name.
        cause: What the system said.
    """

    def __init__(self, name: str, cause: OSError) -> None:
        super().__init__(
            f"{name!r} could not be read, for a reason of the machine that reads it "
            f"({cause.strerror or first_line(cause)}). Mend that, and run the same command again: "
            "answers that are written stay."
        )


class ImageColumnMissing(ScoreError):
    """A parquet file has no column of images or of their addresses."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The parquet file {path!r} has no column of images. Expected: a column 'image' of "
            "bytes, or of bytes and path as the Hugging Face Hub writes it, or a column of text "
            "such as 'path' or 'url'."
        )


class OtherJob(ScoreError):
    """The folder holds the answers of a job with other arguments.

    Args:
        out: The folder.
        argument: What differs, such as "model".
        before: Its value in that job.
        now: Its value now.
    """

    def __init__(self, out: str | Path, argument: str, before: object, now: object) -> None:
        super().__init__(
            f"The folder {str(out)!r} belongs to a job with another {argument} ({shown(before)}, "
            f"now {shown(now)}). Give the same arguments to continue it, or another --out."
        )


class SourceChanged(ScoreError):
    """The source is not what it was when its first answers were written.

    Args:
        source: The source.
        what: What differs, as a sentence without its full stop.
    """

    def __init__(self, source: str, what: str) -> None:
        super().__init__(
            f"The source {source!r} has changed since scoring began: {what}. Answers that are "
            "written stay; score the source as it is now with another --out."
        )


class OutNotEmpty(ScoreError):
    """The folder for the answers holds something else."""

    def __init__(self, out: str | Path, name: str) -> None:
        super().__init__(
            f"The folder {str(out)!r} holds no job of scoring, but other files, such as {name!r}. "
            "Choose an empty folder, or a new one, as --out."
        )


class OutUsed(ScoreError):
    """Another process writes answers into the folder."""

    def __init__(self, out: str | Path) -> None:
        super().__init__(
            f"The folder {str(out)!r} is in use: another process scores into it. Wait until that "
            "has ended, or choose another --out."
        )


class AnswersUnreadable(ScoreError):
    """A file that an earlier run wrote is damaged."""

    def __init__(self, path: str, cause: Exception) -> None:
        super().__init__(
            f"{path!r} cannot be read ({first_line(cause)}). Delete it, and score again: its "
            "images are then answered anew."
        )


class ClusterMissing(ScoreError):
    """There is no Ray cluster at an address."""

    def __init__(self, address: str, cause: Exception) -> None:
        super().__init__(
            f"There is no Ray cluster at {address!r} that this machine can join "
            f"({first_line(cause)}). Give the address that `ray start --head` printed, such as "
            "--cluster 10.0.0.1:6379, or leave --cluster out to use this machine."
        )


class ClusterWithoutCpus(ScoreError):
    """A cluster has no CPU for a worker, and none came.

    Args:
        address: The cluster's.
        nodes: How many nodes it has.
        seconds: How long a CPU was waited for.
    """

    def __init__(self, address: str, nodes: int, seconds: int) -> None:
        super().__init__(
            f"No worker can start in the Ray cluster at {address!r}: its {count_of(nodes, 'node')} "
            f"offered no CPU in {seconds} seconds. Start nodes with CPUs, as by `ray start "
            "--address HOST:PORT`, and run the same command again."
        )


class WorkersDiffer(ScoreError):
    """A worker of a cluster cannot do what this process would do.

    Args:
        what: What differs, as a sentence without its full stop.
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The workers of the cluster are not what this machine is: {what}. Install the same "
            "version of shufflenet with the same extras on every node."
        )


class PartEndsWorkers(ScoreError):
    """The same part of a source ended every worker that took it.

    Args:
        first: The name of the part's first image or file.
        images: How many images it has; 0 if that is not known.
        attempts: How many workers it ended.
    """

    def __init__(self, first: str, images: int, attempts: int) -> None:
        size = f" of {count_of(images, 'image')}" if images else ""
        super().__init__(
            f"The part{size} that begins with {first!r} ended {count_of(attempts, 'worker')}, one "
            "after the other. Memory may be short: give fewer --workers, or take the image out "
            "that needs it. Other parts that are written stay."
        )
