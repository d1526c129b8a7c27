"""Spans: the client's own, and the mesh's under them."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from emloc import AsyncClient, Client, EmlocError

from .conftest import tiny_llama, train_rows

weight = np.ones((4, 3), np.float32)


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """The program's tracer provider can be set but once in a process."""
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    trace.set_tracer_provider(provider)
    return made


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter
    exporter.clear()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def ids(span: ReadableSpan) -> tuple[str, str]:
    context = span.context
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def of_mesh(trace_id: str, name: str) -> list[dict[str, Any]]:
    """Spans of a name that the processes of the mesh have written; waits until there is one."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        lines = [
            line for file in Path(os.environ["EMLOC_TRACE_FILE"]).iterdir() for line in file.read_text().splitlines()
        ]
        found = [span for span in map(parsed, lines) if span.get("traceId") == trace_id]
        if any(span["name"] == name for span in found):
            return found
        time.sleep(0.1)
    raise AssertionError(f"no span {name} in trace {trace_id}")


def parsed(line: str) -> dict[str, Any]:
    try:
        span: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}  # A line that is being written.
    return span


def test_a_job_is_one_trace_from_the_programs_span_to_the_operations_of_the_mesh(
    client: Client, spans: InMemorySpanExporter
) -> None:
    with trace.get_tracer("program").start_as_current_span("program"):
        job = client.finetune(tiny_llama, train_rows, max_steps=2, lora_r=2, seed=11)
    job.wait()
    finished = {span.name: span for span in spans.get_finished_spans()}
    create = finished["emloc.coordinator.v1.FineTuneJobService/CreateFineTuneJob"]
    trace_id, span_id = ids(create)
    assert create.kind == SpanKind.CLIENT
    assert create.parent is not None
    assert f"{create.parent.span_id:016x}" == ids(finished["program"])[1]
    mesh = of_mesh(trace_id, "emloc.training.v1.TrainingService/StartTraining")
    served = next(span for span in mesh if span["name"] == create.name)
    assert served["parentSpanId"] == span_id
    assert {"coordinator", "compression", "training"} <= {span["service"].removeprefix("emloc-") for span in mesh}


def test_spans_say_what_was_called_where_and_how_it_ended(client: Client, spans: InMemorySpanExporter) -> None:
    client.compress(weight, rank=1)
    with pytest.raises(EmlocError):
        client.compress(weight, rank=0)
    with pytest.raises(EmlocError):
        client.job("nobody").status()
    good, bad, missing = spans.get_finished_spans()[-3:]
    host, port = client.mesh().addresses["compression"].rsplit(":", 1)
    assert attributes(good) == {
        "rpc.system": "grpc",
        "rpc.service": "emloc.compression.v1.CompressionService",
        "rpc.method": "Compress",
        "rpc.grpc.status_code": 0,
        "server.address": host,
        "server.port": int(port),
    }
    assert (attributes(bad)["rpc.grpc.status_code"], attributes(bad)["error.type"]) == (3, "BAD_RANK")
    assert (bad.status.status_code, attributes(missing)["rpc.grpc.status_code"]) == (StatusCode.ERROR, 5)
    assert of_mesh(ids(good)[0], good.name)


def test_the_asyncio_client_makes_the_same_spans(spans: InMemorySpanExporter) -> None:
    async def run() -> None:
        async with AsyncClient() as client:
            await client.mesh()
            await client.compress(weight, rank=1)
            with pytest.raises(EmlocError):
                await client.compress(weight, rank=0)

    with trace.get_tracer("program").start_as_current_span("program"):
        asyncio.run(run())
    finished = spans.get_finished_spans()
    codes = [(span.name.rsplit("/", 1)[-1], attributes(span).get("rpc.grpc.status_code")) for span in finished]
    assert codes == [("DescribeMesh", 0), ("DescribeMesh", 0), ("Compress", 0), ("Compress", 3), ("program", None)]
    assert len({ids(span)[0] for span in finished}) == 1
