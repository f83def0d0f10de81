"""Classify photos by a running service, with nothing but Python's standard library.

shufflenet serve
python examples/classify_by_http.py photo.jpg other.png
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


def classify(photo: Path, address: str, token: str = "") -> list[dict[str, Any]]:
    """Return the three most probable classes of a photo.

    Raises:
        RuntimeError: the service answered with an error, which is one sentence.
        OSError: the photo cannot be read, or no service answers.
    """
    headers = {"Content-Type": "application/octet-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    url = f"{address}/v1/classify?top=3"
    request = urllib.request.Request(url, photo.read_bytes(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            predictions: list[dict[str, Any]] = json.load(answer)["predictions"]
            return predictions
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error)["error"]) from error


def main() -> None:
    """Print a line for each photo, or why there is none; exit with 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--address", default="http://127.0.0.1:8000")
    parser.add_argument("--token-file", type=Path, help="if the service asks for a token")
    args = parser.parse_args()
    token = args.token_file.read_text().strip() if args.token_file else ""
    failed = False
    for photo in args.photos:
        try:
            best = classify(photo, args.address, token)
        except (RuntimeError, OSError) as error:
            print(f"{photo}: {error}", file=sys.stderr)
            failed = True
        else:
            print(f"{photo}: " + ", ".join(f"{x['label']} {x['probability']:.0%}" for x in best))
    sys.exit(failed)


if __name__ == "__main__":
    main()
