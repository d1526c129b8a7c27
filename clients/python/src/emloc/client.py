"""The synchronous client. The asyncio one, `emloc.aio`, has the same methods, awaited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock

import grpc
import numpy.typing as npt
from typing_extensions import Self

from emloc import _linears, _rpcs, _spec
from emloc._artifacts import Artifact
from emloc._calls import Calls
from emloc._channels import ChannelOption, Tls, channel_options, coordinator_address, default_timeout
from emloc._generation import Inference
from emloc._linears import CompressionMethod, Corrected, Factors, LayerGrams
from emloc._rpcs import RetryPolicy
from emloc._services import Service, StartRequest, address_in, start_of
from emloc._spec import CorrectionMethod, Dataset, Model
from emloc._store import Store
from emloc._version import version
from emloc.artifact.v1.artifact_pb2 import Source
from emloc.coordinator.v1 import fine_tune_job_pb2 as jobs
from emloc.coordinator.v1 import fine_tune_job_service_pb2 as job_service
from emloc.coordinator.v1.mesh_service_pb2 import DescribeMeshRequest, DescribeMeshResponse
from emloc.dataset.v1.dataset_pb2 import DatasetSpec
from emloc.work import Job, Operation


class Client(Store, Inference):
    """
    A mesh, by the address of its coordinator. Threads may share it. Close it, or use it as a context.

    Parameters
    ----------
    address
        `host:port` of the coordinator; `None`: EMLOC_ADDRESS, else EMLOC_COORDINATOR_ADDRESS, else 127.0.0.1:50550.
    tls
        `None`: as the variables EMLOC_TLS_* say; without them plain text.
    addresses
        Of services that this machine reaches under other addresses than the mesh gives.
    retry
        How often calls that may be repeated are.
    patience
        For how many seconds a watch waits for a service that went away.
    options
        Channel options of gRPC, which win over this package's.

    Example
    -------
    >>> with Client("127.0.0.1:50550") as client:
    ...     job = client.finetune(model="/models/SmolLM2-135M", dataset="train.jsonl", ratio=0.5, max_steps=120)
    ...     for event in job.events():
    ...         print(event.stage, event.step, event.loss)
    ...     job.download("tuned")

    """

    def __init__(
        self,
        address: str | None = None,
        *,
        tls: Tls | None = None,
        addresses: Mapping[str, str] | None = None,
        retry: RetryPolicy | None = None,
        patience: float = 120,
        options: Sequence[ChannelOption] = (),
    ) -> None:
        self.address = coordinator_address(address)
        self.patience = patience
        self._tls = tls or Tls.from_environment()
        self._retry = retry or RetryPolicy()
        self._options = channel_options(self._retry, self._tls, options, version)
        self._given: Mapping[str, str] = dict(addresses or {})
        self._channels: dict[str, Calls] = {}
        self._lock = Lock()
        self._mesh: DescribeMeshResponse | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all calls; jobs and operations go on."""
        with self._lock:
            for calls in self._channels.values():
                calls.channel.close()
            self._channels.clear()

    def mesh(self, *, timeout: float | None = default_timeout) -> DescribeMeshResponse:
        """Version, addresses of the services, and where models may lie."""
        return self._calls("coordinator").unary(_rpcs.describe_mesh, DescribeMeshRequest(), timeout)

    def channel(self, service: Service) -> grpc.Channel:
        """
        The channel to a service, for the generated stubs: everything that has no method here.

        Example
        -------
        >>> from emloc.operation.v1.operation_service_pb2_grpc import OperationServiceStub
        >>> OperationServiceStub(client.channel("training")).ListOperations(request)

        """
        return self._calls(service).channel

    # Jobs

    def finetune(
        self,
        model: Model,
        dataset: Dataset,
        *,
        id: str | None = None,  # noqa: A002
        eval_dataset: Dataset | None = None,
        ratio: float | None = None,
        max_steps: int | None = None,
        learning_rate: float | None = None,
        seed: int | None = None,
        lora_r: int | None = None,
        lora_alpha: float | None = None,
        refine_steps: int | None = None,
        correction_method: CorrectionMethod | None = None,
        memory_budget_bytes: int | None = None,
        adapter_init: Model | None = None,
        spec: jobs.FineTuneJobSpec | None = None,
        timeout: float | None = default_timeout,
    ) -> Job:
        """
        Starts a fine-tuning job. The defaults of all options are the mesh's (`FineTuneJobSpec`).

        Parameters
        ----------
        model
            A path on the mesh's machine, inside its model roots, or an artifact. Models are never sent.
        dataset, eval_dataset
            A file of this machine, which is uploaded where the store does not hold it, an artifact, or a `DatasetSpec`.
        id
            Creating the same id with the same specification again is creating it once. Default: a new one.
        adapter_init
            A PEFT adapter to start from: a directory of this machine, which is uploaded, or an artifact.
        spec
            What has no option here; the options win over it.
        timeout
            Of the call that creates the job, not of the job.

        Example
        -------
        >>> job = client.finetune("/models/tiny", "train.jsonl", ratio=0.5, max_steps=20, learning_rate=1e-3)

        """
        made = _spec.job_spec(
            _spec.model_source(model),
            self._rows(dataset),
            None if eval_dataset is None else self._rows(eval_dataset),
            None if adapter_init is None else self._input(adapter_init),
            spec=spec,
            ratio=ratio,
            max_steps=max_steps,
            learning_rate=learning_rate,
            seed=seed,
            lora_r=lora_r,
            lora_alpha=lora_alpha,
            refine_steps=refine_steps,
            correction_method=correction_method,
            memory_budget_bytes=memory_budget_bytes,
        )
        request = job_service.CreateFineTuneJobRequest(id=_spec.new_id() if id is None else id, spec=made)
        self._calls("coordinator").unary(_rpcs.create_job, request, timeout)
        return Job(self, request.id)

    def job(self, id: str) -> Job:  # noqa: A002
        """
        A job by its id, whoever created it: how a program finds its job again. Nothing is asked of the mesh yet.

        Example
        -------
        >>> client.job("monday").wait().chosen

        """
        return Job(self, id)

    def jobs(
        self,
        *,
        state: str | None = None,
        filter: str = "",  # noqa: A002
        timeout: float | None = default_timeout,
    ) -> Iterator[jobs.FineTuneJob]:
        """
        All jobs, the newest first; of a state, and those that a filter lets through. `timeout` is of each page.

        Example
        -------
        >>> [job.id for job in client.jobs(filter="id = night-* AND state = RUNNING")]

        """
        request = _spec.list_jobs_request(state, filter)
        while True:
            page = self._calls("coordinator").unary(_rpcs.list_jobs, request, timeout)
            yield from page.jobs
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    # Stage services

    def start(self, request: StartRequest, *, timeout: float | None = default_timeout) -> Operation:
        """
        Starts an operation of a stage service: any `Start…Request`; where it has no id, a new one is chosen.

        Example
        -------
        >>> merge = client.start(StartMergeRequest(model=Source(path="/models/tiny"), adapter=result.adapter.source))
        >>> client.download(merge.wait().merge.model.digest, "merged")

        """
        service, rpc, named = start_of(request)
        self._calls(service).unary(rpc, named, timeout)
        return Operation(self, service, named.operation_id)

    def operation(self, service: Service, id: str) -> Operation:  # noqa: A002
        """An operation of a service by its id, whoever started it. Nothing is asked of the mesh yet."""
        return Operation(self, service, id)

    def grams(
        self,
        model: Model,
        dataset: Dataset,
        *,
        samples: int | None = None,
        seed: int | None = None,
        memory_budget_bytes: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[LayerGrams]:
        """
        Calibrates: the Gram matrices of a model's linears over a data set, a layer at a time, as they are made.

        Example
        -------
        >>> for layer in client.grams("/models/tiny", "train.jsonl", samples=64):
        ...     for module, gram in layer.grams.items():
        ...         print(module, gram.shape)

        """
        request = _spec.calibrate_request(model, self._rows(dataset), samples, seed, memory_budget_bytes)
        reader = _linears.GramsReader()
        for message in self._calls("calibration").raw_stream(_rpcs.calibrate, request, timeout):
            layer = reader.feed(message)
            if layer is not None:
                yield layer
        reader.end()

    def compress(
        self,
        weight: npt.ArrayLike,
        gram: npt.ArrayLike | None = None,
        *,
        rank: int | None = None,
        ratio: float | None = None,
        method: CompressionMethod | None = None,
        timeout: float | None = None,
    ) -> Factors:
        """
        Compresses one weight (d_out, d_in) with the Gram matrix (d_in, d_in) of its inputs; without one by plain SVD.

        Either `rank`, or `ratio`: the share of the weight's parameters that the factors hold, in (0, 1).

        Example
        -------
        >>> factors = client.compress(weight, x.T @ x, ratio=0.5)
        >>> approximation = factors.u @ factors.v

        """
        reader = _linears.FactorsReader()
        steps = _linears.compress_steps(weight, gram, rank, ratio, method)
        for message in self._calls("compression").raw_both(_rpcs.compress, steps, timeout):
            reader.feed(message)
        return reader.result()

    def correct(
        self,
        lora_a: npt.ArrayLike,
        lora_b: npt.ArrayLike,
        weight: npt.ArrayLike,
        emulated_weight: npt.ArrayLike | None = None,
        *,
        factors: Factors | tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        scale: float | None = None,
        max_correction_ratio: float | None = None,
        timeout: float | None = None,
    ) -> Corrected:
        """
        Corrects LoRA factors A (r, d_in) and B (d_out, r), trained beside an emulated weight, for the original one.

        The emulated weight is given as a whole (d_out, d_in), or as `factors`: u (d_out, k) and v (k, d_in). `scale` is
        lora_alpha / r, 1 unless given.

        Example
        -------
        >>> corrected = client.correct(a, b, weight, factors=client.compress(weight, gram, ratio=0.5))
        >>> tuned = weight + corrected.lora_b @ corrected.lora_a

        """
        reader = _linears.CorrectedReader()
        steps = _linears.correct_steps(
            _linears.correct_tensors(lora_a, lora_b, weight, emulated_weight, factors), scale, max_correction_ratio
        )
        for message in self._calls("correction").raw_both(_rpcs.correct, steps, timeout):
            reader.feed(message)
        return reader.result()

    # Within

    def _rows(self, dataset: Dataset) -> DatasetSpec:
        if isinstance(dataset, Artifact | Source | DatasetSpec):
            return _spec.dataset_spec(dataset)
        return _spec.dataset_spec(self.upload(dataset))

    def _input(self, model: Model) -> Source:
        path = _spec.local_path(model)
        return _spec.model_source(model) if path is None else self.upload(path).source

    def _calls(self, service: Service) -> Calls:
        given = self._given.get(service) or (self.address if service == "coordinator" else None)
        address = given or self._address_of(service)
        with self._lock:
            if address not in self._channels:
                self._channels[address] = Calls(self._open(address), address, self._retry)
            return self._channels[address]

    def _address_of(self, service: Service) -> str:
        if self._mesh is None:
            self._mesh = self.mesh()
        return address_in(self._mesh.addresses, service)

    def _open(self, address: str) -> grpc.Channel:
        if self._tls is None:
            return grpc.insecure_channel(address, self._options)
        return grpc.secure_channel(address, self._tls.credentials(), self._options)
