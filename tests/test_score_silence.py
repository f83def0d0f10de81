"""Real Ray clusters: an actor that hangs, two jobs. One that is played: test_score_cluster."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from seeded import photo

SCRIPT = Path(__file__).with_name("ray_silence.py")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the actor is found in /proc")
def test_a_stopped_actor_of_a_real_cluster_is_ended_and_another_answers(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    for number in range(3):
        Image.fromarray(photo(str(number), 40, 52)).save(tmp_path / f"{number}.png")
    command = [sys.executable, str(SCRIPT), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "waits_for": "Waiting for a free CPU, on which a worker can start. The cluster's nodes: 1; "
        "their CPUs: 0; free: 0.",
        "stopped": [None],
        "is_gone": True,
        "images": 3,
    }


def test_a_process_scores_by_ray_on_this_machine_twice(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    Image.fromarray(photo("0", 40, 52)).save(tmp_path / "0.png")
    code = """
import sys
from shufflenet.score import Job, score
for to in ("first", "second"):
    job = Job(sys.argv[1], f"{sys.argv[1]}-{to}", runtime="onnxruntime", workers=1, cluster="local")
    print(score(job, lambda now: None).images)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout.split()) == (0, ["1", "1"]), done.stderr
