"""How fast and how steady ``shufflenet serve`` is, client and server on one machine.

    python benchmarks/serve.py FOLDER_OF_PHOTOS [--parts rate,tail,overload,soak,kill]

Each part writes its figures beside this script as JSON.

rate      Images a second over HTTP by wrk (apt install wrk) with 16 connections, and by
          ``shufflenet.runtimes.classify``, which ``predict`` is, of the same files: in turn, so
          that a machine that is shared slows both. wrk's own processor time is told.
tail      Latencies at 80 % and at half of that rate, requests sent when they are due.
overload  Twice that rate: what is answered, what is refused, and the memory before and after.
soak      Half that rate for ``--soak-seconds``: memory and open files, sampled.
kill      Two workers under half that rate; one of them is killed each second.
          Each uses as many workers as ``serve`` does by itself, one a core.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serve_load import send_at_rate

from shufflenet import open_model
from shufflenet.runtimes import classify

CONNECTIONS = 16
ROUNDS = 7
LUA = """
local bodies, n = {}, 0
function init(args)
  for _, path in ipairs(args) do
    local file = io.open(path, "rb")
    bodies[#bodies + 1] = file:read("*a")
    file:close()
  end
end
function request()
  n = n + 1
  local headers = {["Content-Type"] = "image/jpeg"}
  return wrk.format("POST", "/v1/classify", headers, bodies[n % #bodies + 1])
end
"""


@dataclass(frozen=True)
class Server:
    """A service in a process of its own."""

    pid: int
    port: int

    def processes(self) -> list[int]:
        """Return the service's process and its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def memory_mb(self) -> float:
        """Return the proportional set size of all its processes, in MB."""
        return sum(_pss_kb(pid) for pid in self.processes()) / 1024

    def open_files(self) -> int:
        """Return the number of its open descriptors."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.processes())


def _pss_kb(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:")))


@contextmanager
def serving(*options: str) -> Iterator[Server]:
    """Run ``shufflenet serve`` while the block runs."""
    command = [sys.executable, "-m", "shufflenet", "serve", "--port", "0", "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout  # noqa: S101  # for the type checker
        listening = json.loads(process.stdout.readline())
        try:
            yield Server(process.pid, int(listening["url"].rstrip("/").rpartition(":")[2]))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wrk(server: Server, photos: Sequence[Path], seconds: int) -> dict[str, float]:
    """Return the answers a second that wrk counts, and its own processor time as a share.

    Raises:
        RuntimeError: some answers were no results.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA)
        script.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        url = f"http://127.0.0.1:{server.port}"
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "-s", script.name, url, "--"]
        done = subprocess.run(
            [*command, *map(str, photos)], capture_output=True, text=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "Non-2xx" in done.stdout:
        raise RuntimeError(done.stdout)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])  # type: ignore[index]
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"rate": rate, "client_cores": spent / seconds}


