"""``shufflenet sort``: every photo once, in the folder of its answer, whatever lies there."""

import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import SPECS, Run, calmed, card_for, with_seeded_weights
from seeded import photo
from shufflenet.errors import ImageError, WriteError
from shufflenet.labels import file_name
from shufflenet.models import save
from shufflenet.networks import build
from shufflenet.runtimes import Prediction
from shufflenet.sort import Placed, Sorter, Way
from shufflenet.spec import Label

CAT = Prediction(0, "cat", 0.9)
LABELS = (Label("0", "cat"), Label("1", "dog"))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def sort(run: Run, *arguments: object) -> dict[str, Any]:
    code, out, err = run("sort", *arguments, "--json")
    assert code == 0, err
    answer: dict[str, Any] = json.loads(out)
    return answer


def test_photos_lie_in_the_folder_of_their_answer(
    run: Run, class_folders: Path, tmp_path: Path
) -> None:
    before, to = files(class_folders), tmp_path / "sorted"
    answer = sort(run, class_folders, "--to", to)
    assert (answer["images"], answer["added"], answer["failed"]) == (24, 24, 0)
    out = run("predict", class_folders, "--json", "--top", 1)[1]
    expected: dict[str, int] = {}
    for line in out.splitlines():
        label = file_name(json.loads(line)["predictions"][0]["label"])
        expected[label] = expected.get(label, 0) + 1
    assert answer["folders"] == expected
    assert {name: len(list((to / name).iterdir())) for name in expected} == expected
    assert files(class_folders) == before
    # Files of one name, from three folders, are all there.
    assert sorted(files(to).values()) == sorted(before.values())


@pytest.mark.parametrize("way", [(), ("--copy",), ("--link",)])
def test_a_second_run_adds_what_is_missing_and_nothing_else(
    way: tuple[str, ...], run: Run, class_folders: Path, tmp_path: Path
) -> None:
    to = tmp_path / "sorted"
    arguments = (class_folders, "--to", to, *way)
    sort(run, *arguments)
    first = files(to)
    times = {path: path.lstat().st_mtime_ns for path in to.rglob("*")}
    again = sort(run, *arguments)
    assert (again["added"], again["present"]) == (0, 24)
    assert {path: path.lstat().st_mtime_ns for path in to.rglob("*")} == times
    lost = to / next(iter(first))
    lost.unlink()
    Image.fromarray(photo("new", 40, 48)).save(class_folders / "red" / "0 new.png")
    again = sort(run, *arguments)
    assert (again["added"], again["present"]) == (2, 23)
    assert first.items() <= files(to).items()


def test_how_photos_are_put(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"photo")
    ways: tuple[Way, ...] = ("hard", "symbolic", "copy")
    for way in ways:
        placed = Sorter(tmp_path / way, LABELS, way=way).place(path, CAT)
        assert placed.is_new
        assert placed.path == tmp_path / way / "cat" / "a.jpg"
        assert placed.path.read_bytes() == b"photo"
        assert placed.path.is_symlink() == (way == "symbolic")
        assert placed.path.samefile(path) == (way != "copy")
    path.unlink()
    assert (tmp_path / "hard" / "cat" / "a.jpg").read_bytes() == b"photo"


def _refuse(*arguments: object) -> None:
    raise OSError(18, "Invalid cross-device link")


def test_where_there_are_no_hard_links_photos_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", _refuse)
    path = tmp_path / "a.jpg"
    path.write_bytes(b"photo")
    placed = Sorter(tmp_path / "to", LABELS).place(path, CAT)
    assert placed.path.read_bytes() == b"photo"
    assert not placed.path.samefile(path)
    assert not Sorter(tmp_path / "to", LABELS).place(path, CAT).is_new


