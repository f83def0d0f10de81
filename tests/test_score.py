import io
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest
from filelock import FileLock
from PIL import Image

import shufflenet
from conftest import Run, take_away
from seeded import photo
from shufflenet.data import label_as, open_images
from shufflenet.data.parts import Limits, Part, cut, open_source
from shufflenet.errors import (
    AnswersUnreadable,
    ImageError,
    MissingDependency,
    NoImages,
    OtherJob,
    OutNotEmpty,
    OutUsed,
    PartEndsWorkers,
    SourceChanged,
    SpecError,
    WebForbidden,
    WriteError,
)
from shufflenet.evaluate import evaluate
from shufflenet.files.stores import LocalStore
from shufflenet.preprocess import resize_and_crop
from shufflenet.runtimes import Opening
from shufflenet.score import Counts, Job, Progress, Summary, score
from shufflenet.score import _child as child  # a worker's process
from shufflenet.score import _processes as processes  # which module a worker runs
from shufflenet.score import _run as running  # what starts workers, which a test replaces
from shufflenet.score import _scorer as scorer  # what a worker calls, which a test replaces
from shufflenet.score._answers import count  # what a worker counts
from shufflenet.score._job import Task  # what workers are given
from shufflenet.score._model_files import hash_files, place_files, read_files  # of models
from shufflenet.score._processes import Processes  # likewise
from shufflenet.score._scorer import Scorer  # a worker's work
from shufflenet.score._silence import SILENT_S  # after which one is ended
from shufflenet.score._workers import Ended  # what workers return
from shufflenet.spec import Preprocess
from shufflenet.zoo import find_weights

