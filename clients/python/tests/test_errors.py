"""What a program can do wrong, and the reason that each service gives for refusing it."""

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
from emloc.compression.v1 import compression_pb2 as compression
from emloc.coordinator.v1.fine_tune_job_pb2 import FineTuneJobSpec
from emloc.coordinator.v1.fine_tune_job_service_pb2 import ListFineTuneJobsRequest
from emloc.correction.v1 import correction_pb2 as correction
from emloc.dataset.v1 import dataset_pb2 as datasets
from emloc.dataset.v1.dataset_pb2 import DatasetSpec
from emloc.inference.v1 import inference_pb2 as inference
from emloc.inference.v1.inference_pb2 import GenerateRequest, Prompt
from emloc.tensor.v1 import tensor_pb2
from emloc.tensor.v1.tensor_pb2 import TensorChunk, TensorEnd, TensorFrame, TensorHeader
from emloc.tensors import steps_of
from emloc.training.v1 import training_pb2 as training
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


def trains(**options: Any) -> Work:
    base: dict[str, Any] = {"model": model, "dataset": rows}
    return lambda client, _: client.start(StartTrainingRequest(**{**base, **options}))


def trains_to_its_end(**options: Any) -> Work:
    base: dict[str, Any] = {"model": model, "dataset": rows, "options": TrainingOptions(max_steps=1)}
    return lambda client, _: client.start(StartTrainingRequest(**{**base, **options})).wait()


def written(text: str, name: str = "rows.jsonl", **more: Any) -> Callable[[Path], DatasetSpec]:
    def write(directory: Path) -> DatasetSpec:
        (directory / name).write_text(text)
        return DatasetSpec(source=Source(path=str(directory / name)), **more)

    return write


def plans(data: Callable[[Path], DatasetSpec] | None = None, **options: Any) -> Work:
    rpc = _rpcs.rpc(
        training.DESCRIPTOR, "TrainingService.PlanTraining", training.PlanTrainingRequest, training.PlanTrainingResponse
    )

    def work(client: Client, directory: Path) -> object:
        dataset = rows if data is None else data(directory)
        request = training.PlanTrainingRequest(**{"model": model, "dataset": dataset, **options})
        return client._calls("training").unary(rpc, request, 60)

    return work


def compresses(**options: Any) -> Work:
    return lambda client, _: client.compress(options.pop("weight", weight), options.pop("gram", None), **options)


def sends(*steps: compression.CompressRequest | bytes) -> Work:
    return lambda client, _: list(client._calls("compression").raw_both(_rpcs.compress, steps, 60))


def sent(*frames: TensorFrame) -> Work:
    return sends(
        options,
        *(compression.CompressRequest(frame=frame) for frame in frames),
        compression.CompressRequest(end=compression.CompressEnd()),
    )


options = compression.CompressRequest(options=compression.CompressOptions(rank=1))
hello = inference.ChatMessage(role="user", content="hi")
whole = [
    step if isinstance(step, TensorFrame) else compression.CompressRequest.FromString(step).frame
    for step in steps_of("weight", weight)
]


def header(**changes: Any) -> TensorFrame:
    told = {"name": "weight", "dtype": tensor_pb2.D_TYPE_F32, "shape": (4, 3), "byte_length": 48}
    return TensorFrame(header=TensorHeader(**{**told, **changes}))


def corrects(**changes: Any) -> Work:
    tensors: dict[str, Any] = {"lora_a": np.ones((2, 3)), "lora_b": np.ones((4, 2)), "weight": np.ones((4, 3))}
    return lambda client, _: client.correct(**{**tensors, "emulated_weight": np.ones((4, 3)), **changes})


def uploads(*steps: artifacts.UploadArtifactRequest) -> Work:
    return lambda client, _: client._calls("coordinator").upload(_rpcs.upload_artifact, steps, 60)


def upload(data: bytes, size: int, digest: str = "") -> Iterable[artifacts.UploadArtifactRequest]:
    header = artifacts.UploadHeader(digest=digest, kind=artifacts.ARTIFACT_KIND_FILE)
    yield artifacts.UploadArtifactRequest(header=header)
    yield artifacts.UploadArtifactRequest(file=artifacts.FileEntry(path="x", byte_size=size))
    yield artifacts.UploadArtifactRequest(chunk=data)


