"""The asyncio client: the methods of `emloc.client`, awaited; what is iterated there is iterated with `async for`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import grpc
import numpy.typing as npt
from typing_extensions import Self

from emloc import _linears, _rpcs, _spec
from emloc._aio_calls import AsyncCalls
from emloc._artifacts import Artifact
from emloc._channels import ChannelOption, Tls, channel_options, coordinator_address, default_timeout
from emloc._generation import AsyncInference
from emloc._linears import CompressionMethod, Corrected, Factors, LayerGrams
from emloc._rpcs import RetryPolicy
from emloc._services import Service, StartRequest, address_in, start_of
from emloc._spec import CorrectionMethod, Dataset, Model
from emloc._store import AsyncStore
from emloc._version import version
from emloc.aio_work import AsyncJob, AsyncOperation
from emloc.artifact.v1.artifact_pb2 import Source
from emloc.coordinator.v1 import fine_tune_job_pb2 as jobs
from emloc.coordinator.v1 import fine_tune_job_service_pb2 as job_service
from emloc.coordinator.v1.mesh_service_pb2 import DescribeMeshRequest, DescribeMeshResponse
from emloc.dataset.v1.dataset_pb2 import DatasetSpec


class AsyncClient(AsyncStore, AsyncInference):
    """
    A mesh, by the address of its coordinator, for programs with an event loop; parameters as `Client`'s.

    Example
    -------
    >>> async with AsyncClient("127.0.0.1:50550") as client:
    ...     job = await client.finetune(model="/models/SmolLM2-135M", dataset="train.jsonl", ratio=0.5, max_steps=120)
    ...     async for event in job.events():
    ...         print(event.stage, event.step, event.loss)
    ...     await job.download("tuned")

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
        self._channels: dict[str, AsyncCalls] = {}
        self._mesh: DescribeMeshResponse | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all calls; jobs and operations go on."""
        channels, self._channels = self._channels, {}
        for calls in channels.values():
            await calls.channel.close()

    async def mesh(self, *, timeout: float | None = default_timeout) -> DescribeMeshResponse:
        """Version, addresses of the services, and where models may lie."""
        return await (await self._calls("coordinator")).unary(_rpcs.describe_mesh, DescribeMeshRequest(), timeout)

    async def channel(self, service: Service) -> grpc.aio.Channel:
        """The channel to a service, for the generated stubs: everything that has no method here."""
        return (await self._calls(service)).channel

    # Jobs

    async def finetune(
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
    ) -> AsyncJob:
        """
        Starts a fine-tuning job; parameters as those of `Client.finetune`.

        Example
        -------
        >>> job = await client.finetune("/models/tiny", "train.jsonl", ratio=0.5, max_steps=20, learning_rate=1e-3)

        """
        made = _spec.job_spec(
            _spec.model_source(model),
            await self._rows(dataset),
            None if eval_dataset is None else await self._rows(eval_dataset),
            None if adapter_init is None else await self._input(adapter_init),
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
        await (await self._calls("coordinator")).unary(_rpcs.create_job, request, timeout)
        return AsyncJob(self, request.id)

    def job(self, id: str) -> AsyncJob:  # noqa: A002
        """A job by its id, whoever created it. Nothing is asked of the mesh yet."""
        return AsyncJob(self, id)

    async def jobs(
        self,
        *,
        state: str | None = None,
        filter: str = "",  # noqa: A002
        timeout: float | None = default_timeout,
    ) -> AsyncIterator[jobs.FineTuneJob]:
        """All jobs, the newest first; of a state, and those that a filter lets through. `timeout` is of each page."""
        request = _spec.list_jobs_request(state, filter)
        while True:
            page = await (await self._calls("coordinator")).unary(_rpcs.list_jobs, request, timeout)
            for job in page.jobs:
                yield job
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    # Stage services

    async def start(self, request: StartRequest, *, timeout: float | None = default_timeout) -> AsyncOperation:
        """Starts an operation of a stage service: any `Start…Request`; where it has no id, a new one is chosen."""
        service, rpc, named = start_of(request)
        await (await self._calls(service)).unary(rpc, named, timeout)
        return AsyncOperation(self, service, named.operation_id)

    def operation(self, service: Service, id: str) -> AsyncOperation:  # noqa: A002
        """An operation of a service by its id, whoever started it. Nothing is asked of the mesh yet."""
        return AsyncOperation(self, service, id)

    async def grams(
        self,
        model: Model,
        dataset: Dataset,
        *,
        samples: int | None = None,
        seed: int | None = None,
        memory_budget_bytes: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[LayerGrams]:
        """Calibrates: the Gram matrices of a model's linears over a data set, a layer at a time, as they are made."""
        request = _spec.calibrate_request(model, await self._rows(dataset), samples, seed, memory_budget_bytes)
        reader = _linears.GramsReader()
        async for message in (await self._calls("calibration")).raw_stream(_rpcs.calibrate, request, timeout):
            layer = reader.feed(message)
            if layer is not None:
                yield layer
        reader.end()

    async def compress(
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
        Compresses one weight (d_out, d_in) with the Gram matrix (d_in, d_in) of its inputs; see `Client.compress`.

        Example
        -------
        >>> factors = await client.compress(weight, x.T @ x, ratio=0.5)

        """
        reader = _linears.FactorsReader()
        steps = _linears.compress_steps(weight, gram, rank, ratio, method)
        async for message in (await self._calls("compression")).raw_both(_rpcs.compress, steps, timeout):
            reader.feed(message)
        return reader.result()

    async def correct(
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
        """Corrects LoRA factors that were trained beside an emulated weight, for the original; see `Client.correct`."""
        reader = _linears.CorrectedReader()
        steps = _linears.correct_steps(
            _linears.correct_tensors(lora_a, lora_b, weight, emulated_weight, factors), scale, max_correction_ratio
        )
        async for message in (await self._calls("correction")).raw_both(_rpcs.correct, steps, timeout):
            reader.feed(message)
        return reader.result()

    # Within

    async def _rows(self, dataset: Dataset) -> DatasetSpec:
        if isinstance(dataset, Artifact | Source | DatasetSpec):
            return _spec.dataset_spec(dataset)
        return _spec.dataset_spec(await self.upload(dataset))

    async def _input(self, model: Model) -> Source:
        path = _spec.local_path(model)
        return _spec.model_source(model) if path is None else (await self.upload(path)).source

    async def _calls(self, service: Service) -> AsyncCalls:
        given = self._given.get(service) or (self.address if service == "coordinator" else None)
        address = given or await self._address_of(service)
        if address not in self._channels:
            self._channels[address] = AsyncCalls(self._open(address), address, self._retry)
        return self._channels[address]

    async def _address_of(self, service: Service) -> str:
        if self._mesh is None:
            self._mesh = await self.mesh()
        return address_in(self._mesh.addresses, service)

    def _open(self, address: str) -> grpc.aio.Channel:
        if self._tls is None:
            return grpc.aio.insecure_channel(address, self._options)
        return grpc.aio.secure_channel(address, self._tls.credentials(), self._options)
