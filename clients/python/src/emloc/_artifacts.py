"""
Files and directories under the digest of their content (docs/decisions/0402), on their way to and from the store.

Without a transport: the same for the synchronous and the asyncio client.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from typing_extensions import Self

from emloc.artifact.v1 import artifact_service_pb2 as service
from emloc.artifact.v1.artifact_pb2 import ArtifactReference, Source
from emloc.errors import EmlocError
from emloc.tensors import chunk_bytes

max_files = 10_000


@dataclass(frozen=True)
class Artifact:
    """
    A file or directory in the store of the mesh.

    Attributes
    ----------
    digest
        "sha256:" and 64 hexadecimal digits, of the content.
    byte_size
        The sum of the lengths of its files; 0: not known.

    """

    digest: str
    byte_size: int = 0

    @classmethod
    def of(cls, reference: ArtifactReference) -> Artifact:
        """What a result names."""
        return cls(reference.digest, reference.byte_size)

    @property
    def source(self) -> Source:
        """As requests name what a stage reads."""
        return Source(artifact=ArtifactReference(digest=self.digest))


@dataclass(frozen=True)
class LocalContent:
    """What there is to upload: `files` are relative paths and lengths, sorted by the bytes of the path."""

    root: Path
    digest: str
    files: tuple[tuple[str, int], ...]
    is_directory: bool

    @property
    def artifact(self) -> Artifact:
        """What it will be in the store."""
        return Artifact(self.digest, sum(size for _, size in self.files))


def read_content(path: str | os.PathLike[str]) -> LocalContent:
    """Reads all of it once, for the digest."""
    root = Path(path)
    try:
        if not root.is_dir():
            return LocalContent(
                root, f"sha256:{_sha256(root)}", ((root.name, root.stat().st_size),), is_directory=False
            )
        files = _files_below(root)
        listing = hashlib.sha256(b"emloc.directory.v1\n")
        for name, size in files:
            listing.update(f"{name}\0{size}\0{_sha256(root / name)}\n".encode())
        return LocalContent(root, f"sha256:{listing.hexdigest()}", files, is_directory=True)
    except FileNotFoundError as error:
        raise EmlocError(
            "NOT_FOUND",
            "FILE_NOT_FOUND",
            f"no such file or directory: {error.filename}",
            value=str(path),
            mend="check the path",
        ) from error
    except PermissionError as error:
        raise EmlocError(
            "PERMISSION_DENIED", "FILE_NOT_ACCESSIBLE", f"permission denied: {error.filename}", value=str(path)
        ) from error


def upload_steps(content: LocalContent) -> Iterator[service.UploadArtifactRequest]:
    """The client's side of `UploadArtifact`."""
    kind = service.ARTIFACT_KIND_DIRECTORY if content.is_directory else service.ARTIFACT_KIND_FILE
    yield service.UploadArtifactRequest(header=service.UploadHeader(digest=content.digest, kind=kind))
    for name, size in content.files:
        yield service.UploadArtifactRequest(file=service.FileEntry(path=name, byte_size=size))
        with (content.root / name if content.is_directory else content.root).open("rb") as file:
            while data := file.read(chunk_bytes):
                yield service.UploadArtifactRequest(chunk=data)


class Download:
    """
    Writes what `DownloadArtifact` sends beside `target`, and renames it there when it is whole and has its digest.

    A context manager: nothing half-written stays behind.
    """

    def __init__(self, target: str | os.PathLike[str], digest: str, *, is_directory: bool) -> None:
        self._target = Path(target)
        self._digest = digest
        self._is_directory = is_directory
        self._file: BinaryIO | None = None
        self._name = ""
        self._size = 0
        self._sum = hashlib.sha256()
        self._listing = hashlib.sha256(b"emloc.directory.v1\n")

    def __enter__(self) -> Self:
        if os.path.lexists(self._target):
            raise EmlocError(
                "ALREADY_EXISTS",
                "OUTPUT_EXISTS",
                f"{self._target} exists",
                value=str(self._target),
                mend="choose another path, or remove it",
            )
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._draft = Path(tempfile.mkdtemp(prefix=f".{self._target.name}-", dir=self._target.parent))
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        shutil.rmtree(self._draft, ignore_errors=True)

    def feed(self, step: service.DownloadArtifactResponse) -> None:
        """One message."""
        if step.HasField("file"):
            self._end_file()
            self._name = check_relative_path(step.file.path) if self._is_directory else "file"
            path = self._draft / "content" / self._name
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file, self._size, self._sum = path.open("xb"), 0, hashlib.sha256()
        elif self._file is not None:
            self._file.write(step.chunk)
            self._size += len(step.chunk)
            self._sum.update(step.chunk)

    def finish(self) -> Path:
        """Where it is now."""
        self._end_file()
        digest = f"sha256:{(self._listing if self._is_directory else self._sum).hexdigest()}"
        if digest != self._digest:
            raise EmlocError(
                "DATA_LOSS", "DOWNLOAD_DAMAGED", f"what came is {digest}, not {self._digest}", mend="download it again"
            )
        content = self._draft / "content"
        content.mkdir(exist_ok=True)
        (content if self._is_directory else content / "file").rename(self._target)
        return self._target

    def _end_file(self) -> None:
        if self._file is None:
            return
        self._file.close()
        self._file = None
        self._listing.update(f"{self._name}\0{self._size}\0{self._sum.hexdigest()}\n".encode())


def check_relative_path(path: str) -> str:
    """A name from another machine, before it touches a disk."""
    parts = path.split("/")
    bad = len(path) > 1024 or any(part in ("", ".", "..") for part in parts) or any(c == "\\" or c < " " for c in path)
    if bad:
        raise EmlocError("DATA_LOSS", "BAD_PATH", f"{path[:100]!r} is no path inside an artifact", value=path[:100])
    return path


def _sha256(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(chunk_bytes):
            total.update(data)
    return total.hexdigest()


def _files_below(root: Path) -> tuple[tuple[str, int], ...]:
    files: list[tuple[str, int]] = []
    for folder, names, leaves in os.walk(root):
        relative = Path(folder).relative_to(root)
        linked = [name for name in names if (Path(folder) / name).is_symlink()]
        for name in linked + leaves:
            path = Path(folder) / name
            if not path.is_file():
                raise EmlocError(
                    "INVALID_ARGUMENT",
                    "NOT_A_REGULAR_FILE",
                    f"{path} is neither a file nor a folder",
                    value=str(path),
                    mend="put a copy of the file itself there",
                )
            files.append(((relative / name).as_posix(), path.stat().st_size))
        if len(files) > max_files:
            raise EmlocError(
                "INVALID_ARGUMENT",
                "TOO_MANY_FILES",
                f"{root} has more than {max_files} files",
                value=str(root),
                mend="name the model, adapter or data directory itself",
            )
    return tuple(sorted(files, key=lambda file: file[0].encode()))
