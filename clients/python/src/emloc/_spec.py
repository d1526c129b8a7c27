"""What `finetune` takes, as the specification of a job."""

from __future__ import annotations

import os
import uuid
from typing import Literal

from emloc._artifacts import Artifact
from emloc.artifact.v1.artifact_pb2 import Source
from emloc.calibration.v1.calibration_pb2 import CalibrateRequest, CalibrationOptions
from emloc.compression.v1.compression_pb2 import CompressionOptions
from emloc.coordinator.v1.fine_tune_job_pb2 import JOB_STATE_UNSPECIFIED, FineTuneJobSpec, JobState
from emloc.coordinator.v1.fine_tune_job_service_pb2 import ListFineTuneJobsRequest
from emloc.correction.v1 import correction_pb2 as correction
from emloc.dataset.v1.dataset_pb2 import DatasetSpec
from emloc.errors import EmlocError
from emloc.training.v1.training_pb2 import LoraConfig, TrainingOptions

Path = str | os.PathLike[str]
# What a stage reads that lies with the mesh: a path on its machine, or an artifact.
Model = Path | Artifact | Source
# Rows: a file of this machine, an artifact, or all that can be said about them.
Dataset = Path | Artifact | Source | DatasetSpec
CorrectionMethod = Literal["auto", "paper", "none"]


def model_source(model: Model) -> Source:
    """A path is one of the mesh's machine: models are never sent."""
    if isinstance(model, Source):
        return model
    return model.source if isinstance(model, Artifact) else Source(path=os.fspath(model))


def local_path(dataset: Dataset | Model | None) -> Path | None:
    """The path that has to be uploaded first, where it is one."""
    return None if dataset is None or isinstance(dataset, Artifact | Source | DatasetSpec) else dataset


def dataset_spec(dataset: Artifact | Source | DatasetSpec) -> DatasetSpec:
    """Nothing but where they are, unless more is said."""
    if isinstance(dataset, DatasetSpec):
        return dataset
    return DatasetSpec(source=dataset.source if isinstance(dataset, Artifact) else dataset)


def new_id() -> str:
    """For who does not choose one; creating a job of the same id twice is creating it once."""
    return f"python-{uuid.uuid4()}"


def list_jobs_request(state: str | None, where: str) -> ListFineTuneJobsRequest:
    """The first page of a state's jobs, of all where it is None, that a filter lets through."""
    wanted = JOB_STATE_UNSPECIFIED if state is None else JobState.Value(f"JOB_STATE_{state.upper()}")
    return ListFineTuneJobsRequest(state=wanted, filter=where)


def calibrate_request(
    model: Model, rows: DatasetSpec, samples: int | None, seed: int | None, memory_budget_bytes: int | None
) -> CalibrateRequest:
    """What `grams` asks for."""
    options = CalibrationOptions(dataset=rows, samples=samples, seed=seed)
    return CalibrateRequest(model=model_source(model), options=options, memory_budget_bytes=memory_budget_bytes)


def job_spec(
    model: Source,
    dataset: DatasetSpec,
    eval_dataset: DatasetSpec | None,
    adapter_init: Source | None,
    *,
    spec: FineTuneJobSpec | None,
    ratio: float | None,
    max_steps: int | None,
    learning_rate: float | None,
    seed: int | None,
    lora_r: int | None,
    lora_alpha: float | None,
    refine_steps: int | None,
    correction_method: CorrectionMethod | None,
    memory_budget_bytes: int | None,
) -> FineTuneJobSpec:
    """`spec` says what has no option of its own; the options win over it."""
    made = FineTuneJobSpec()
    if spec is not None:
        made.CopyFrom(spec)
    made.MergeFrom(FineTuneJobSpec(model=model, dataset=dataset, eval_dataset=eval_dataset, adapter_init=adapter_init))
    if ratio is not None:
        made.compression.MergeFrom(CompressionOptions(ratio=ratio))
    if (max_steps, learning_rate, seed) != (None, None, None):
        made.training.MergeFrom(TrainingOptions(max_steps=max_steps, learning_rate=learning_rate, seed=seed))
    if (lora_r, lora_alpha) != (None, None):
        made.lora.MergeFrom(LoraConfig(r=lora_r, lora_alpha=lora_alpha))
    if correction_method is not None:
        made.correction_method = _method(correction_method)
    made.MergeFrom(FineTuneJobSpec(refine_steps=refine_steps, memory_budget_bytes=memory_budget_bytes))
    return made


def _method(name: CorrectionMethod) -> correction.CorrectionMethod.ValueType:
    methods = {
        "auto": correction.CORRECTION_METHOD_AUTO,
        "paper": correction.CORRECTION_METHOD_PAPER,
        "none": correction.CORRECTION_METHOD_NONE,
    }
    if name in methods:
        return methods[name]
    raise EmlocError(
        "INVALID_ARGUMENT",
        "BAD_FIELD",
        f"there is no correction method {name}",
        field="correction_method",
        value=str(name),
        mend=f"give one of {', '.join(methods)}",
    )
