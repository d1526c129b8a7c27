"""
Makes the message and service stubs of `src/emloc/*/v1` from the contracts in `proto/`.

Hatchling calls it before it builds a wheel; `python hatch_build.py` makes the stubs alone, for work on the client.
In a source distribution the contracts lie beside this file, in the repository two folders up.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

root = Path(__file__).resolve().parent


def contracts() -> Path:
    """The folder of the `.proto` files."""
    for folder in (root / "proto", root.parent.parent / "proto"):
        if (folder / "emloc").is_dir():
            return folder
    raise FileNotFoundError("no proto/emloc beside hatch_build.py or at the root of the repository")


def make_stubs(target: Path = root / "src" / "emloc") -> None:
    """Puts `<package>/v1/*_pb2.py`, `.pyi` files and service stubs below `target`, in place of those that are there."""
    proto = contracts()
    files = sorted(str(file.relative_to(proto)) for file in (proto / "emloc").rglob("*.proto"))
    with tempfile.TemporaryDirectory(dir=target) as made:
        # google/rpc is in googleapis-common-protos; descriptor.proto and its like come with the compiler.
        includes = [f"-I{proto}", f"-I{resources.files('grpc_tools') / '_proto'}"]
        kinds = ("python", "grpc_python", "mypy", "mypy_grpc")
        subprocess.run(  # noqa: S603
            [
                sys.executable,
                "-m",
                "grpc_tools.protoc",
                *includes,
                *plugins(),
                *(f"--{k}_out={made}" for k in kinds),
                *files,
            ],
            check=True,
            stderr=subprocess.DEVNULL if "-q" in sys.argv else None,
        )
        for package in sorted((Path(made) / "emloc").iterdir()):
            for folder in (package, package / "v1"):
                (folder / "__init__.py").touch()
            shutil.rmtree(target / package.name, ignore_errors=True)
            shutil.move(package, target / package.name)


def plugins() -> list[str]:
    """The compiler's plugins for `.pyi` files, of the same environment as this Python."""
    names = ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    found = {
        name: shutil.which(name, path=Path(sys.executable).parent.as_posix()) or shutil.which(name) for name in names
    }
    return [f"--plugin={name}={path}" for name, path in found.items()]


class StubsHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's way in."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before a wheel is built."""
        if self.target_name == "wheel":
            make_stubs()


if __name__ == "__main__":
    make_stubs()