def measure_rate(
    photos: Sequence[Path], models: Sequence[str], seconds: int, workers: Sequence[str]
) -> dict[str, object]:
    """Compare HTTP with ``predict``, one model after the other."""
    results: dict[str, object] = {}
    for name in models:
        model = open_model(name, threads=1)
        list(classify(model, photos))
        predict, http, client = [], [], []
        with serving("--model", name, *workers) as server:
            wrk(server, photos, 1)
            for _ in range(ROUNDS):
                started, count = time.perf_counter(), 0
                while time.perf_counter() < started + seconds:
                    count += len(list(classify(model, photos)))
                predict.append(count / (time.perf_counter() - started))
                one = wrk(server, photos, seconds)
                http.append(one["rate"])
                client.append(one["client_cores"])
        shares = [a / b for a, b in zip(http, predict, strict=True)]
        results[name] = {
            "predict_per_second": spread(predict),
            "http_per_second": spread(http),
            "http_to_predict": spread(shares),
            "client_cores": spread(client),
        }
    return results


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, least and greatest."""
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


def rate_now(server: Server, photos: Sequence[Path]) -> float:
    """Return the answers a second that the service gives now, the median of three."""
    return statistics.median(wrk(server, photos, 3)["rate"] for _ in range(3))


def at_rate(
    server: Server, photos: Sequence[Path], rate: float, seconds: float
) -> dict[str, object]:
    """Send at a rate; return what became of it."""
    bodies = [path.read_bytes() for path in photos]
    outcome = asyncio.run(send_at_rate(server.port, bodies, rate, seconds))
    return {"rate": round(rate, 1), "seconds": seconds, **outcome.summary()}


def measure_tail(photos: Sequence[Path]) -> dict[str, object]:
    """Latencies at 80 % and at half of the greatest rate, in turn, five times."""
    results: dict[str, object] = {}
    rounds: dict[float, list[dict[str, object]]] = {0.8: [], 0.5: []}
    with serving() as server:
        for _ in range(5):
            full = rate_now(server, photos)
            for share, found in rounds.items():
                before = time.process_time()
                one = at_rate(server, photos, share * full, 10)
                cores = (time.process_time() - before) / 10
                found.append({"full_rate": full, "client_cores": round(cores, 3), **one})
    for share, found in rounds.items():
        tails = [each["answered_ms"]["p99"] / each["answered_ms"]["p50"] for each in found]  # type: ignore[index]
        results[f"{share:.0%}"] = {"p99_to_p50": spread(tails), "rounds": found}
    return results


def measure_overload(photos: Sequence[Path], seconds: int) -> dict[str, object]:
    """Twice the rate that it can do, over many connections."""
    with serving() as server:
        full = rate_now(server, photos)
        before = server.memory_mb()
        bodies = [path.read_bytes() for path in photos]
        outcome = asyncio.run(send_at_rate(server.port, bodies, 2 * full, seconds, 2000))
        time.sleep(20)  # until idle connections are closed
        after = server.memory_mb()
        again = rate_now(server, photos)
    memory = {"before_mb": round(before, 1), "after_mb": round(after, 1)}
    return {"full_rate": full, **outcome.summary(), **memory, "rate_afterwards": again}


def measure_soak(photos: Sequence[Path], seconds: int) -> dict[str, object]:
    """Half the rate for long; memory and descriptors each minute."""
    samples = []
    with serving() as server:
        rate = rate_now(server, photos) / 2
        statuses: dict[str, int] = {}
        for _ in range(max(1, seconds // 60)):
            one = at_rate(server, photos, rate, 60)
            for status, count in one["statuses"].items():  # type: ignore[attr-defined]
                statuses[status] = statuses.get(status, 0) + count
            samples.append((round(server.memory_mb(), 1), server.open_files()))
    return {"rate": rate, "statuses": statuses, "memory_mb_and_open_files": samples}


def measure_kill(photos: Sequence[Path], seconds: int) -> dict[str, object]:
    """Kill a worker each second; count what is left without an answer."""
    with serving("--workers", "2") as server:
        rate = rate_now(server, photos) / 2
        bodies = [path.read_bytes() for path in photos]

        async def run() -> dict[str, object]:
            sending = asyncio.create_task(send_at_rate(server.port, bodies, rate, seconds))
            killed = 0
            while not sending.done():
                await asyncio.sleep(1)
                with contextlib.suppress(ProcessLookupError, IndexError):
                    os.kill(server.processes()[1], signal.SIGKILL)
                    killed += 1
            return {"killed": killed, **(await sending).summary()}

        return {"rate": rate, **asyncio.run(run())}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--parts", default="rate,tail,overload,kill,soak")
    parser.add_argument("--models", nargs="+", default=["default"])
    parser.add_argument("--seconds", type=int, default=5, help="of a round (default: 5)")
    parser.add_argument("--workers", help="of the part rate (default: those of serve)")
    parser.add_argument(
        "--label", help="of other photos or workers, whose figures are kept beside the first"
    )
    parser.add_argument("--soak-seconds", type=int, default=300)
    args = parser.parse_args()
    photos = sorted(p for p in args.photos.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    workers = ["--workers", args.workers] if args.workers else []
    parts: dict[str, Callable[[], dict[str, object]]] = {
        "rate": lambda: measure_rate(photos, args.models, args.seconds, workers),
        "tail": lambda: measure_tail(photos),
        "overload": lambda: measure_overload(photos, 60),
        "kill": lambda: measure_kill(photos, 10),
        "soak": lambda: measure_soak(photos, args.soak_seconds),
    }
    path = Path(__file__).with_suffix(".json")
    results = json.loads(path.read_text()) if path.exists() else {}
    results["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
    }
    for name in args.parts.split(","):
        key = f"{name}, {args.label}" if args.label else name
        results[key] = parts[name]()
        print(key, json.dumps(results[key], indent=1))
        path.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
