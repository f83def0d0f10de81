import hashlib
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shufflenet.files import cache_dir
from shufflenet.files.downloads import download
from sites import (
    BODY,
    PIECE,
    SHA256,
    WRONG_SHA256,
    Site,
    body,
    by_hand,
    cut,
    files,
    home,
    late,
    refused,
    running,
    status,
    weights,
    whole,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return home(tmp_path, monkeypatch)


@pytest.fixture
def site() -> Iterator[Site]:
    with running() as server:
        yield server


@pytest.mark.parametrize(
    "known",
    [
        {"sha256": SHA256, "bytes": len(BODY)},
        {"sha256": SHA256[:8].upper()},
        {"md5": hashlib.md5(BODY).hexdigest()},
    ],
)
def test_a_file_is_brought_once(site: Site, folder: Path, known: dict[str, str]) -> None:
    wanted = weights(url=site.url, **known)
    assert download(wanted) == folder / "m.pth"
    assert (folder / "m.pth").read_bytes() == BODY
    assert files(folder) == ["m.pth"]
    assert download(wanted) == folder / "m.pth"
    assert site.ranges == [None]


def test_progress_counts_the_bytes_on_disk(site: Site) -> None:
    site.answers = [cut(PIECE + 1)]
    seen: list[tuple[int, int | None]] = []
    wanted = weights(url=site.url, sha256=SHA256)
    download(wanted, on_progress=lambda done, total: seen.append((done, total)))
    assert {total for _, total in seen} == {len(BODY)}
    counts = [done for done, _ in seen]
    assert counts == sorted(counts)
    assert counts[-1] == len(BODY)


def test_equal_filenames_of_two_sources_do_not_meet(site: Site) -> None:
    one = download(weights(url=site.url, sha256=SHA256))
    other = download(weights(name="net.other", url=site.url, sha256=SHA256))
    assert one != other


def test_the_cache_is_the_users_unless_the_environment_names_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert cache_dir() == tmp_path / "home"
    monkeypatch.setenv("SHUFFLENET_HOME", "here")
    assert cache_dir() == Path.cwd() / "here"
    monkeypatch.delenv("SHUFFLENET_HOME")
    assert "shufflenet" in str(cache_dir())


def test_a_file_without_a_published_hash_is_accepted_and_its_hash_logged(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        download(weights(url=site.url))
    told = f"No hash of 'net.source' is published; this file has the sha256 {SHA256}."
    assert caplog.messages == [told, told]
    assert site.ranges == [None]


# What a person fetches, and what may not be fetched


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {}])
def test_a_file_that_a_person_put_there_is_used(folder: Path, known: dict[str, str]) -> None:
    refused(
        weights(**known),
        "The weights 'net.source' must be downloaded by hand, and the cached file is missing. "
        f"To go on, {by_hand(folder)}",
    )
    folder.mkdir(parents=True)
    (folder / "m.pth").write_bytes(BODY)
    assert download(weights(**known)) == folder / "m.pth"


@pytest.mark.parametrize(
    ("known", "fault"),
    [
        ({"bytes": 9}, "has 5 of 9 bytes"),
        ({"bytes": 3}, "is larger than 3 bytes"),
        ({"sha256": "abc"}, f"has the sha256 {WRONG_SHA256}, not abc"),
        ({"md5": "abc"}, f"has the md5 {hashlib.md5(b'wrong').hexdigest()}, not abc"),
    ],
)
def test_a_wrong_file_that_a_person_put_there_is_refused_and_kept(
    folder: Path, known: dict[str, str], fault: str
) -> None:
    folder.mkdir(parents=True)
    (folder / "m.pth").write_bytes(b"wrong")
    refused(
        weights(**known),
        f"The weights 'net.source' must be downloaded by hand, and the cached file {fault}. "
        f"To go on, {by_hand(folder)}",
    )
    assert files(folder) == ["m.pth"]


def test_offline_the_cache_still_works_and_nothing_else(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "1")
    wanted = weights(url=site.url, sha256=SHA256)
    refused(
        wanted,
        "The weights 'net.source' are not downloaded while SHUFFLENET_OFFLINE is set, and the "
        f"cached file is missing. Unset it, or {by_hand(folder, site.url)}",
    )
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "0")
    download(wanted)
    monkeypatch.setenv("SHUFFLENET_OFFLINE", "1")
    assert download(wanted).read_bytes() == BODY
    assert len(site.ranges) == 1


def test_a_cached_file_that_was_damaged_is_brought_again(site: Site, folder: Path) -> None:
    wanted = weights(url=site.url, sha256=SHA256)
    download(wanted).write_bytes(b"damaged")
    assert download(wanted).read_bytes() == BODY
    assert files(folder) == ["m.pth"]


