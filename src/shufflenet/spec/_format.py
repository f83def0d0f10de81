"""Formats: the files that a network is exported to, one row each."""

from dataclasses import dataclass

__all__ = ["FLOAT32_TOLERANCE", "FORMATS", "Format"]

# How far two float32 computations of one network may differ, relative to the largest logit. Sums
# in another order differed by 2e-6 over all networks and several image sizes (as in
# tests/test_deploy.py), so ten times as much is a fault.
FLOAT32_TOLERANCE = 2e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of file that a network can be exported to.

    Attributes:
        name: What options and errors call it.
        title: The format's own name.
        suffix: How its files' names end; ``export --to`` chooses the format by it.
        package: The Python package that writes it.
        extra: The extra of this package that installs that.
        module: The module that writes it. Its function ``write_file(net, card, path, options)``
            returns an ``Exported``; it is imported when the first file is written.
        options: The options of ``shufflenet export`` that it takes.
        tolerance: The largest difference between the file's logits and the network's that is
            accepted, relative to the largest logit.
    """

    name: str
    title: str
    suffix: str
    package: str
    extra: str
    module: str
    options: tuple[str, ...]
    tolerance: float


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format(
            name="onnx",
            title="ONNX",
            suffix=".onnx",
            package="onnx_ir",
            extra="torch",
            module="shufflenet.export._onnx",
            options=("shuffle", "opset"),
            tolerance=FLOAT32_TOLERANCE,
        ),
    )
}
