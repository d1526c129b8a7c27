"""
What a program can do wrong with the methods of the client, and the reason that it is given.

All that services say are in test_reasons.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emloc import Artifact, Client, EmlocError, _rpcs
from emloc._artifacts import read_content
from emloc.artifact.v1 import artifact_service_pb2 as artifacts
from emloc.artifact.v1.artifact_pb2 import Source
from emloc.coordinator.v1.fine_tune_job_pb2 import FineTuneJobSpec
from emloc.dataset.v1 import dataset_pb2 as datasets
from emloc.dataset.v1.dataset_pb2 import DatasetSpec
from emloc.training.v1.training_pb2 import LoraConfig, StartTrainingRequest, TrainingOptions

from .conftest import tiny_llama, train_rows

model = Source(path=str(tiny_llama))
rows = DatasetSpec(source=Source(path=str(train_rows)))
nowhere = Artifact(f"sha256:{'0' * 64}")
weight = np.ones((4, 3), np.float32)

Work = Callable[[Client, Path], object]
Case = tuple[str, str, str, Work]


def finetune(**options: Any) -> Work:
    return lambda client, _: client.finetune(options.pop("model", model), options.pop("dataset", rows), **options)


def compresses(**options: Any) -> Work:
    return lambda client, _: client.compress(options.pop("weight", weight), options.pop("gram", None), **options)


def corrects(**changes: Any) -> Work:
    tensors: dict[str, Any] = {"lora_a": np.ones((2, 3)), "lora_b": np.ones((4, 2)), "weight": np.ones((4, 3))}
    return lambda client, _: client.correct(**{**tensors, "emulated_weight": np.ones((4, 3)), **changes})


def upload(data: bytes, size: int, digest: str = "") -> Iterable[artifacts.UploadArtifactRequest]:
    header = artifacts.UploadHeader(digest=digest, kind=artifacts.ARTIFACT_KIND_FILE)
    yield artifacts.UploadArtifactRequest(header=header)
    yield artifacts.UploadArtifactRequest(file=artifacts.FileEntry(path="x", byte_size=size))
    yield artifacts.UploadArtifactRequest(chunk=data)


cases: dict[str, Case] = {
    # Jobs
    "a job id with a slash": ("INVALID_ARGUMENT", "BAD_FIELD", "id", finetune(id="a/b")),
    "a job without rows": ("INVALID_ARGUMENT", "FIELD_MISSING", "spec.dataset.source", finetune(dataset=DatasetSpec())),
    "a ratio of 2": ("INVALID_ARGUMENT", "BAD_FIELD", "spec.compression.ratio", finetune(ratio=2)),
    "no steps": ("INVALID_ARGUMENT", "BAD_FIELD", "spec.training.max_steps", finetune(max_steps=0)),
    "more exact steps than steps": (
        "INVALID_ARGUMENT", "BAD_FIELD", "spec.refine_steps", finetune(max_steps=2, refine_steps=3),
    ),
    "a split that the job sets": (
        "INVALID_ARGUMENT", "BAD_FIELD", "spec.dataset.split",
        finetune(spec=FineTuneJobSpec(dataset=DatasetSpec(split=datasets.HeldOutSplit(rows=3)))),
    ),
    "an unknown correction": ("INVALID_ARGUMENT", "BAD_FIELD", "correction_method", finetune(correction_method="best")),
    "a job that is not there": ("NOT_FOUND", "JOB_NOT_FOUND", "id", lambda client, _: client.job("nobody").status()),
    # Artifacts
    "a file that is not there": ("NOT_FOUND", "FILE_NOT_FOUND", "", lambda client, at: client.upload(at / "nothing")),
    "a digest that is none": (
        "INVALID_ARGUMENT", "BAD_DIGEST", "digest", lambda client, at: client.download("x", at / "y"),
    ),
    "an artifact that is not there": (
        "NOT_FOUND", "ARTIFACT_NOT_FOUND", "digest", lambda client, at: client.download(nowhere, at / "y"),
    ),
    # Operations
    "an operation that is not there": (
        "NOT_FOUND", "OPERATION_NOT_FOUND", "id", lambda client, _: client.operation("training", "nobody").status(),
    ),
    # Tensors
    "a rank of 0": ("INVALID_ARGUMENT", "BAD_RANK", "rank", compresses(rank=0)),
    "a ratio of 1": ("INVALID_ARGUMENT", "RATIO_OUT_OF_RANGE", "options.ratio", compresses(ratio=1)),
    "rank and ratio": ("INVALID_ARGUMENT", "BAD_FIELD", "options.rank", compresses(rank=1, ratio=0.5)),
    "an unknown method": ("INVALID_ARGUMENT", "BAD_FIELD", "method", compresses(rank=1, method="best")),
    "no Gram": ("INVALID_ARGUMENT", "TENSOR_MISSING", "gram", compresses(rank=1, method="activation_svd")),
    "a Gram of another linear": ("INVALID_ARGUMENT", "SHAPE_MISMATCH", "gram", compresses(rank=1, gram=np.eye(4))),
    "a weight with three axes": (
        "INVALID_ARGUMENT", "SHAPE_MISMATCH", "weight", compresses(rank=1, weight=np.ones((2, 2, 2), np.float32)),
    ),
    "a weight that is not finite": (
        "INVALID_ARGUMENT", "NOT_FINITE", "weight",
        compresses(rank=1, weight=np.full((4, 3), np.nan, np.float32)),
    ),
    "a Gram with negative eigenvalues": (
        "FAILED_PRECONDITION", "BAD_GRAM", "gram", compresses(rank=1, gram=-np.eye(3)),
    ),
    "complex numbers": (
        "INVALID_ARGUMENT", "BAD_DTYPE", "weight", compresses(rank=1, weight=weight.astype(np.complex64)),
    ),
    "a scale of 0": ("INVALID_ARGUMENT", "BAD_FIELD", "options.scale", corrects(scale=0)),
    "factors of another linear": ("INVALID_ARGUMENT", "SHAPE_MISMATCH", "lora_A", corrects(lora_a=np.ones((2, 5)))),
    "no emulated weight": ("INVALID_ARGUMENT", "TENSOR_MISSING", "u", corrects(emulated_weight=None)),
}


@pytest.mark.parametrize("name", cases)
def test_it_is_refused_with_its_reason(name: str, client: Client, tmp_path: Path) -> None:
    code, reason, field, work = cases[name]
    with pytest.raises(EmlocError) as raised:
        work(client, tmp_path)
    error = raised.value
    assert (error.code, error.reason) == (code, reason), str(error)
    assert error.message
    if field:
        assert error.field == field, str(error)


def test_the_same_operation_id_with_another_request_is_refused(client: Client) -> None:
    request = StartTrainingRequest(
        operation_id="used", model=model, dataset=rows, lora=LoraConfig(r=2), options=TrainingOptions(max_steps=10**6)
    )
    operation = client.start(request)
    assert client.start(request).id == "used"
    request.lora.r = 3
    with pytest.raises(EmlocError, match="OPERATION_ID_REUSED"):
        client.start(request)
    with pytest.raises(EmlocError, match="OPERATION_ACTIVE"):
        operation.delete()
    operation.cancel()
    with pytest.raises(EmlocError, match="OPERATION_CANCELLED"):
        operation.wait()


def test_what_cannot_be_read_here_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "loop").symlink_to(tmp_path)
    with pytest.raises(EmlocError, match="NOT_A_REGULAR_FILE"):
        read_content(tmp_path / "folder")


def test_an_upload_whose_file_goes_away_raises_its_own_error(client: Client) -> None:
    def steps() -> Iterator[artifacts.UploadArtifactRequest]:
        yield from list(upload(b"abc", 6))
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        client._calls("coordinator").upload(_rpcs.upload_artifact, steps(), 60)