def test_files_of_others_stay(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(name.encode())
    (tmp_path / "to" / "cat").mkdir(parents=True)
    (tmp_path / "to" / "cat" / "a.jpg").write_bytes(b"mine")
    (tmp_path / "to" / "cat" / "a-2.jpg").symlink_to("nowhere")
    (tmp_path / "to" / "cat" / "a-3.jpg").mkdir()
    for _ in range(2):
        sorter = Sorter(tmp_path / "to", LABELS)
        names = [sorter.place(tmp_path / name / "a.jpg", CAT).path.name for name in ("one", "two")]
        assert names == ["a-4.jpg", "a-5.jpg"]
    assert (tmp_path / "to" / "cat" / "a.jpg").read_bytes() == b"mine"


@given(st.lists(st.sampled_from([b"x", b"y", b"z"]), min_size=1, max_size=5))
@settings(max_examples=20)  # each writes files
def test_copies_of_one_photo_are_as_many_as_there_were(contents: list[bytes]) -> None:
    with TemporaryDirectory() as name:
        folder, photos = Path(name), []
        for number, content in enumerate(contents):
            photos.append(folder / str(number) / "a.jpg")
            photos[-1].parent.mkdir()
            photos[-1].write_bytes(content)
        for is_new in (True, False):
            sorter = Sorter(folder / "to", LABELS, way="copy")
            placed = [sorter.place(path, CAT) for path in photos]
            assert {each.is_new for each in placed} == {is_new}
            assert [each.path.read_bytes() for each in placed] == contents
            assert len({each.path for each in placed}) == len(contents)


def test_unsure_answers_are_apart(run: Run, class_folders: Path, tmp_path: Path) -> None:
    to = tmp_path / "sorted"
    answer = sort(run, class_folders, "--to", to, "--unsure", 1)
    assert answer["unsure"] == answer["folders"]["unsure"] > 0
    assert len(list((to / "unsure").iterdir())) == answer["unsure"]
    for wrong in ("-1", "2", "nan", "x"):
        with pytest.raises(SystemExit) as ended:
            run("sort", class_folders, "--to", to, "--unsure", wrong)
        assert ended.value.code == 2


def test_labels_of_any_characters_make_folders_inside(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    names = ("../../up", "/etc/x", "..", "unsure", "Cat", "cat", "nul")
    labels = tuple(Label(str(i), name) for i, name in enumerate(names))
    folders = [
        Sorter(tmp_path / "to", labels, unsure=0.5).place(
            photos / "a.jpg", Prediction(i, name, 0.9)
        )
        for i, name in enumerate(names)
    ]
    assert [each.folder for each in folders] == [
        "_._.._up", "_etc_x", "__", "unsure-2", "Cat", "cat-2", "_nul",
    ]  # fmt: skip
    assert all(each.path.parent.parent == tmp_path / "to" for each in folders)
    net = calmed(with_seeded_weights(build(replace(SPECS["shufflenet_v2_x0_25"], classes=1))))
    path = tmp_path / "net.safetensors"
    save(net.eval(), path, labels=labels[:1], preprocess=card_for(net.spec).preprocess)
    answer = sort(run, photos, "--to", tmp_path / "one", "--model", path)  # of one class
    assert answer["folders"] == {"_._.._up": 3}


def test_what_cannot_be_read_is_listed(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "bad.png").write_bytes(b"no image")
    code, out, err = run("sort", photos, tmp_path / "none", "--to", tmp_path / "to", "--json")
    assert code == 1
    answer = json.loads(out)
    assert (answer["images"], answer["failed"]) == (3, 2)
    assert [Path(each["path"]).name for each in answer["unreadable"]] == ["bad.png", "none"]
    assert all("Cannot read" in each["error"] for each in answer["unreadable"])
    assert "bad.png" in err
    empty = tmp_path / "empty"
    empty.mkdir()
    code, out, err = run("sort", empty, "--to", tmp_path / "to")
    assert code == 1
    assert "no image can be found" in err


def test_photos_may_be_sorted_where_they_are(run: Run, photos: Path) -> None:
    first = sort(run, photos, "--to", photos)
    assert first["added"] == 3
    again = sort(run, photos, "--to", photos)
    assert (again["added"], again["present"]) == (0, 3)
    _, _, err = run("sort", photos, "--to", photos)
    assert f"3 of 6 images are passed over: they lie in a folder of answers in '{photos}'." in err


def test_a_folder_that_cannot_be_written_is_told(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "to").touch()
    code, out, err = run("sort", photos, "--to", tmp_path / "to")
    assert (code, out) == (1, "")
    assert "Cannot write" in err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cat").touch()
    with pytest.raises(WriteError):
        Sorter(tmp_path / "other", LABELS).place(photos / "a.jpg", CAT)


@pytest.mark.parametrize("content", [b"another's", b"photo"])
@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize("way", ["hard", "copy", "symbolic"])
def test_what_another_process_puts_there_meanwhile_stays(
    way: Way, has_links: bool, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, taken = tmp_path / "a.jpg", tmp_path / "to" / "cat" / "a.jpg"
    path.write_bytes(b"photo")
    lexists = os.path.lexists

    def come_between(place: Path) -> bool:
        if is_there := lexists(place):
            return is_there
        if place == taken:
            taken.parent.mkdir(parents=True)
            taken.write_bytes(content)
        return False

    monkeypatch.setattr(os.path, "lexists", come_between)
    if not has_links:
        monkeypatch.setattr(os, "link", _refuse)
    placed = Sorter(tmp_path / "to", LABELS, way=way).place(path, CAT)
    is_other = content != b"photo"  # and otherwise the same run's twin, which sorts the same photos
    assert placed.path.name == ("a-2.jpg" if is_other else "a.jpg")
    assert placed.is_new == is_other
    assert placed.path.read_bytes() == b"photo"
    assert taken.read_bytes() == content
    assert len(list(taken.parent.iterdir())) == 1 + is_other


@pytest.mark.parametrize("way", ["hard", "copy", "symbolic"])
def test_a_photo_that_is_gone_is_told_as_such(way: Way, tmp_path: Path) -> None:
    gone = tmp_path / "gone.jpg"
    (tmp_path / "to" / "cat").mkdir(parents=True)
    (tmp_path / "to" / "cat" / "there.jpg").write_bytes(b"mine")
    sorter = Sorter(tmp_path / "to", LABELS, way=way)
    for photo_path in (gone, tmp_path / "there.jpg"):
        with pytest.raises(ImageError, match="Cannot read .* as an image: No such file"):
            sorter.place(photo_path, CAT)
    assert [each.name for each in (tmp_path / "to" / "cat").iterdir()] == ["there.jpg"]


def test_a_photo_that_vanishes_does_not_end_the_run(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Sorter.place

    def vanish(self: Sorter, photo_path: Path, answer: Prediction) -> Placed:
        if photo_path.name == "b.png":
            photo_path.unlink()
        return place(self, photo_path, answer)

    monkeypatch.setattr(Sorter, "place", vanish)
    code, out, err = run("sort", photos, "--to", tmp_path / "to", "--json")
    answer = json.loads(out)
    assert code == 1
    assert [Path(each["path"]).name for each in answer["unreadable"]] == ["b.png"]
    assert answer["images"] == answer["added"] == 2
    assert "b.png" in err


@pytest.mark.parametrize("name", ["a" * 251 + ".jpg", "\N{OGHAM LETTER BEITH}" * 83 + "a.jpg"])
def test_names_without_room_for_a_number_are_cut(name: str, tmp_path: Path) -> None:
    contents = [bytes([number]) for number in range(12)]
    sorter, paths = Sorter(tmp_path / "to", LABELS), []
    for number, content in enumerate(contents):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / name).write_bytes(content)
        paths.append(sorter.place(tmp_path / str(number) / name, CAT).path)
    assert [path.read_bytes() for path in paths] == contents
    assert all(path.name.endswith(f"-{at}.jpg") for at, path in enumerate(paths[1:], 2))
    again = Sorter(tmp_path / "to", LABELS)
    assert not again.place(tmp_path / "11" / name, CAT).is_new


def test_photos_may_be_sorted_where_they_are_by_a_link(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(photos)
    sort(run, photos, "--to", tmp_path / "link")
    for folder in (photos, tmp_path / "link"):
        again = sort(run, folder, "--to", tmp_path / "link")
        assert (again["images"], again["added"]) == (3, 0)
