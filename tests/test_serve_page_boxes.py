"""What the page does with boxes: its modules in Node, with a document of stubs."""

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shufflenet import serve
from shufflenet.draw import COLORS

PARTS = Path(serve.__file__).parent / "page" / "site" / "parts"
ANSWER = {
    "path": "a, b.jpg",
    "width": 640,
    "height": 480,
    "detections": [
        {"box": [100.5, 50, 30, 40.25], "index": 8, "label": "<b>cell", "score": 0.9},
        {"box": [0, 0, 10, 10], "index": 0, "label": "dot", "score": 0.5},
    ],
}
STUBS = """
globalThis.made = [];
const element = (tag) => ({
  tag, attributes: {}, children: [], textContent: "",
  setAttribute(name, value) { this.attributes[name] = String(value); },
  removeAttribute(name) { delete this.attributes[name]; },
  replaceChildren(...children) { this.children = children; },
});
const elements = new Map();
globalThis.document = {
  baseURI: "http://localhost/",
  createElementNS: (_, tag) => element(tag),
  getElementById: (id) => elements.get(id) ?? elements.set(id, element(id)).get(id),
};
globalThis.sessionStorage = { getItem: () => null, setItem() {} };
"""


def in_node(code: str) -> Any:  # noqa: ANN401  # it is JSON
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    parts = json.dumps(PARTS.as_uri() + "/")
    module = f"{STUBS}\nconst parts = {parts}; const answer = {json.dumps(ANSWER)};\n{code}"
    command = ["node", "--input-type=module", "-e", module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_boxes_are_drawn_in_pixels_of_the_photo_the_best_one_last() -> None:
    drawn = in_node("""
        const { drawBoxes, clearBoxes } = await import(parts + "boxes.js");
        drawBoxes(answer);
        const shown = structuredClone(document.getElementById("boxes").children
          .map(({ tag, attributes, textContent }) => ({ tag, attributes, textContent })));
        const { attributes } = document.getElementById("boxes");
        const view = attributes.viewBox;
        clearBoxes();
        const left = document.getElementById("boxes").children.length;
        console.log(JSON.stringify({ shown, view, left, hidden: "hidden" in attributes }));
    """)
    assert drawn["view"] == "0 0 640 480"
    assert (drawn["left"], drawn["hidden"]) == (0, True)
    assert [each["tag"] for each in drawn["shown"]] == ["rect", "rect", "text"] * 2
    best = drawn["shown"][4]["attributes"]
    assert [best[each] for each in ("x", "y", "width", "height")] == ["100.5", "50", "30", "40.25"]
    assert best["stroke"] == "#{:02x}{:02x}{:02x}".format(*COLORS[8 % len(COLORS)])
    assert drawn["shown"][5]["textContent"] == "<b>cell"


def test_a_detector_is_asked_for_boxes_and_its_answers_have_classes_too() -> None:
    asked = in_node("""
        const { connect } = await import(parts + "service.js");
        const asked = [];
        const models = [{ name: "cells", task: "detection" }, { name: "pets", task: "x" }];
        globalThis.fetch = async (address) => {
          asked.push(String(address));
          const body = asked.length === 1 ? { models, limits: {} } : [answer];
          return new Response(JSON.stringify(body));
        };
        const service = connect(() => "");
        await service.describe();
        const photo = { file: new Blob(["x"]), path: "a.jpg" };
        const { answers } = await service.classify([photo], "cells", undefined);
        await service.classify([photo], "pets", undefined);
        console.log(JSON.stringify({ asked, answers }));
    """)
    assert [each.partition("/v1/")[2] for each in asked["asked"]] == [
        *("models", "detect?model=cells&top=100", "classify?model=pets&top=5")
    ]
    (answer,) = asked["answers"]
    assert answer["predictions"] == [
        {"index": each["index"], "label": each["label"], "probability": each["score"]}
        for each in ANSWER["detections"]  # type: ignore[attr-defined]  # a list
    ]


def test_boxes_are_saved_with_the_columns_of_predict() -> None:
    text = in_node("""
        const { toCsv } = await import(parts + "csv.js");
        const predictions = answer.detections.map((each) => ({ ...each, probability: each.score }));
        const rows = [
          { path: answer.path, answer: { ...answer, predictions } },
          { path: "none.jpg", answer: { ...answer, detections: [], predictions: [] } },
          { path: "bad.jpg", answer: { error: "It is bad." } },
        ];
        console.log(JSON.stringify(toCsv(rows)));
    """)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [*rows[0]] == [
        *("path", "rank", "index", "label", "score", "left", "top", "width", "height", "error")
    ]
    assert [rows[0][each] for each in ("path", "score", "left", "height")] == [
        *("a, b.jpg", "0.900000", "100.50", "40.25")
    ]
    assert [row["error"] for row in rows] == ["", "", "It is bad."]
