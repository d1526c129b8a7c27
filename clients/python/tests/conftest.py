"""What the tests share: the mesh beside which they run, and their count for `npm test`."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from emloc import Client

repository = Path(__file__).resolve().parents[3]
tiny_llama = repository / "tests" / "fixtures" / "tiny-llama"
train_rows = tiny_llama / "train.jsonl"

Array32 = npt.NDArray[np.float32]


def pytest_configure(config: pytest.Config) -> None:
    if "EMLOC_MESH_CONTROL" not in os.environ and not config.option.collectonly:
        pytest.exit("run the tests by `node clients/python/run.mjs test [ARGUMENT…]`: they need a mesh", returncode=2)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured, and the line that `npm test` counts."""
    stats = terminalreporter.stats
    failures = [each.nodeid for kind in ("failed", "error") for each in stats.get(kind, [])]
    skips = [f"{each.nodeid}: {each.longrepr[2]}" for each in stats.get("skipped", [])]
    results = {
        "passed": len(stats.get("passed", [])),
        "failed": len(failures),
        "skipped": len(skips),
        "failures": [f"clients/python/{each}" for each in failures],
        "skips": [f"clients/python/{each}" for each in skips],
    }
    terminalreporter.ensure_newline()
    for report in stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
    terminalreporter.write_line(json.dumps({"testResults": results}, separators=(",", ":")))


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    with Client() as mesh:
        yield mesh


@pytest.fixture(scope="session")
def control() -> Callable[[str, str], int]:
    """`control("kill", "coordinator")`: see tools/with-mesh.mjs. The process id of what it reached."""

    def act(verb: str, service: str) -> int:
        request = urllib.request.Request(f"{os.environ['EMLOC_MESH_CONTROL']}/{verb}/{service}", method="POST")
        with urllib.request.urlopen(request) as answer:
            pid: int = json.load(answer)["pid"]
            return pid

    return act


def golden(name: str) -> npt.NDArray[np.float64]:
    """A tensor of the fixture's golden numbers, or of its weights."""
    for file in ("golden.safetensors", "model.safetensors"):
        data = (tiny_llama / file).read_bytes()
        length = int.from_bytes(data[:8], "little")
        entry = json.loads(data[8 : 8 + length]).get(name)
        if entry is not None:
            start, end = entry["data_offsets"]
            kind = {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]
            values = np.frombuffer(data[8 + length + start : 8 + length + end], kind)
            return values.reshape(entry["shape"]).astype(np.float64)
    raise KeyError(name)


def distance(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """|a - b| / |b|, Frobenius."""
    left, right = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(np.linalg.norm(left - right) / np.linalg.norm(right))


def run_node(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", *arguments], cwd=repository, text=True, capture_output=True, timeout=timeout, check=False
    )