def generates(**changes: Any) -> Work:
    base: dict[str, Any] = {"model": model, "prompts": [Prompt(tokens=inference.TokenRow(ids=[1, 2]))]}

    def work(client: Client, _: Path) -> object:
        request = GenerateRequest(**{**base, **changes})
        return list(client._calls("inference").stream(_rpcs.generate, request, 60))

    return work


def lists(**changes: Any) -> Work:
    return lambda client, _: client._calls("coordinator").unary(_rpcs.list_jobs, ListFineTuneJobsRequest(**changes), 60)



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
    "a page of less than nothing": ("INVALID_ARGUMENT", "BAD_FIELD", "page_size", lists(page_size=-1)),
    "a filter that is none": ("INVALID_ARGUMENT", "BAD_FILTER", "filter", lists(filter="id ~ x")),
    "a page token of nobody": ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", "page_token", lists(page_token="?")),
    "a model that is not there, in a job": (
        "NOT_FOUND", "FILE_NOT_FOUND", "model.path",
        lambda client, _: client.finetune("/no/such/model", rows).wait(),
    ),
    # Artifacts
    "a file that is not there": ("NOT_FOUND", "FILE_NOT_FOUND", "", lambda client, at: client.upload(at / "nothing")),
    "a digest that is none": (
        "INVALID_ARGUMENT", "BAD_DIGEST", "digest", lambda client, at: client.download("x", at / "y"),
    ),
    "an artifact that is not there": (
        "NOT_FOUND", "ARTIFACT_NOT_FOUND", "digest", lambda client, at: client.download(nowhere, at / "y"),
    ),
    "other bytes than their digest": (
        "DATA_LOSS", "DIGEST_MISMATCH", "digest", uploads(*upload(b"abc", 3, digest=nowhere.digest)),
    ),
    "more bytes than were said": ("DATA_LOSS", "WRONG_BYTE_SIZE", "file.byte_size", uploads(*upload(b"abcd", 3))),
    "bytes before their file": ("INVALID_ARGUMENT", "UPLOAD_ORDER", "chunk", uploads(*list(upload(b"a", 1))[::2])),
    "a file before the header": ("INVALID_ARGUMENT", "UPLOAD_ORDER", "header", uploads(*list(upload(b"a", 1))[1:])),
    # Operations
    "an operation id with a slash": (
        "INVALID_ARGUMENT", "OPERATION_ID_INVALID", "id", trains(operation_id="a/b"),
    ),
    "an operation that is not there": (
        "NOT_FOUND", "OPERATION_NOT_FOUND", "id", lambda client, _: client.operation("training", "nobody").status(),
    ),
    "a relative path": ("INVALID_ARGUMENT", "PATH_NOT_ABSOLUTE", "model.path", trains(model=Source(path="models/x"))),
    "an artifact of a request that is not there": (
        "NOT_FOUND", "ARTIFACT_NOT_FOUND", "dataset.source.artifact.digest",
        trains(dataset=DatasetSpec(source=nowhere.source)),
    ),
    "a training of nothing": ("INVALID_ARGUMENT", "FIELD_MISSING", "model", trains(model=None)),
    "a negative rate": (
        "INVALID_ARGUMENT", "BAD_OPTION", "options.learning_rate", trains(options=TrainingOptions(learning_rate=-1)),
    ),
    "a rank of 0 for an adapter": ("INVALID_ARGUMENT", "BAD_OPTION", "lora.r", trains(lora=LoraConfig(r=0))),
    "an original that is said to be an emulator": (
        "INVALID_ARGUMENT", "NOT_AN_EMULATOR", "emulator", trains_to_its_end(model=None, emulator=model),
    ),
    "a budget of a megabyte": (
        "RESOURCE_EXHAUSTED", "MEMORY_BUDGET_EXCEEDED", "memory_budget_bytes",
        trains_to_its_end(memory_budget_bytes=1_000_000),
    ),
    "an emulator without Grams": (
        "INVALID_ARGUMENT", "FIELD_MISSING", "statistics",
        lambda client, _: client.start(
            compression.StartCompressionRequest(model=model, options=compression.CompressionOptions(ratio=0.5))
        ),
    ),
    "no ratio": (
        "INVALID_ARGUMENT", "FIELD_MISSING", "options.ratio",
        lambda client, _: client.start(
            compression.StartCompressionRequest(model=model, options=compression.CompressionOptions())
        ),
    ),
    "an adapter that is none": (
        "NOT_FOUND", "NOT_AN_ADAPTER", "adapter",
        lambda client, _: client.start(correction.StartMergeRequest(model=model, adapter=model)).wait(),
    ),
    # Rows
    "no rows": ("INVALID_ARGUMENT", "EMPTY_DATASET", "", plans(written(""))),
    "an id beyond the vocabulary": (
        "INVALID_ARGUMENT", "TOKEN_OUT_OF_RANGE", "", plans(written('{"input_ids":[1,2,999]}\n')),
    ),
    "text without a tokenizer": ("FAILED_PRECONDITION", "NO_TOKENIZER", "", plans(written('{"text":"hello"}\n'))),
    "rows of no known format": (
        "INVALID_ARGUMENT", "UNKNOWN_FORMAT", "dataset.format", plans(written("a,b\n1,2\n", "x")),
    ),
    "another format than was said": (
        "INVALID_ARGUMENT", "WRONG_FORMAT", "dataset.format",
        plans(written('{"input_ids":[1]}\n', format=datasets.DATA_FORMAT_PARQUET)),
    ),
    "modules that are not there": (
        "INVALID_ARGUMENT", "TARGET_MATCHES_NOTHING", "target_modules",
        plans(lora=LoraConfig(target_modules=["x"])),
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
    "a stream that begins with a tensor": (
        "INVALID_ARGUMENT", "STREAM_ORDER", "options", sends(compression.CompressRequest(frame=whole[0])),
    ),
    "a stream that is cut": ("INVALID_ARGUMENT", "STREAM_ORDER", "end", sends(options)),
    "a tensor nobody asked for": (
        "INVALID_ARGUMENT", "TENSOR_UNEXPECTED", "frame.header.name", sent(header(name="bias")),
    ),
    "a wrong checksum": (
        "DATA_LOSS", "CHECKSUM_MISMATCH", "weight", sent(*whole[:-1], TensorFrame(end=TensorEnd(crc32=1))),
    ),
    "a tensor cut short": ("DATA_LOSS", "TENSOR_CUT_SHORT", "weight", sent(whole[0], whole[-1])),
    "too many bytes": ("DATA_LOSS", "TOO_MANY_BYTES", "weight", sent(whole[0], whole[1], whole[1])),
    "an empty chunk": (
        "INVALID_ARGUMENT", "CHUNK_SIZE", "weight", sent(whole[0], TensorFrame(chunk=TensorChunk(data=b""))),
    ),
    "a chunk before its header": ("INVALID_ARGUMENT", "FRAME_ORDER", "frame", sent(whole[1])),
    "another length than the shape's": (
        "INVALID_ARGUMENT", "WRONG_BYTE_LENGTH", "header.byte_length", sent(header(byte_length=47)),
    ),
    "no type": ("INVALID_ARGUMENT", "BAD_DTYPE", "header.dtype", sent(header(dtype=tensor_pb2.D_TYPE_UNSPECIFIED))),
    "nine axes": ("INVALID_ARGUMENT", "BAD_SHAPE", "header.shape", sent(header(shape=(1,) * 9, byte_length=4))),
    "an empty frame": ("INVALID_ARGUMENT", "EMPTY_FRAME", "frame", sent(TensorFrame())),
    "a tensor of 8 GiB": (
        "RESOURCE_EXHAUSTED", "TENSOR_TOO_LARGE", "header.byte_length",
        sent(header(shape=(1 << 31,), byte_length=1 << 33)),
    ),
    "a scale of 0": ("INVALID_ARGUMENT", "BAD_FIELD", "options.scale", corrects(scale=0)),
    "factors of another linear": ("INVALID_ARGUMENT", "SHAPE_MISMATCH", "lora_A", corrects(lora_a=np.ones((2, 5)))),
    "no emulated weight": ("INVALID_ARGUMENT", "TENSOR_MISSING", "u", corrects(emulated_weight=None)),
    # Inference
    "no prompts": ("INVALID_ARGUMENT", "FIELD_MISSING", "prompts", generates(prompts=[])),
    "a prompt for an adapter of nobody": (
        "INVALID_ARGUMENT", "UNKNOWN_ADAPTER", "prompts[0].adapter",
        generates(prompts=[Prompt(tokens=inference.TokenRow(ids=[1]), adapter="mine")]),
    ),
    "a conversation without a template": (
        "FAILED_PRECONDITION", "NO_TOKENIZER", "",
        generates(prompts=[Prompt(conversation=inference.Conversation(messages=[hello]))]),
    ),
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