SMALL = Limits(images=4)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Eleven images, one of a name of two lines, and two that are none."""
    folder = tmp_path / "in"
    for name in (*(f"{number}.png" for number in range(10)), "a/two\nlines.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(name, 40, 52)).save(folder / name)
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no image")
    return folder


def job(source: Path | str, out: Path | str, **changes: Any) -> Job:  # noqa: ANN401  # fields
    fields: dict[str, Any] = {"runtime": "onnxruntime", "workers": 1, "limits": SMALL}
    return Job(str(source), str(out), **fields | changes)


def rows(out: Path) -> dict[str, dict[str, Any]]:
    table = pyarrow.dataset.dataset(out / "answers").to_table()
    assert table.num_rows == len(set(table["path"].to_pylist()))
    return {row.pop("path"): row for row in table.to_pylist()}


def test_every_image_is_answered_as_predict_answers_it(
    source: Path, tmp_path: Path, run: Run
) -> None:
    code, output, _ = run(
        "score",
        source,
        "--out",
        tmp_path / "out",
        "--json",
        "--top",
        3,
        "--runtime",
        "onnxruntime",
        "--workers",
        1,
    )
    assert code == 0
    summary = json.loads(output)
    assert (summary["images"], summary["failed"], summary["parts"]) == (13, 2, 1)
    assert summary["failures"] == {"it is empty or not an image": 2}
    answered = rows(tmp_path / "out")
    _, output, _ = run("predict", source, "--json", "--top", 3, "--runtime", "onnxruntime")
    predicted = [json.loads(line) for line in output.splitlines()]
    assert {str(source / path) for path in answered} == {each["path"] for each in predicted}
    for each in predicted:
        row = answered[str(Path(each["path"]).relative_to(source))]
        found = each.get("predictions", [])
        assert (row["index"] or []) == [one["index"] for one in found]
        assert (row["label"] or []) == [one["label"] for one in found]
        assert (row["probability"] or []) == pytest.approx([p["probability"] for p in found], 1e-4)
        assert (row["error"] is None) == ("predictions" in each)
    counts = json.loads((tmp_path / "out" / "counts.json").read_text())
    assert (counts["images"], counts["failed"]) == (13, 2)
    assert json.loads((tmp_path / "out" / "card.json").read_text())["name"] == summary["model"]


@pytest.mark.parametrize(("columns", "width"), [("logits", 200), ("embeddings", 1024)])
def test_logits_and_embeddings_are_written_too(
    columns: str, width: int, source: Path, tmp_path: Path
) -> None:
    score(job(source, tmp_path / "out", columns=columns, limits=Limits()))
    found = rows(tmp_path / "out")
    assert {len(row[columns]) for row in found.values() if row["error"] is None} == {width}
    assert found["empty.jpg"][columns] is None
    if columns == "logits":
        logits = shufflenet.open_model(runtime="onnxruntime", threads=1).classify(source / "0.png")
        assert max(found["0.png"]["logits"]) == found["0.png"]["logits"][logits[0][0].index]


def test_a_second_run_answers_what_is_missing_and_nothing_else(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    told: list[Progress] = []
    first = score(job(source, out), told.append)
    assert (first.images, first.answered, first.parts) == (13, 13, 4)
    assert told[-1].counts.images == 13
    assert told[-1].to_answer in (None, 13)  # None if the listing beside has not ended yet
    before = rows(out)
    assert score(job(source, out)).answered == 0
    files = sorted((out / "answers").iterdir())
    times = {file: file.stat().st_mtime_ns for file in files}
    files[1].unlink()
    again = score(job(source, out))
    assert (again.images, again.answered, again.failed) == (13, 4, 2)
    assert rows(out) == before
    assert {f for f in files if f.stat().st_mtime_ns != times[f]} == {files[1]}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"top": 3}, "top"),
        ({"columns": "logits"}, "columns"),
        ({"batch": 4}, "batch"),
        ({"limits": Limits(images=5)}, "images in a part"),
        ({"runtime": "openvino"}, "runtime"),
    ],
)
def test_other_arguments_are_refused(
    change: dict[str, Any], word: str, source: Path, tmp_path: Path
) -> None:
    started(source, tmp_path / "out")
    with pytest.raises(OtherJob, match=word):
        score(job(source, tmp_path / "out", **change))


def started(source: Path, out: Path) -> None:
    """Leave what a run leaves that ended before its first answer."""

    class _Ends(Exception):
        pass

    def none(task: Task, number: int) -> Processes:
        raise _Ends

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "Processes", none)
        with pytest.raises(_Ends):
            score(job(source, out))


def test_another_model_or_source_is_refused(source: Path, tmp_path: Path) -> None:
    started(source, tmp_path / "out")
    copy = tmp_path / "copy.onnx"
    shipped = find_weights("default").onnx
    assert shipped
    copy.write_bytes(shipped.read_bytes())
    started(source, tmp_path / "out")  # the same again
    noted = json.loads((tmp_path / "out" / "job.json").read_text())
    (tmp_path / "out" / "job.json").write_text(json.dumps(noted | {"sha256": "0"}))
    with pytest.raises(OtherJob, match="content of the model"):
        score(job(source, tmp_path / "out", model=copy))
    with pytest.raises(OtherJob, match="source"):
        score(job(source / "a", tmp_path / "out"))


@pytest.mark.parametrize("change", ["add", "remove", "rewrite"])
def test_a_changed_source_is_refused_before_anything_is_answered(
    change: str, source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    score(job(source, out))
    sorted((out / "answers").iterdir())[0].unlink()
    before = sorted((out / "answers").iterdir())
    if change == "add":
        (source / "new.jpg").touch()
    elif change == "remove":
        (source / "9.png").unlink()
    else:
        (source / "9.png").write_bytes(b"other")
    with pytest.raises(SourceChanged):
        score(job(source, out))
    assert sorted((out / "answers").iterdir()) == before


def test_a_folder_that_is_no_jobs_is_left_alone(source: Path, tmp_path: Path) -> None:
    with pytest.raises(OutNotEmpty, match="0.png|a"):
        score(job(source, source))
    with pytest.raises(WriteError):
        score(job(source, source / "0.png"))
    assert not (source / "job.json").exists()
    score(job(source, tmp_path / "out"))
    (tmp_path / "out" / "job.json").write_text("{")
    with pytest.raises(AnswersUnreadable):
        score(job(source, tmp_path / "out"))


def test_a_source_without_images_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(NoImages):
        score(job(tmp_path / "in", tmp_path / "out"))
    (tmp_path / "a.csv").write_text("path\n")
    with pytest.raises(NoImages):
        score(job(tmp_path / "a.csv", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_two_runs_in_one_folder_are_refused_and_a_dead_one_is_not(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    held = FileLock(out / ".lock")
    with held, pytest.raises(OutUsed):
        score(job(source, out))
    (out / ".lock").touch()  # as one leaves that was killed
    assert score(job(source, out)).images == 13


class Crashing:
    """Workers of which those that take a part of a number end, so many times."""

    def __init__(self, real: Processes, number: int, times: int) -> None:
        self._real, self._number, self.left = real, number, times
        self._lost: list[Part] = []

    def free(self) -> bool:
        return self._real.free()

    def submit(self, part: Part) -> None:
        if part.number == self._number and self.left:
            self.left -= 1
            self._lost.append(part)
        else:
            self._real.submit(part)

    def wait(self, seconds: float) -> list[Ended]:
        lost, self._lost = [Ended(part, None) for part in self._lost], []
        return lost or list(self._real.wait(seconds))

    def waits_for(self) -> str:
        return self._real.waits_for()

    def close(self) -> None:
        self._real.close()


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    def crash(number: int, times: int) -> None:
        monkeypatch.setattr(
            running, "Processes", lambda task, n: Crashing(Processes(task, n), number, times)
        )

    return crash


def test_a_part_whose_worker_ended_is_given_to_another(
    crashing: Callable[[int, int], None], source: Path, tmp_path: Path
) -> None:
    crashing(1, 2)
    assert score(job(source, tmp_path / "out")).images == 13
    assert len(rows(tmp_path / "out")) == 13


def test_a_part_that_ends_every_worker_is_named(
    crashing: Callable[[int, int], None], source: Path, tmp_path: Path
) -> None:
    crashing(3, 99)
    with pytest.raises(PartEndsWorkers, match="text.png"):
        score(job(source, tmp_path / "out"))
    assert len(rows(tmp_path / "out")) == 12
    crashing(3, 0)
    assert score(job(source, tmp_path / "out")).answered == 1


def test_what_killed_workers_left_of_answered_parts_is_removed(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    score(job(source, out))
    (answers := out / "answers").joinpath("kept.partial").touch()
    first, *others = sorted(answers.glob("*.parquet"))
    first.with_name(f".{first.name}.0123456789ab.partial").write_bytes(b"PAR1")
    first.with_name(f".part-000000099-{'0' * 16}.parquet.0123456789ab.partial").touch()
    first.unlink()
    assert score(job(source, out)).answered == 4
    kept = {"kept.partial", f".part-000000099-{'0' * 16}.parquet.0123456789ab.partial"}
    assert {each.name for each in answers.iterdir()} == {first.name, *kept} | {
        each.name for each in others
    }


def test_parts_of_other_jobs_have_other_names(source: Path, tmp_path: Path) -> None:
    """What a worker of a job writes after that was deleted is not taken for the next one's."""
    for top in (5, 3):
        score(job(source, tmp_path / f"top {top}", top=top))
    names = [each.name for each in tmp_path.glob("top */answers/*.parquet")]
    assert len(set(names)) == len(names) == 8


