"""The run of a job: the source is listed, what is missing is given to workers, all is counted."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import shufflenet
from shufflenet.data.parts import Part, Source, Totals, cut, open_source
from shufflenet.errors import OtherJob, PartEndsWorkers, SourceChanged
from shufflenet.files.stores import check_online, is_offline, join
from shufflenet.hub import CHECKPOINT, ONNX, resolve
from shufflenet.machine import cores
from shufflenet.runtimes import Opening, find_runtimes
from shufflenet.score._answers import Counts, answers_name, read_counts, require_pyarrow
from shufflenet.score._cluster import HERE, join_cluster
from shufflenet.score._job import Job, Task
from shufflenet.score._lock import Lock, lock_out
from shufflenet.score._model_files import hash_files, read_files
from shufflenet.score._out import Done, Ending, Out, open_out
from shufflenet.score._processes import Processes
from shufflenet.score._scorer import check_photos, open_network
from shufflenet.score._workers import Workers
from shufflenet.spec import Card

__all__ = ["Progress", "Summary", "score"]

_ATTEMPTS = 3  # workers that a part may end
_TELL_S = 0.5  # how often progress is told at least
_FOOTERS = 8  # that are read at once


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes:
        counts: Of the images that this run answered.
        parts: Parts that are answered, before this run too.
        before: Parts that were answered before this run.
        total_parts: All parts of the source; None until it is listed to its end.
        to_answer: Images that this run answers; None until then, or if archives do not tell.
        seconds: Since the run began.
        waiting: A sentence about what is waited for, where no worker of a cluster can start.
    """

    counts: Counts
    parts: int
    before: int
    total_parts: int | None
    to_answer: int | None
    seconds: float
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """A job that is done.

    Attributes:
        images: All images of the source; each has one row.
        failed: Those that could not be read.
        failures: How many for each reason.
        parts: Files of answers.
        answered: Images that this run answered.
        seconds: How long this run took.
        model: The model's name.
        answers: The folder of the answers.
    """

    images: int
    failed: int
    failures: Mapping[str, int]
    parts: int
    answered: int
    seconds: float
    model: str
    answers: str


def score(job: Job, on_progress: Callable[[Progress], None] = lambda progress: None) -> Summary:
    """Answer all images of a source that have no answer yet.

    Args:
        job: What is to be done. If its folder belongs to the same job, that is continued.
        on_progress: Called when parts have ended, and every half second.

    Raises:
        ScoreError: the folder belongs to another job or is in use, the source changed, there is no
            cluster, or a part ended several workers; see its subclasses.
        DataError: the source is missing, unreadable or without images.
        CheckpointError: the model cannot be opened or computed.
        MissingDependency: pyarrow, the runtime or Ray is not installed.
        WriteError: the disk is full, or the folder cannot be written.
    """
    started = time.monotonic()
    require_pyarrow()
    source = open_source(job.source, spool=job.cluster in (None, HERE))
    _check_reachable(source)
    out = open_out(job.out)
    with lock_out(out.store, out.path, out.address) as lock:
        card, opening = _open_model(job, out)
        sha256 = hash_files(read_files(opening.path))
        noted = {
            "name": card.name,
            "sha256": sha256,
            "runtime": opening.runtime,
            "shufflenet": shufflenet.__version__,
        }
        next(source.units())  # that there is an image, before anything is written
        record = job.record(source.address, noted)
        begun = out.begin(record, card.to_json())
        task = Task(
            source=source.address, store=source.store, out=out.store, answers=out.answers,
            opening=opening, sha256=sha256, columns=job.columns, top=job.top, batch=job.batch,
        )  # fmt: skip
        run = _Run(job, source, out, lock, started, on_progress, json.dumps(record))
        if begun:
            run.survey_before()
        if not run.takes_counts():
            with _workers(job, task) as workers:
                run.answer(workers)
        return run.end(card.name)


def _check_reachable(source: Source) -> None:
    """Check that no row of a table names an image on the web while nothing may be fetched.

    Raises:
        WebForbidden: one does.
    """
    if source.kind == "table" and is_offline():
        for unit in source.units():
            check_online(unit.at)


def _open_model(job: Job, out: Out) -> tuple[Card, Opening]:
    """Open the model as the workers will, by the runtime of the job if it was begun before.

    Returns:
        Its card, and how workers open it.

    Raises:
        OtherJob: another runtime is asked for now.
    """
    before = out.runtime()
    if before and job.runtime not in ("auto", before):
        raise OtherJob(out.address, "runtime", before, job.runtime)
    runtime = before or job.runtime
    if job.columns == "embeddings":
        path = Path(resolve(job.model, (ONNX, CHECKPOINT))).absolute()
        opening = Opening(path, "torch" if path.suffix == CHECKPOINT else "onnxruntime", 1)
        card, _ = open_network(opening, job.columns)
        return card, opening
    suffixes = [suffix for each in find_runtimes(runtime) for suffix in each.suffixes]
    path = Path(resolve(job.model, suffixes)).absolute()
    model = Opening(path, runtime, 1).open()
    check_photos(model.card)
    return model.card, Opening(path, model.runtime, 1)


@contextmanager
def _workers(job: Job, task: Task) -> Iterator[Workers]:
    if job.cluster is None:
        workers: Workers = Processes(task, job.workers or cores())
    else:
        workers = join_cluster(job.cluster, task, job.workers)
    with closing(workers):
        yield workers


