"""The calls this package makes, by their contracts: path, messages, and whether a call may be repeated."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from emloc.artifact.v1 import artifact_service_pb2 as artifacts
from emloc.calibration.v1 import calibration_pb2 as calibration
from emloc.compression.v1 import compression_pb2 as compression
from emloc.coordinator.v1 import fine_tune_job_service_pb2 as jobs
from emloc.coordinator.v1 import mesh_service_pb2 as mesh
from emloc.correction.v1 import correction_pb2 as correction
from emloc.inference.v1 import inference_pb2 as inference
from emloc.operation.v1 import operation_service_pb2 as operations
from emloc.training.v1 import training_pb2 as training

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


@dataclass(frozen=True)
class Rpc(Generic[Q, R]):
    """One method of a service."""

    path: str
    request: type[Q]
    response: type[R]
    idempotent: bool

    @property
    def service(self) -> str:
        """The service's full name."""
        return self.path.split("/")[1]

    @property
    def method(self) -> str:
        """The method's name."""
        return self.path.split("/")[2]


@dataclass(frozen=True)
class RetryPolicy:
    """
    How often a call that may be repeated is repeated when the service is away (UNAVAILABLE), by gRPC itself.

    A wait of `initial_seconds`, then each `multiplier` times as long, at most `max_seconds`, each a fifth more or less.
    The defaults outlast the restart of a service. gRPC makes five attempts at most.
    """

    attempts: int = 5
    initial_seconds: float = 0.5
    max_seconds: float = 5
    multiplier: float = 2


_files: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR
    for module in (artifacts, calibration, compression, jobs, mesh, correction, inference, operations, training)
)


def is_idempotent(method: MethodDescriptor) -> bool:
    """Whether the contract says that making the call twice is making it once."""
    return method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN


def service_config(policy: RetryPolicy) -> str:
    """gRPC's service config (gRFC A6): repeats what the contracts allow to repeat."""
    names = [
        {"service": service.full_name, "method": method.name}
        for file in _files
        for service in file.services_by_name.values()
        for method in service.methods
        if is_idempotent(method)
    ]
    retry = {
        "maxAttempts": policy.attempts,
        "initialBackoff": f"{policy.initial_seconds}s",
        "maxBackoff": f"{policy.max_seconds}s",
        "backoffMultiplier": policy.multiplier,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": retry}] if policy.attempts > 1 else []})


def methods() -> Iterable[MethodDescriptor]:
    """All methods of the mesh."""
    for file in _files:
        for service in file.services_by_name.values():
            yield from service.methods


def rpc(file: FileDescriptor, name: str, request: type[Q], response: type[R]) -> Rpc[Q, R]:
    """`name` is `Service.Method`; the messages must be those of the contract."""
    service, method = name.split(".")
    descriptor = file.services_by_name[service].methods_by_name[method]
    if (descriptor.input_type, descriptor.output_type) != (request.DESCRIPTOR, response.DESCRIPTOR):
        raise TypeError(f"{name} takes {descriptor.input_type.full_name} and gives {descriptor.output_type.full_name}")
    path = f"/{descriptor.containing_service.full_name}/{method}"
    return Rpc(path, request, response, is_idempotent(descriptor))


describe_mesh = rpc(mesh.DESCRIPTOR, "MeshService.DescribeMesh", mesh.DescribeMeshRequest, mesh.DescribeMeshResponse)

_a = artifacts.DESCRIPTOR
get_artifact = rpc(_a, "ArtifactService.GetArtifact", artifacts.GetArtifactRequest, artifacts.GetArtifactResponse)
list_artifacts = rpc(
    _a, "ArtifactService.ListArtifacts", artifacts.ListArtifactsRequest, artifacts.ListArtifactsResponse
)
upload_artifact = rpc(
    _a, "ArtifactService.UploadArtifact", artifacts.UploadArtifactRequest, artifacts.UploadArtifactResponse
)
download_artifact = rpc(
    _a, "ArtifactService.DownloadArtifact", artifacts.DownloadArtifactRequest, artifacts.DownloadArtifactResponse
)

_j, _job = jobs.DESCRIPTOR, "FineTuneJobService"
create_job = rpc(_j, f"{_job}.CreateFineTuneJob", jobs.CreateFineTuneJobRequest, jobs.CreateFineTuneJobResponse)
get_job = rpc(_j, f"{_job}.GetFineTuneJob", jobs.GetFineTuneJobRequest, jobs.GetFineTuneJobResponse)
list_jobs = rpc(_j, f"{_job}.ListFineTuneJobs", jobs.ListFineTuneJobsRequest, jobs.ListFineTuneJobsResponse)
watch_job = rpc(_j, f"{_job}.WatchFineTuneJob", jobs.WatchFineTuneJobRequest, jobs.WatchFineTuneJobResponse)
pause_job = rpc(_j, f"{_job}.PauseFineTuneJob", jobs.PauseFineTuneJobRequest, jobs.PauseFineTuneJobResponse)
cancel_job = rpc(_j, f"{_job}.CancelFineTuneJob", jobs.CancelFineTuneJobRequest, jobs.CancelFineTuneJobResponse)
resume_job = rpc(_j, f"{_job}.ResumeFineTuneJob", jobs.ResumeFineTuneJobRequest, jobs.ResumeFineTuneJobResponse)
delete_job = rpc(_j, f"{_job}.DeleteFineTuneJob", jobs.DeleteFineTuneJobRequest, jobs.DeleteFineTuneJobResponse)

_o, _operation = operations.DESCRIPTOR, "OperationService"
get_operation = rpc(_o, f"{_operation}.GetOperation", operations.GetOperationRequest, operations.GetOperationResponse)
watch_operation = rpc(
    _o, f"{_operation}.WatchOperation", operations.WatchOperationRequest, operations.WatchOperationResponse
)
pause_operation = rpc(
    _o, f"{_operation}.PauseOperation", operations.PauseOperationRequest, operations.PauseOperationResponse
)
cancel_operation = rpc(
    _o, f"{_operation}.CancelOperation", operations.CancelOperationRequest, operations.CancelOperationResponse
)
resume_operation = rpc(
    _o, f"{_operation}.ResumeOperation", operations.ResumeOperationRequest, operations.ResumeOperationResponse
)
delete_operation = rpc(
    _o, f"{_operation}.DeleteOperation", operations.DeleteOperationRequest, operations.DeleteOperationResponse
)

calibrate = rpc(
    calibration.DESCRIPTOR, "CalibrationService.Calibrate", calibration.CalibrateRequest, calibration.CalibrateResponse
)
compress = rpc(
    compression.DESCRIPTOR, "CompressionService.Compress", compression.CompressRequest, compression.CompressResponse
)
correct = rpc(correction.DESCRIPTOR, "CorrectionService.Correct", correction.CorrectRequest, correction.CorrectResponse)
generate = rpc(inference.DESCRIPTOR, "InferenceService.Generate", inference.GenerateRequest, inference.GenerateResponse)
score = rpc(inference.DESCRIPTOR, "InferenceService.Score", inference.ScoreRequest, inference.ScoreResponse)
