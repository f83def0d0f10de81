"""Code run in Node, with the module of a page that was compiled."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def in_node(site: Path, code: str, given: object) -> Any:  # noqa: ANN401  # it is JSON
    """Run code in Node, which finds `given`, `load`, and the functions `bytes` and `told`."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    module = f"""
    import {{ load }} from {json.dumps((site / "shufflenet.js").as_uri())};
    import {{ readFileSync }} from "node:fs";
    const given = JSON.parse(readFileSync(0, "utf8"));
    const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
    const told = (promise) => promise.then(() => "", (error) => String(error));
    const result = await (async () => {{ {code} }})();
    console.log(JSON.stringify(result));
    """
    command = ["node", "--input-type=module", "-e", module]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()