@pytest.mark.parametrize("address", ["https://127.0.0.1:1/a.jpg", "http://127.0.0.1:1/a.jpg"])
def test_rows_on_the_web_are_refused_at_once_while_nothing_may_be_fetched(
    address: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "a.csv"
    table.write_text(f"path\nin/0.png\n{address}\n")
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "1")
    with pytest.raises(WebForbidden):
        score(job(table, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    table.write_text("path\nin/0.png\n")
    assert score(job(table, tmp_path / "out")).failed == 0


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


_STANDS_IN = """
import pickle, sys, time
from pathlib import Path
task, part = pickle.load(sys.stdin.buffer), pickle.load(sys.stdin.buffer)
while not Path("go").exists():
    time.sleep(0.01)
sys.stdout.buffer.write(pickle.dumps(None))
sys.stdout.buffer.flush()
sys.stdin.buffer.read()
"""


def test_a_worker_of_which_nothing_is_heard_is_ended_and_its_part_comes_back(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stands_in.py").write_text(_STANDS_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(processes, "_CHILD", "stands_in")
    monkeypatch.chdir(tmp_path)
    clock = Clock()
    part = next(cut(open_source(str(source), spool=True).units(), SMALL))
    with closing(Processes(task_of(source, tmp_path / "answers"), 1, clock)) as workers:
        workers.submit(part)
        (worker,) = workers._all
        told = 550.0
        assert passes(clock, workers, told) == []
        Path("go").touch()
        for _ in range(6000):  # its word takes a moment
            assert workers.wait(0.01) == []
            if worker.heard >= told:
                break
        assert passes(clock, workers, told + 550) == []
        clock.now += 3600  # this process was stopped for an hour
        assert workers.wait(0.01) == []
        assert passes(clock, workers, clock.now + 550) == []
        assert passes(clock, workers, clock.now + 100) == [Ended(part, None)]
        assert workers.free()


def passes(clock: Clock, workers: Processes, until: float) -> list[Ended]:
    """Let time pass in steps; return what ends, if anything does, and wait for what was killed."""
    while clock.now < until:
        clock.now += 50
        if ended := list(workers.wait(0.01)):
            return ended
    silent = clock.now - workers._all[0].heard > SILENT_S
    return list(workers.wait(60)) if silent else []


def test_a_worker_that_is_stopped_is_ended_even_if_it_reads_nothing(
    source: Path, tmp_path: Path
) -> None:
    clock = Clock()
    unit = next(open_source(str(source), spool=True).units())
    part = Part(0, "0" * 16, (unit,) * 100_000)  # more than a pipe holds
    with closing(Processes(task_of(source, tmp_path / "answers"), 1, clock)) as workers:
        os.kill(workers._all[0]._process.pid, signal.SIGSTOP)
        workers.submit(part)
        assert passes(clock, workers, 700) == [Ended(part, None)]


def test_a_worker_tells_that_it_works_now_and_then(source: Path, tmp_path: Path) -> None:
    part = next(cut(open_source(str(source), spool=True).units(), SMALL))
    clock, output = Clock(), io.BytesIO()
    tell = child._teller(output, clock)

    def read() -> None:
        tell()
        clock.now += 3

    assert Scorer(task_of(source, tmp_path / "answers")).score(part, read).images == 4
    assert output.getvalue() == pickle.dumps(None) * 2  # at 0 and 6 seconds, not at 3 and 9


def task_of(source: Path, answers: Path, model: Path | None = None) -> Task:
    shipped = model or find_weights("default").onnx
    assert shipped
    sha256 = hash_files(read_files(shipped))
    return Task(
        str(source), LocalStore(), LocalStore(), str(answers),
        Opening(shipped, "onnxruntime", 1), sha256, "predictions", 5, 8,
    )  # fmt: skip


def test_a_worker_that_cannot_write_says_so(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    part = next(cut(open_source(str(source), spool=True).units(), SMALL))
    with pytest.raises(WriteError):
        Scorer(task_of(source, tmp_path / "file")).score(part)


def test_a_worker_refuses_a_model_that_was_written_again(source: Path, tmp_path: Path) -> None:
    """As the checkpoint of a training that goes on is, when a worker is replaced."""
    shipped = find_weights("default").onnx
    assert shipped
    model = tmp_path / "model.onnx"
    model.write_bytes(shipped.read_bytes())
    task = task_of(source, tmp_path / "answers", model)
    Scorer(task)
    model.write_bytes(shipped.read_bytes() + b"\x7a\x00")  # an empty field: it opens as before
    with pytest.raises(OtherJob, match="content of the model"):
        Scorer(task)


def test_a_worker_imports_nothing_from_the_working_directory(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    assert score(job(source, tmp_path / "out")).images == 13


class _Odd(Exception):
    """An error of a library that can be written by pickle, but not read."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def test_errors_that_cannot_be_sent_are_sent_as_their_text() -> None:
    sent, same = (
        pickle.loads(child._pickled(error))  # noqa: S301  # as the process does that gets it
        for error in (_Odd("a", "b"), NoImages("in"))
    )
    assert isinstance(sent, RuntimeError)
    assert str(sent) == "_Odd: a b"
    assert isinstance(same, NoImages)


def test_a_run_that_ended_before_its_card_was_written_is_continued(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write = LocalStore.write

    def ends_after_one(store: LocalStore, path: str, content: bytes) -> None:
        if any(out.glob("*.json")):
            raise WriteError(path, "the disk is full")
        write(store, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "write", ends_after_one)
        with pytest.raises(WriteError):
            score(job(source, out))
    assert score(job(source, out)).images == 13
    assert {each.name for each in out.glob("*.json")} == {"card.json", "counts.json", "job.json"}


def test_a_job_that_has_ended_opens_no_file_of_answers_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it start workers; a file that was removed is answered again all the same."""
    out = tmp_path / "out"
    first = score(job(source, out))
    with monkeypatch.context() as patch:
        patch.delattr(running, "read_counts")
        patch.delattr(running, "Processes")
        again = score(job(source, out))
    assert replace(again, seconds=0, answered=13) == replace(first, seconds=0)
    next((out / "answers").glob("*.parquet")).unlink()
    assert score(job(source, out)).failures == first.failures
    (out / "counts.json").write_text('{"images": "13"}')
    with pytest.raises(AnswersUnreadable, match="counts.json"):
        score(job(source, out))


def test_an_image_for_which_there_is_no_memory_costs_its_own_row(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails_once(image: Image.Image, how: Preprocess) -> object:
        monkeypatch.setattr(scorer, "resize_and_crop", resize_and_crop)
        raise MemoryError

    monkeypatch.setattr(scorer, "resize_and_crop", fails_once)
    part = next(cut(open_source(str(source), spool=True).units(), SMALL))
    counts = Scorer(task_of(source, tmp_path / "answers")).score(part)
    assert counts == Counts(4, 1, {"there is not enough memory to decode it": 1})


@pytest.mark.parametrize("copy", ["{} (1).parquet", "copy of {}.parquet"])
def test_a_copy_of_answers_is_refused_for_its_rows_would_be_read_twice(
    copy: str, source: Path, tmp_path: Path
) -> None:
    score(job(source, tmp_path / "out"))
    first = sorted((tmp_path / "out" / "answers").iterdir())[0]
    first.with_name(copy.format(first.stem)).write_bytes(first.read_bytes())
    with pytest.raises(AnswersUnreadable, match="Delete it"):
        score(job(source, tmp_path / "out"))


def test_a_full_disk_is_one_sentence_and_what_is_written_stays(
    source: Path, tmp_path: Path
) -> None:
    """The shell bounds the size of every file that is written."""
    if sys.platform == "win32":
        pytest.skip("a shell of Unix")
    command = [sys.executable, "-m", "shufflenet", "score", str(source), "--columns", "embeddings"]
    command += ["--out", str(tmp_path / "out"), "--runtime", "onnxruntime", "--workers", "1"]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 24; exec "$@"', "bash", *command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Cannot write ")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "out" / "job.json").exists()


@pytest.mark.parametrize("name", ["model.onnx", "model.xml"])
def test_a_model_is_taken_along_to_where_its_files_are_not(
    name: str, tmp_path: Path, own_cache: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(b"a model")
    path.with_suffix(".bin").write_bytes(b"weights")
    contents = read_files(path)
    assert set(contents) == ({"model.xml", "model.bin"} if name == "model.xml" else {name})
    opening, sha256 = Opening(path), hash_files(contents)
    assert place_files(opening, sha256, {}) is opening
    path.write_bytes(b"another")
    placed = place_files(opening, sha256, contents)
    assert placed.path.is_relative_to(own_cache)
    assert read_files(placed.path) == contents
    assert place_files(opening, sha256, {}) == placed


def test_reasons_are_counted_without_what_differs() -> None:
    errors = [ImageError(str(n), f"it has {n} x 70000 pixels") for n in range(30)]
    assert count(errors).failures == {"it has N x N pixels": 30}
    many = Counts()
    for letter in "abcdefghijklmnopqrstuvwxyz":
        many += Counts(1, 1, {letter: 1})
    assert len(many.failures) <= 20
    assert sum(many.failures.values()) == 26


@pytest.mark.parametrize(
    "change", [{"columns": "all"}, {"top": 0}, {"batch": 0}, {"workers": 0}], ids=str
)
def test_impossible_jobs_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        job("in", "out", **change)


def test_a_missing_pyarrow_is_told_with_the_extra(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away("pyarrow", monkeypatch)
    room = import_module("shufflenet.score")
    with pytest.raises(MissingDependency, match=r"shufflenet\[score\]"):
        room.score(room.Job(str(source), str(tmp_path / "out")))


def test_people_are_told_what_could_not_be_read(source: Path, tmp_path: Path, run: Run) -> None:
    words = ("score", source, "--out", tmp_path / "out", "--runtime", "onnxruntime", "--workers", 1)
    code, output, notes = run(*words)
    assert code == 0
    assert output == f"{tmp_path / 'out' / 'answers'}: 13 images in 1 files\n"
    assert "2 could not be read; the column 'error' says why:" in notes
    assert "  2  it is empty or not an image" in notes
    code, _, notes = run(*words)
    assert code == 0
    assert "All of them were answered before." in notes


def test_the_validation_images_get_the_counts_of_evaluate(real_data: Path, tmp_path: Path) -> None:
    """Of the first 200 of them; docs/scoring.md does it with all."""
    archive = real_data / "tiny-imagenet-200.val.tar.gz"
    if not archive.exists():
        pytest.skip("the validation images are not there")
    model = shufflenet.open_model(runtime="onnxruntime", threads=1)
    images = label_as(open_images(str(archive)), model.card.labels)
    chosen = replace(images, samples=images.samples[:200])
    counted = evaluate(model, chosen)
    names = [sample.name for sample in chosen.samples]
    listed = tmp_path / "in"
    for name, sample in zip(names, chosen.samples, strict=True):
        (listed / name).parent.mkdir(parents=True, exist_ok=True)
        (listed / name).write_bytes(sample.read())
    summary: Summary = score(job(listed, tmp_path / "out", limits=Limits()))
    ids = [label.id for label in model.card.labels]
    top1 = top5 = 0
    for path, row in rows(tmp_path / "out").items():
        label = ids.index(Path(path).parent.name)
        top1 += row["index"][0] == label
        top5 += label in row["index"]
    assert (summary.images, top1, top5) == (counted.images, counted.top1, counted.top5)
