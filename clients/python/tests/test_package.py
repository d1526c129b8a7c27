"""The package as a user gets it: a source distribution, a wheel made of that alone, and the README's lines."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

import emloc
from emloc import Client

from .conftest import repository, tiny_llama, train_rows

project = repository / "clients" / "python"


def build(directory: Path, target: str, into: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    (made,) = into.iterdir()
    return made


def test_a_wheel_is_built_from_the_source_distribution_alone(tmp_path: Path) -> None:
    # Of a copy: tests of other projects read the working tree meanwhile.
    copy = tmp_path / "copy" / "clients" / "python"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".*_cache", "dist", "v1", "node_modules"))
    shutil.copytree(repository / "proto", tmp_path / "copy" / "proto")
    with tarfile.open(build(copy, "sdist", tmp_path / "sdist")) as archive:
        # Python before 3.10.12 and 3.11.4 knows no filters.
        safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path / "unpacked", **safely)
    (source,) = (tmp_path / "unpacked").iterdir()
    assert (source / "proto" / "emloc" / "tensor" / "v1" / "tensor.proto").is_file()
    assert not list(source.rglob("*_pb2.py"))
    shutil.rmtree(tmp_path / "copy")
    with ZipFile(build(source, "wheel", tmp_path / "wheel")) as wheel:
        names = wheel.namelist()
        wheel.extractall(tmp_path / "installed")
    for name in (
        "py.typed",
        "client.py",
        "tensor/v1/tensor_pb2.py",
        "tensor/v1/tensor_pb2.pyi",
        "training/__init__.py",
    ):
        assert f"emloc/{name}" in names
    program = "import emloc; from emloc.training.v1 import training_pb2_grpc; print(emloc.__file__)"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    said = subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True).stdout
    assert said.startswith(str(tmp_path / "installed"))


def test_it_works_without_opentelemetry() -> None:
    program = "import sys; sys.modules['opentelemetry'] = None; import emloc; emloc.Client().mesh(); print('served')"
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert said.stdout == "served\n"


def test_the_version_stands_once_more_in_the_package() -> None:
    assert f'\nversion = "{emloc.__version__}"\n' in (project / "pyproject.toml").read_text()


def test_the_lines_of_the_readme_work_one_after_the_other(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(train_rows, tmp_path / "train.jsonl")
    text = (project / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 4
    # Address and model of the reader; what is short enough for a test; all else is as it stands.
    for shown, here in (
        ("127.0.0.1:50550", client.address),
        ("/models/tiny", str(tiny_llama)),
        ("max_steps=120", "max_steps=4"),
    ):
        assert any(shown in block for block in blocks), shown
        blocks = [block.replace(shown, here) for block in blocks]
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    said = capsys.readouterr().out
    assert "train 2/2" in said
    assert "BAD_RANK" in said
    assert {path.name for path in (tmp_path / "tuned").iterdir()} == {"adapter", "adapter-uncorrected", "report.json"}