@dataclass
class _Run:
    job: Job
    source: Source
    out: Out
    lock: Lock
    started: float
    on_progress: Callable[[Progress], None]
    purpose: str  # in fingerprints: what a worker of a deleted job still writes is none of ours
    counts: Counts = field(default_factory=Counts)  # of this run
    counts_before: Counts = field(default_factory=Counts)
    parts: int = 0
    before: int = 0
    survey: Totals | None = None
    missing: int = 0  # images to be answered, of the survey
    totals: Totals = field(default_factory=Totals)
    done: Done = field(default_factory=Done)
    held: dict[int, Part] = field(default_factory=dict)
    ended: Counter[int] = field(default_factory=Counter)  # workers, by a part's number
    again: list[Part] = field(default_factory=list)

    def survey_before(self) -> None:
        """List the source to its end, and compare it with what is answered, before any work.

        Raises:
            SourceChanged: it is not what it was.
        """
        self.done = self.out.done(self.source.address)
        totals = self._list()
        if self.done.end > totals.parts:
            what = f"it has {totals.parts} parts, and part {self.done.end - 1} is answered"
            raise SourceChanged(self.source.address, what)
        counts = self.out.counts()
        if counts is not None and counts.fingerprint != totals.fingerprint:
            what = "all of it was answered, and it holds other images now"
            raise SourceChanged(self.source.address, what)
        self.survey = totals

    def takes_counts(self) -> bool:
        """Take the counts that a run before wrote at its end, without opening files of answers.

        Returns:
            Whether there are such counts, and all files of answers are there.
        """
        counts = self.out.counts()
        if counts is None or self.survey is None or self.done.parts != self.survey.parts:
            return False
        self.counts_before = counts.counts
        self.totals, self.parts, self.before = self.survey, self.done.parts, self.done.parts
        return True

    def _list(self) -> Totals:
        totals = Totals()
        missing = 0
        for part in cut(self.source.units(), self.job.limits, self.purpose):
            if not self.done.has(part, self.source.address):
                missing += part.images
            totals.add(part)
        self.missing = missing
        return totals

    def answer(self, workers: Workers) -> None:
        """Send workers what is not answered, and read the counts of what is."""
        if self.survey is None:
            threading.Thread(target=self._survey_beside, daemon=True).start()
        with ThreadPoolExecutor(_FOOTERS) as pool:
            waiting = []
            for part in cut(self.source.units(), self.job.limits, self.purpose):
                self.totals.add(part)
                if self.done.has(part, self.source.address):
                    path = join(self.out.answers, answers_name(part))
                    waiting.append(pool.submit(read_counts, self.out.store, path))
                    self.parts, self.before = self.parts + 1, self.before + 1
                    if len(waiting) > 2 * _FOOTERS:
                        self.counts_before += waiting.pop(0).result()
                    continue
                while self._waits_for(workers):
                    self._collect(workers)
                self.held[part.number] = part
                workers.submit(part)
            while self.held:
                self._waits_for(workers)
                self._collect(workers)
            for each in waiting:
                self.counts_before += each.result()

    def _survey_beside(self) -> None:
        """List the source to its end while its first parts are answered, so that time is told."""
        try:
            self.survey = self._list()
        except Exception:  # noqa: BLE001  # what is wrong with the source is told by the other listing
            return

    def _waits_for(self, workers: Workers) -> bool:
        """Send again what workers did not end; return whether none is free for another part."""
        while self.again and workers.free():
            workers.submit(self.again.pop())
        return not workers.free()

    def _collect(self, workers: Workers) -> None:
        """Count the parts that have ended, and note those whose workers ended.

        Raises:
            PartEndsWorkers: a part ended several.
        """
        self.lock.check(self.out.address)
        for each in workers.wait(_TELL_S):
            part = each.part
            if isinstance(each.result, Exception):
                raise each.result
            if each.result is not None:
                self.counts += each.result
                self.parts += 1
                self.ended.pop(part.number, None)
                del self.held[part.number]
                continue
            self.ended[part.number] += 1
            if self.ended[part.number] >= _ATTEMPTS:
                name = part.units[0].name or part.units[0].at
                raise PartEndsWorkers(name, part.images, _ATTEMPTS)
            self.again.append(part)
        self._tell(workers.waits_for())

    def _tell(self, waiting: str = "") -> None:
        survey = self.survey
        known = survey is not None and not survey.unknown
        self.on_progress(
            Progress(
                counts=self.counts,
                parts=self.parts,
                before=self.before,
                total_parts=survey.parts if survey else None,
                to_answer=self.missing if known else None,
                seconds=time.monotonic() - self.started,
                waiting=waiting,
            )
        )

    def end(self, model: str) -> Summary:
        """Write the counts of all answers.

        Raises:
            SourceChanged: the source was listed twice, not with the same result.
        """
        if self.survey is not None and self.survey.fingerprint != self.totals.fingerprint:
            raise SourceChanged(self.source.address, "it was written to while it was read")
        both = self.counts_before + self.counts
        summary = Summary(
            images=both.images, failed=both.failed, failures=both.failures, parts=self.parts,
            answered=self.counts.images, seconds=round(time.monotonic() - self.started, 3),
            model=model, answers=self.out.answers,
        )  # fmt: skip
        if self.out.counts() is None:
            self.out.end(Ending(both, self.parts, self.totals.fingerprint))
        self.out.remove_partials()
        self._tell()
        return summary
