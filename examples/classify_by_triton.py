"""Classify photos by a running service, with Triton's client: all photos in one request.

shufflenet serve
pip install 'tritonclient[http]'
python examples/classify_by_triton.py photo.jpg other.png
"""

import argparse
from pathlib import Path

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput


def main() -> None:
    """Print the three most probable classes of each photo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--address", default="127.0.0.1:8000", help="without http://")
    parser.add_argument("--model", default="default")
    parser.add_argument("--token-file", type=Path, help="if the service asks for a token")
    args = parser.parse_args()
    token = args.token_file.read_text().strip() if args.token_file else ""
    headers = {"Authorization": f"Bearer {token}"} if token else None

    # An element of a tensor of BYTES is an image file; the service decodes and crops it.
    contents = np.array([photo.read_bytes() for photo in args.photos], np.object_)
    files = InferInput("files", list(contents.shape), "BYTES")
    files.set_data_from_numpy(contents)
    output = InferRequestedOutput("probabilities", class_count=3)
    with InferenceServerClient(args.address) as client:
        result = client.infer(args.model, [files], outputs=[output], headers=headers)

    for photo, classes in zip(args.photos, result.as_numpy("probabilities"), strict=True):
        parts = [text.decode().split(":", 2) for text in classes]  # value:index:label
        print(f"{photo}: " + ", ".join(f"{label} {float(value):.0%}" for value, _, label in parts))


if __name__ == "__main__":
    main()
