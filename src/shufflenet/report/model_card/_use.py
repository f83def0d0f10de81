"""How a model is used: lines of a shell, of Python and of JavaScript that were run."""

from collections.abc import Iterator

from shufflenet.report.model_card._model import CardedModel
from shufflenet.report.model_card._python_lines import python_lines, why_no_python_lines

__all__ = ["use"]

_EXPORTED = "model.onnx"


def use(model: CardedModel) -> str:
    """Return the section of the card."""
    return "\n\n".join(["## How to use it", *_shell(model), *_python(model), *_javascript(model)])


def _block(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```"])


def _shell(model: CardedModel) -> Iterator[str]:
    if model.shown != model.source:
        yield f"The file is called `{model.shown}` in these lines; its own name needs quotes."
    yield "From a shell, with the package `shufflenet`:"
    yield _block("shell", f"shufflenet predict photo.jpg --model {model.shown}")


def _python(model: CardedModel) -> Iterator[str]:
    if model.card.detector:
        yield "In Python, with this package:"
        yield _block(
            "python",
            "import shufflenet",
            "",
            f'model = shufflenet.open_model("{model.shown}")',
            'for found in model.detect(["photo.jpg"])[0]:',
            '    print(f"{found.score:.2f}  {found.label}  {found.box}")',
        )
        return
    why_not = why_no_python_lines(model.card.preprocess)
    if not why_not and not (model.exports or model.suffix == ".onnx"):
        why_not = "ONNX Runtime does not read such a file"
    if why_not:
        yield f"In Python, with this package, because {why_not}:"
        yield _block(
            "python",
            "import shufflenet",
            "",
            f'model = shufflenet.open_model("{model.shown}")',
            'for prediction in model.classify(["photo.jpg"], k=5)[0]:',
            '    print(f"{prediction.probability:6.1%}  {prediction.label}")',
        )
        return
    file = model.shown
    if model.exports:
        file = _EXPORTED
        yield f"In Python, with ONNX Runtime, NumPy and Pillow alone, from `{file}`:"
        yield _block("shell", f"shufflenet export {model.shown} --to {file}")
    else:
        yield "In Python, with ONNX Runtime, NumPy and Pillow alone:"
    yield _block("python", python_lines(model.card, file))


def _javascript(model: CardedModel) -> Iterator[str]:
    how = model.card.preprocess
    plain = how.channels in ("rgb", "bgr", "gray") and how.bits == 8
    compiles = model.exports or model.suffix == ".onnx"
    if not (plain and compiles) or how.mean_image or model.card.detector:
        return
    yield (
        "In JavaScript, in a browser or Node, from WebAssembly that nothing else has to be loaded "
        "for:"
    )
    yield _block("shell", f"shufflenet compile {model.shown} --target web --to page/")
    yield _block(
        "js",
        'import { load } from "./page/shufflenet.js";',
        "",
        "const model = await load();",
        "// image: a Blob, a canvas, or { data, width, height } of RGBA",
        "const [best] = await model.classify(image);",
        "console.log(best.label, best.probability);",
    )
