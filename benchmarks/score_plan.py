"""What scoring many images would cost and take, simulated from rates measured on one machine.

    python benchmarks/score_plan.py
    python benchmarks/score_plan.py --images 1e8 --cores 64 256 1024 --kilobytes 110

A job is parts of images, given one by one to workers that are free. A worker reads a part's images
from an object store while it computes, at the slower of the two; a node's workers share its
network. Requests to the store beyond its rate wait. The driver lists names, page by page, and gives
a part at a time; a worker that ended is replaced and its part given again. What is simulated is the
queue: which part ends when, with times that vary, and workers that end at random. What is asked for
is wall time, core hours, dollars, and what bounded them.

``docs/scoring.md`` shows its table, and says where the rates are from. Prices are options, for they
change.
"""

import argparse
import heapq
import json
import math
import random
from dataclasses import dataclass, replace

_SIMULATED_PARTS = 200_000  # of larger jobs every part stands for several


@dataclass(frozen=True, slots=True)
class Plan:
    """A job and what it runs on.

    Attributes:
        images: How many.
        cores: Of all nodes; each has a worker.
        rate: Images a second that a worker decodes and computes.
        image_bytes: Of a file, on average.
        shard_images: In an archive; 1 if each image is an object of its own.
        part_images: In a part.
        node_cores: Of a node.
        node_bytes_s: That a node's network brings.
        read_bytes: Of an archive that are read by a request.
        requests_an_object: That reading an object takes: its size is asked for first.
        store_requests_s: That the store answers, all prefixes together.
        page_s: Seconds for a page of 1000 names.
        listers: Prefixes that are listed at once; this package lists one.
        driver_parts_s: Parts that the driver gives and notes a second.
        start_s: Seconds until the first worker computes.
        ended_per_core_hour: Workers that end, as on machines that a cloud takes back.
        core_hour: Dollars for a core and an hour.
        thousand_reads: Dollars for 1000 objects read.
        thousand_lists: Dollars for 1000 pages listed.
    """

    images: float
    cores: int
    rate: float = 200.0
    image_bytes: float = 110_000.0
    shard_images: int = 1
    part_images: int = 4096
    node_cores: int = 16
    node_bytes_s: float = 0.6e9
    read_bytes: float = 8 << 20
    requests_an_object: int = 2
    store_requests_s: float = 5500.0
    page_s: float = 0.1
    listers: int = 1
    driver_parts_s: float = 500.0
    start_s: float = 10.0
    ended_per_core_hour: float = 0.001
    core_hour: float = 0.04
    thousand_reads: float = 0.0004
    thousand_lists: float = 0.005


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job takes.

    Attributes:
        hours: From its start to its end.
        core_hours: That are paid for.
        compute_dollars: For cores.
        store_dollars: For what the store answers.
        bound_by: What its rate is bounded by.
        efficiency: Of the cores' time, the part that computes answers which are kept.
        files: Of answers.
    """

    hours: float
    core_hours: float
    compute_dollars: float
    store_dollars: float
    bound_by: str
    efficiency: float
    files: int


def requests_an_image(plan: Plan) -> float:
    """Return how many requests to the store an image takes.

    >>> requests_an_image(Plan(1e6, 1)), requests_an_image(Plan(1e6, 1, shard_images=10_000)) < 0.02
    (2.0, True)
    """
    if plan.shard_images == 1:
        return float(plan.requests_an_object)
    return math.ceil(plan.shard_images * plan.image_bytes / plan.read_bytes) / plan.shard_images


def bounds(plan: Plan) -> dict[str, float]:
    """Return the images a second that each resource allows."""
    nodes = math.ceil(plan.cores / plan.node_cores)
    return {
        "cores": plan.cores * plan.rate,
        "network": nodes * plan.node_bytes_s / plan.image_bytes,
        "requests": plan.store_requests_s / requests_an_image(plan),
        "listing": plan.listers * 1000 / plan.page_s * plan.shard_images,
        "driver": plan.driver_parts_s * plan.part_images,
    }


def simulate(plan: Plan, seed: int = 0) -> Outcome:
    """Simulate a job part by part.

    >>> one = simulate(Plan(images=1e5, cores=1, ended_per_core_hour=0.0))
    >>> 0.9 < one.hours * 3600 * 200 / 1e5 < 1.1  # a core takes the time of its images
    True
    """
    rng = random.Random(seed)
    parts = math.ceil(plan.images / plan.part_images)
    several = max(1, math.ceil(parts / _SIMULATED_PARTS))
    images = min(plan.images, float(plan.part_images)) * several
    limits = bounds(plan)
    shared = min(limits["network"], limits["requests"])
    rate = min(plan.rate, shared / plan.cores)
    arrival = min(limits["listing"], limits["driver"])  # images a second that are given out
    workers = [plan.start_s * rng.uniform(1, 1.5) for _ in range(plan.cores)]
    heapq.heapify(workers)
    left, number, computed, end = math.ceil(parts / several), 0, 0.0, 0.0
    while left:
        begins = max(heapq.heappop(workers), plan.start_s + number * images / arrival)
        takes = images / rate * rng.lognormvariate(0.0, 0.1) * 0.995
        lost = rng.random() < plan.ended_per_core_hour * takes / several / 3600
        if lost:  # a part is lost at any moment of it; another worker takes it again
            takes += rng.random() * takes / several
        computed += images / plan.rate
        heapq.heappush(workers, begins + takes)
        end = max(end, begins + takes)
        left, number = left - 1, number + 1
    return _outcome(plan, end, computed, limits)


def _outcome(plan: Plan, seconds: float, computed: float, limits: dict[str, float]) -> Outcome:
    core_hours = plan.cores * seconds / 3600
    reads = plan.images * requests_an_image(plan) / 1000 * plan.thousand_reads
    lists = 2 * plan.images / plan.shard_images / 1e6 * plan.thousand_lists  # listed twice
    return Outcome(
        hours=seconds / 3600,
        core_hours=core_hours,
        compute_dollars=core_hours * plan.core_hour,
        store_dollars=reads + lists,
        bound_by=min(limits, key=lambda name: limits[name]),
        efficiency=computed / 3600 / core_hours,
        files=math.ceil(plan.images / plan.part_images),
    )


def table(plans: list[Plan]) -> str:
    """Return outcomes as a table of markdown."""
    lines = [
        "| images | in shards of | cores | hours | core hours | cores, $ | store, $ | cores used "
        "| bounded by | files of answers |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|---|--:|",
    ]
    for plan in plans:
        found = simulate(plan)
        shards = f"{plan.shard_images:,}" if plan.shard_images > 1 else "none"
        lines.append(
            f"| {plan.images:.0e} | {shards} | {plan.cores:,} | {found.hours:,.2f} "
            f"| {found.core_hours:,.0f} | {found.compute_dollars:,.2f} "
            f"| {found.store_dollars:,.2f} | {found.efficiency:.0%} | {found.bound_by} "
            f"| {found.files:,} |"
        )
    return "\n".join(lines).replace("e+0", "e").replace("e+", "e")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=float, nargs="+", default=[1e6, 1e8, 1e10])
    parser.add_argument("--cores", type=int, nargs="+")
    parser.add_argument("--rate", type=float, default=Plan.__dataclass_fields__["rate"].default)
    parser.add_argument("--kilobytes", type=float, default=110.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    usual = {1e6: [2, 16, 64], 1e8: [64, 256, 1024], 1e10: [256, 1024, 4096]}
    plans = []
    for images in args.images:
        for shards in (1, 10_000):
            for cores in args.cores or usual.get(images, [16, 256]):
                plan = Plan(images, cores, rate=args.rate, image_bytes=1000 * args.kilobytes)
                part = shards if shards > 1 else plan.part_images
                plans.append(replace(plan, shard_images=shards, part_images=part))
    if args.json:
        for plan in plans:
            outcome = simulate(plan)
            fields = {name: getattr(outcome, name) for name in Outcome.__slots__}
            print(json.dumps({"images": plan.images, "cores": plan.cores, **fields}))
    else:
        print(table(plans))


if __name__ == "__main__":
    main()
