"""Which service serves what."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from emloc import _rpcs
from emloc._rpcs import Rpc
from emloc.calibration.v1 import calibration_pb2 as calibration
from emloc.compression.v1 import compression_pb2 as compression
from emloc.correction.v1 import correction_pb2 as correction
from emloc.errors import EmlocError
from emloc.inference.v1 import inference_pb2 as inference
from emloc.training.v1 import training_pb2 as training

Service = Literal["coordinator", "calibration", "compression", "training", "correction", "inference"]

# What starts an operation of a stage service.
StartRequest = (
    calibration.StartCalibrationRequest
    | compression.StartCompressionRequest
    | training.StartTrainingRequest
    | correction.StartCorrectionRequest
    | correction.StartMergeRequest
    | inference.StartEvaluationRequest
)
Start = TypeVar("Start", bound=StartRequest)

_starts: dict[type[Any], tuple[Service, Rpc[Any, Any]]] = {
    calibration.StartCalibrationRequest: (
        "calibration",
        _rpcs.rpc(
            calibration.DESCRIPTOR,
            "CalibrationService.StartCalibration",
            calibration.StartCalibrationRequest,
            calibration.StartCalibrationResponse,
        ),
    ),
    compression.StartCompressionRequest: (
        "compression",
        _rpcs.rpc(
            compression.DESCRIPTOR,
            "CompressionService.StartCompression",
            compression.StartCompressionRequest,
            compression.StartCompressionResponse,
        ),
    ),
    training.StartTrainingRequest: (
        "training",
        _rpcs.rpc(
            training.DESCRIPTOR,
            "TrainingService.StartTraining",
            training.StartTrainingRequest,
            training.StartTrainingResponse,
        ),
    ),
    correction.StartCorrectionRequest: (
        "correction",
        _rpcs.rpc(
            correction.DESCRIPTOR,
            "CorrectionService.StartCorrection",
            correction.StartCorrectionRequest,
            correction.StartCorrectionResponse,
        ),
    ),
    correction.StartMergeRequest: (
        "correction",
        _rpcs.rpc(
            correction.DESCRIPTOR,
            "CorrectionService.StartMerge",
            correction.StartMergeRequest,
            correction.StartMergeResponse,
        ),
    ),
    inference.StartEvaluationRequest: (
        "inference",
        _rpcs.rpc(
            inference.DESCRIPTOR,
            "InferenceService.StartEvaluation",
            inference.StartEvaluationRequest,
            inference.StartEvaluationResponse,
        ),
    ),
}


def start_of(request: Start) -> tuple[Service, Rpc[Any, Any], Start]:
    """Service, rpc, and the request with an id: where the caller chose none, a new one."""
    service, rpc = _starts[type(request)]
    named = type(request)()
    named.MergeFrom(cast("Any", request))
    named.operation_id = request.operation_id or f"python-{uuid.uuid4()}"
    return service, rpc, named


def address_in(addresses: Mapping[str, str], service: Service) -> str:
    """The address that the mesh gives for a service."""
    if service in addresses:
        return addresses[service]
    raise EmlocError(
        "NOT_FOUND",
        "SERVICE_UNKNOWN",
        f"the mesh names no {service} service",
        value=service,
        mend="name its address in `addresses`",
    )