@pytest.mark.parametrize("scheme", ["ftp", "file", ""])
def test_only_web_links_are_followed(folder: Path, scheme: str) -> None:
    url = f"{scheme}://example.org/m.pth"
    refused(
        weights(url=url),
        f"The weights 'net.source' could not be downloaded from {url!r}: {scheme!r} is neither "
        f"http nor https. To go on, {by_hand(folder, url)}",
    )


# Transfers that end early


def test_an_interrupted_download_is_continued(site: Site, folder: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    wanted = weights(url=site.url, sha256=SHA256)
    with pytest.raises(KeyboardInterrupt):
        download(wanted, on_progress=interrupt)
    assert (folder / "m.pth.partial").read_bytes() == BODY[:PIECE]
    assert download(wanted).read_bytes() == BODY
    assert site.ranges == [None, f"bytes={PIECE}-"]
    assert files(folder) == ["m.pth"]


def test_a_transfer_cut_short_is_continued_in_the_same_call(site: Site, folder: Path) -> None:
    site.answers = [cut(1000), status(503)]
    download(weights(url=site.url, sha256=SHA256))
    assert site.ranges == [None, "bytes=1000-", "bytes=1000-"]
    assert files(folder) == ["m.pth"]


def test_a_body_of_unannounced_length_cut_short_is_continued(site: Site) -> None:
    site.answers = [body(BODY[:1000], length=-1)]
    download(weights(url=site.url, sha256=SHA256, bytes=len(BODY)))
    assert site.ranges == [None, "bytes=1000-"]


def test_without_a_hash_nothing_is_resumed_or_kept(site: Site, folder: Path) -> None:
    site.answers = [cut(1000)]
    assert download(weights(url=site.url)).read_bytes() == BODY
    assert site.ranges == [None, None]
    (folder / "m.pth").unlink()

    def interrupted(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(weights(url=site.url), on_progress=interrupted)
    assert files(folder) == []


def test_a_server_without_ranges_sends_all_again(site: Site, folder: Path) -> None:
    site.answers = [cut(1000), whole]
    assert download(weights(url=site.url, sha256=SHA256)).read_bytes() == BODY
    assert site.ranges == [None, "bytes=1000-"]


@pytest.mark.parametrize("known", [{}, {"bytes": len(BODY)}])
@pytest.mark.parametrize("left", [b"another file", b"x" * len(BODY), BODY + b"too long"])
def test_the_rest_of_another_file_is_not_believed(
    site: Site, folder: Path, left: bytes, known: dict[str, int]
) -> None:
    folder.mkdir(parents=True)
    (folder / "m.pth.partial").write_bytes(left)
    assert download(weights(url=site.url, sha256=SHA256, **known)).read_bytes() == BODY
    assert site.ranges[-1] is None


def test_a_partial_file_that_was_complete_needs_only_its_name(site: Site, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "m.pth.partial").write_bytes(BODY)
    download(weights(url=site.url, sha256=SHA256, bytes=len(BODY)))
    assert site.ranges == []
    assert files(folder) == ["m.pth"]


def test_a_transfer_that_keeps_failing_is_reported_and_its_part_kept(
    site: Site, folder: Path
) -> None:
    site.answers = [cut(1000), cut(2000), cut(3000)]  # none of which heeds the range
    refused(
        weights(url=site.url, sha256=SHA256),
        f"The weights 'net.source' could not be downloaded from {site.url!r}: the transfer ended "
        f"after 3000 of 204800 bytes. Run the command again later, or {by_hand(folder, site.url)}",
    )
    assert files(folder) == ["m.pth.partial"]


def test_threads_that_want_the_same_file_download_it_once(site: Site) -> None:
    site.answers = [late]
    wanted = weights(url=site.url, sha256=SHA256)
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(download, [wanted] * 4))
    assert all(path.read_bytes() == BODY for path in paths)
    assert site.ranges == [None]


def test_processes_that_want_the_same_file_download_it_once(site: Site, folder: Path) -> None:
    code = f"from sites import *; download(weights(url={site.url!r}, sha256=SHA256))"
    site.answers = [late]
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, cwd=Path(__file__).parent) for _ in range(2)]
    assert [process.wait(300) for process in started] == [0, 0]
    assert site.ranges == [None]
    assert files(folder) == ["m.pth"]


def test_a_process_that_was_killed_holds_nobody_up(site: Site, folder: Path) -> None:
    code = (
        "import os; from sites import *;"
        f"wanted = weights(url={site.url!r}, sha256=SHA256);"
        "download(wanted, on_progress=lambda done, total: os.kill(os.getpid(), 9))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, check=False)
    assert files(folder) == ["m.pth.partial"]
    assert download(weights(url=site.url, sha256=SHA256)).read_bytes() == BODY
