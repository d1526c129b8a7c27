"""How calls fail and are made again, against a server that fails as told: what a mesh cannot be made to do at will."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, Help, RetryInfo
from google.rpc.status_pb2 import Status

from emloc import AsyncClient, Client, EmlocError, RetryPolicy
from emloc._rpcs import methods, service_config
from emloc.compression.v1.compression_pb2 import CompressResponse, CompressSummary
from emloc.coordinator.v1.fine_tune_job_pb2 import FineTuneJob
from emloc.coordinator.v1.fine_tune_job_service_pb2 import GetFineTuneJobResponse
from emloc.tensor.v1.tensor_pb2 import TensorEnd, TensorFrame
from emloc.tensors import steps_of

jobs = "emloc.coordinator.v1.FineTuneJobService"


def status(code: grpc.StatusCode, reason: str, *details: Any) -> tuple[grpc.StatusCode, bytes]:
    packed = []
    for detail in (ErrorInfo(reason=reason, domain="emloc.dev", metadata={"value": "7", "traceId": "t"}), *details):
        each = AnyMessage()
        each.Pack(detail)
        packed.append(each)
    return code, Status(code=code.value[0], message=f"{reason} it is", details=packed).SerializeToString()


class Server:
    """Answers each call of a method with what is next in its script: an error, or messages."""

    def __init__(self) -> None:
        self.script: dict[str, list[Any]] = {}
        self.calls: list[str] = []

    def serve(self, path: str) -> Callable[[Any, grpc.ServicerContext], Iterator[bytes]]:
        def handler(requests: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            method = path.rsplit("/", 1)[1]
            self.calls.append(method)
            for _ in requests:
                pass
            answer = self.script[method].pop(0)
            if isinstance(answer, tuple):
                code, details = answer
                context.set_trailing_metadata((("grpc-status-details-bin", details),))
                context.abort(code, "plain")
            yield from answer

        return handler

    @contextmanager
    def up(self) -> Iterator[str]:
        server = grpc.server(ThreadPoolExecutor(4))
        handlers = {method.full_name.rpartition(".") for method in methods()}
        for service, _, name in handlers:
            handler: Any = grpc.stream_stream_rpc_method_handler(self.serve(f"/{service}/{name}"))
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None)


@pytest.fixture
def server() -> Server:
    return Server()


quick = RetryPolicy(initial_seconds=0.01, max_seconds=0.02)
job = [GetFineTuneJobResponse(job=FineTuneJob(id="j")).SerializeToString()]
away = status(grpc.StatusCode.UNAVAILABLE, "SERVICE_STOPPING")


def busy(seconds: float) -> tuple[grpc.StatusCode, bytes]:
    delay = Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
    return status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", RetryInfo(retry_delay=delay))


def test_a_refusal_is_an_exception_with_all_that_was_said(server: Server) -> None:
    server.script["GetFineTuneJob"] = [
        status(
            grpc.StatusCode.INVALID_ARGUMENT,
            "BAD_FIELD",
            BadRequest(field_violations=[BadRequest.FieldViolation(field="options.rank")]),
            Help(links=[Help.Link(description="give a rank")]),
        )
    ]
    with server.up() as address, Client(address) as client, pytest.raises(EmlocError) as raised:
        client.job("j").status()
    error = raised.value
    said = (error.code, error.reason, error.message, error.field, error.value, error.mend, error.retry_seconds)
    assert said == ("INVALID_ARGUMENT", "BAD_FIELD", "BAD_FIELD it is", "options.rank", "7", "give a rank", None)
    assert error.metadata == {"traceId": "t"}
    assert str(error) == "options.rank: BAD_FIELD it is (give a rank) [INVALID_ARGUMENT BAD_FIELD]"
    assert vars(pickle.loads(pickle.dumps(error))) == vars(error)


def test_what_may_be_repeated_is_repeated_while_the_service_is_away(server: Server) -> None:
    server.script["GetFineTuneJob"] = [away, away, job]
    with server.up() as address, Client(address, retry=quick) as client:
        assert client.job("j").status().id == "j"
    assert len(server.calls) == 3


def test_attempts_end_and_what_may_not_be_repeated_is_not(server: Server) -> None:
    server.script["GetFineTuneJob"] = [away] * 9
    server.script["DeleteFineTuneJob"] = [away] * 9
    with server.up() as address, Client(address, retry=quick) as client:
        for work in (client.job("j").status, client.job("j").delete):
            with pytest.raises(EmlocError, match="SERVICE_STOPPING"):
                work()
    assert server.calls == ["GetFineTuneJob"] * 5 + ["DeleteFineTuneJob"]


def test_retry_info_is_honoured_where_the_call_may_be_repeated_and_its_deadline_allows(server: Server) -> None:
    server.script["GetFineTuneJob"] = [busy(0.05), job, busy(60)]
    server.script["DeleteFineTuneJob"] = [busy(0.05)]
    with server.up() as address, Client(address, retry=quick) as client:
        assert client.job("j").status().id == "j"
        with pytest.raises(EmlocError) as late:
            client.job("j").status(timeout=30)
        with pytest.raises(EmlocError) as changing:
            client.job("j").delete()
    assert (late.value.retry_seconds, changing.value.retry_seconds) == (60, 0.05)
    assert len(server.calls) == 4


def test_retry_info_is_honoured_by_the_asyncio_client(server: Server) -> None:
    server.script["GetFineTuneJob"] = [away, busy(0.05), job]

    async def ask(address: str) -> str:
        async with AsyncClient(address, retry=quick) as client:
            return (await client.job("j").status()).id

    with server.up() as address:
        assert asyncio.run(ask(address)) == "j"


def test_the_service_config_repeats_what_the_contracts_mark() -> None:
    marked = service_config(RetryPolicy())
    assert '"CreateFineTuneJob"' in marked
    assert '"GetArtifact"' in marked
    assert '"DeleteFineTuneJob"' not in marked
    assert '"Compress"' not in marked
    assert "retryPolicy" not in service_config(RetryPolicy(attempts=1))


def test_a_tensor_that_was_damaged_on_its_way_here_is_data_loss(server: Server) -> None:
    good = [
        step if isinstance(step, bytes) else CompressResponse(frame=step).SerializeToString()
        for step in steps_of("u", np.ones((4, 2), np.float32))
    ]
    summary = CompressResponse(summary=CompressSummary(rank=2)).SerializeToString()
    bad = CompressResponse(frame=TensorFrame(end=TensorEnd(crc32=1))).SerializeToString()
    server.script["Compress"] = [[summary, *good[:-1], bad], [summary, *good], [summary, *good[:-1]]]
    with server.up() as address, Client(address, addresses={"compression": address}) as client:
        for reason in ("CHECKSUM_MISMATCH", "ANSWER_INCOMPLETE", "TENSOR_CUT_SHORT"):
            with pytest.raises(EmlocError) as raised:
                client.compress(np.ones((4, 3)), rank=2)
            assert (raised.value.code, raised.value.reason) == ("DATA_LOSS", reason)


def test_nobody_there_and_a_server_of_another_make_are_told_apart(server: Server) -> None:
    with Client("127.0.0.1:1", retry=RetryPolicy(attempts=1)) as client, pytest.raises(EmlocError) as raised:
        client.mesh()
    assert (raised.value.code, raised.value.reason, raised.value.value) == (
        "UNAVAILABLE",
        "SERVICE_UNREACHABLE",
        "127.0.0.1:1",
    )
    server.script["GetFineTuneJob"] = [(grpc.StatusCode.NOT_FOUND, b"\xff\xff no status")]
    with server.up() as address, Client(address) as client, pytest.raises(EmlocError) as bare:
        client.job("j").status()
    assert (bare.value.code, bare.value.reason, bare.value.message) == ("NOT_FOUND", "NOT_FOUND", "plain")
