"""``shufflenet boxes``: what it prints, writes and refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from box_sets import coco_json, write_coco_set, write_image
from shufflenet.data.boxes import open_boxes

Run = Callable[..., tuple[int, str, str]]


def test_it_counts_and_says_what_is_wrong(tmp_path: Path, run: Run) -> None:
    folder = write_coco_set(
        tmp_path / "cells",
        coco_json([(1, 1, (2, 3, 10, 20)), (1, 1, (0, 0, 40, 40)), (2, 1, (0, 0, 0, 5))]),
    )
    write_image(folder / "images" / "2.png", 90, 48)
    code, out, err = run("boxes", folder, "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["images"], found["boxes"], found["written"]) == (3, 2, None)
    assert (found["smallest_px"], found["largest_px"]) == ([64, 48], [90, 48])
    assert found["classes"][0] == {
        "index": 0, "label": "cat", "images": 1, "boxes": 2, "small": 1, "medium": 1, "large": 0,
    }  # fmt: skip
    assert found["findings"]["empty"] == {"count": 1, "first": "images/1.png"}
    assert found["findings"]["without_boxes"] == 2
    code, out, err = run("boxes", folder)
    assert (code, err) == (0, "")
    assert "3 images from 64 x 48 to 90 x 48 px, 2 boxes of 2 classes, in COCO's format" in out
    assert "Boxes left out, of no area in their images: 1, such as 'images/1.png'." in out
    assert "Images of other sizes than the annotations state: 1, such as 'images/2.png'." in out


def test_it_converts(tmp_path: Path, run: Run) -> None:
    content = coco_json([(1, 1, (2, 3, 10, 20)), (1, 2, (0, 0, 40, 40))])
    content["annotations"][1]["iscrowd"] = 1
    folder = write_coco_set(tmp_path / "cells", content)
    code, out, err = run("boxes", folder, "--to", tmp_path / "yolo", "--format", "yolo")
    assert (code, out.splitlines()[-1]) == (
        0,
        f"Written to {tmp_path / 'yolo'}: images 3, boxes 1.",
    )
    assert "against a detector: 1." in err
    [box] = open_boxes(tmp_path / "yolo").boxes[0]
    assert box.tolist() == pytest.approx([2, 3, 10, 20])
    code, out, _ = run("boxes", folder, "--to", tmp_path / "voc", "--format", "voc", "--json")
    assert json.loads(out)["written"] == {
        "path": str(tmp_path / "voc"), "format": "voc", "images": 3, "boxes": 2, "left_out": 0,
    }  # fmt: skip


def test_it_refuses_in_a_sentence(tmp_path: Path, run: Run) -> None:
    for split in ("train", "val"):
        write_coco_set(tmp_path / "cells" / split)
    code, out, err = run("boxes", tmp_path / "cells")
    assert (code, out) == (1, "")
    assert "Say which is meant: by --split train or --split val." in err
    assert run("boxes", tmp_path / "cells", "--split", "val")[0] == 0
    code, _, err = run("boxes", tmp_path / "cells", "--split", "val", "--to", tmp_path,
                       "--format", "voc")  # fmt: skip
    assert (code, "it exists already" in err) == (1, True)
    with pytest.raises(SystemExit) as left:
        run("boxes", tmp_path / "cells", "--to", tmp_path / "a")
    assert left.value.code == 2
