"""The section of ``docs/models.md`` on one project's checkpoints."""

from collections.abc import Iterator, Sequence
from string import ascii_lowercase
from urllib.parse import urlsplit

from shufflenet.report.catalogue._markdown import (
    Notes,
    bullets,
    code,
    gather,
    link,
    paragraph,
    table,
)
from shufflenet.report.catalogue._rows import count_cost
from shufflenet.report.catalogue._words import (
    add_difference,
    describe_preprocess,
    describe_use,
    format_errors,
    format_flops,
    format_megabytes,
    format_millions,
    format_params,
    format_percent,
    summarize_preprocess,
)
from shufflenet.spec import NetworkSpec
from shufflenet.zoo import Source, Weights

__all__ = ["source_section"]

_NUMBERS = [str(number) for number in range(1, 100)]

# The title of each project, and the first sentences on it.
_SOURCES: dict[Source, tuple[str, str]] = {
    "torchvision": (
        "torchvision",
        "PyTorch's own, in float32 and in int8. The two wide ones are the most accurate V2 of "
        "their width.",
    ),
    "mmpretrain": ("MMPretrain", "OpenMMLab's, formerly called MMClassification: V1 and V2."),
    "paddleclas": (
        "PaddleClas",
        "PaddlePaddle's, with the two narrowest V2 and one with swish.",
    ),
    "paddlevision": (
        "paddle.vision",
        "A second set for the networks of PaddleClas, from PaddlePaddle's own library.",
    ),
    "megvii": (
        "Megvii",
        "The authors' own, of every generation, and the only ones of most networks. They are in a "
        "shared folder, and must be downloaded by hand.",
    ),
    "onnx_zoo": ("ONNX model zoo", "ONNX files. V2 was exported from torchvision's width 1.0."),
}


def source_section(weights: Sequence[Weights], networks: dict[str, NetworkSpec]) -> str:
    """Return the section on one project's files: accuracy, notes, preprocessing, costs."""
    title, text = _SOURCES[weights[0].source]
    return "\n\n".join([
        f"### {title}",
        paragraph(f"{text} {_pages(weights)}"),
        *_checkpoints(weights),
        *_inputs(weights),
        *_costs(weights, networks),
    ])  # fmt: skip


def _pages(weights: Sequence[Weights]) -> str:
    pages = list(dict.fromkeys(each.page for each in weights))
    if len(pages) == 1:
        return f"Page: {link(urlsplit(pages[0]).netloc, pages[0])}."
    links = (link("/".join(page.split("/")[-2:]), page) for page in pages)
    return f"Pages: {', '.join(links)}."


def _checkpoints(weights: Sequence[Weights]) -> Iterator[str]:
    defects = gather([each.defects for each in weights], _NUMBERS)
    sources = [f"{each.published.source}." if each.published else "" for each in weights]
    stated = gather(sources, ascii_lowercase)
    marked = zip(weights, defects.marks, stated.marks, strict=True)
    rows = [_checkpoint(each, notes, source) for each, notes, source in marked]
    yield table(rows, right=("top-1 %", "top-5 %", "errors as published"))
    yield from _notes("Known problems", defects)
    yield from _notes("Accuracy is stated in", stated)
    if not any(sources):
        yield "The source states no accuracy."


def _checkpoint(weights: Weights, notes: str, stated: str) -> dict[str, str]:
    published, source = weights.published, weights.source
    return {
        "name": code(weights.name),
        "original file": link(code(weights.filename), weights.url),
        "top-1 %": format_percent(published.top1_percent, source) if published else "",
        "top-5 %": format_percent(published.top5_percent, source) if published else "",
        "errors as published": format_errors(published, source) if published else "",
        "stated in": stated,
        "input": summarize_preprocess(weights.preprocess),
        "licence": weights.licence,
        "get it by": "download" if weights.url else "hand",
        "used here": describe_use(weights),
        "notes": notes,
    }


def _notes(title: str, notes: Notes) -> Iterator[str]:
    if notes.common:
        yield paragraph(f"**{title}**{' for all' if notes.listed else ''}: {notes.common}")
    if notes.listed:
        yield f"**{title}**, by their marks in the table:"
        yield bullets(f"{mark}: {text}" for mark, text in notes.listed)


def _inputs(weights: Sequence[Weights]) -> Iterator[str]:
    inputs = {summarize_preprocess(each.preprocess): each.preprocess for each in weights}
    if len(inputs) == 1:
        yield paragraph(f"**Input**: {describe_preprocess(weights[0].preprocess)}.")
    else:
        yield "**Input**:"
        yield bullets(f"{brief}: {describe_preprocess(how)}." for brief, how in inputs.items())


def _costs(weights: Sequence[Weights], networks: dict[str, NetworkSpec]) -> Iterator[str]:
    """Yield the cost of each network, once, beside the cost that the source states."""
    once = list({each.network: each for each in weights}.values())
    texts = [each.cost.counts if each.cost else "" for each in once]
    counts = gather(texts, ascii_lowercase)
    marked = zip(once, counts.marks, strict=True)
    rows = [_cost(each, networks[each.network], mark) for each, mark in marked]
    yield table(rows, right=[name for name in rows[0] if name not in ("network", "counted as")])
    yield from _notes("What the source counts", counts)
    if not any(texts):
        yield "The source states no costs."


def _cost(weights: Weights, spec: NetworkSpec, mark: str) -> dict[str, str]:
    costs, stated, source = count_cost(spec), weights.cost, weights.source
    params = flops = ""
    if stated:
        params = add_difference(
            format_params(stated, source), stated.params_millions, costs.parameters / 1e6
        )
        flops = add_difference(
            format_flops(stated, source), stated.flops_millions, costs.multiply_adds / 1e6
        )
    return {
        "network": code(spec.name),
        "parameters": f"{costs.parameters:,}",
        "as published": params,
        "multiply-adds": format_millions(costs.multiply_adds),
        "FLOPs as published": flops,
        "memory access": format_megabytes(costs.memory_access_bytes),
        "counted as": mark,
    }
