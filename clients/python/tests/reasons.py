"""The cases of tests/contract/src/reasons, which provoke every reason that a caller can meet, made by the client."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message

from emloc import Client, EmlocError, RetryPolicy
from emloc._rpcs import Rpc, is_idempotent
from emloc.errors import from_rpc_error

from .conftest import repository

Case = dict[str, Any]
# So many at once: those that start a process take a second or two.
workers = 4
patience_seconds = 300


@cache
def all_cases() -> list[Case]:
    """Made once a run, with their files, where the mesh may read."""
    folder = Path(os.environ["EMLOC_HOME"]) / "reasons"
    program = repository / "tests" / "contract" / "src" / "reasons" / "main.ts"
    made = subprocess.run(
        ["node", "--import", "tsx", str(program), str(folder)],
        cwd=repository, check=True, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    return [json.loads(line) for line in made.stdout.splitlines()]


def provoke_all(client: Client, cases: Iterable[Case]) -> dict[str, Exception | None]:
    """What each case raised, by its name."""
    together = [case for case in cases if not case.get("alone") and "skip" not in case]
    alone = [case for case in cases if case.get("alone")]
    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(pool.map(lambda case: provoke(client, case), together))
    outcomes += [provoke(client, case) for case in alone]
    return {case["name"]: outcome for case, outcome in zip([*together, *alone], outcomes, strict=True)}


def provoke(client: Client, case: Case) -> Exception | None:
    """The error; `None`: there was none."""
    try:
        for call in case.get("before", []):
            make(client, call)
        try:
            if "call" in case:
                make(client, case["call"])
            if "wait" in case:
                wait(client, **case["wait"])
        finally:
            for call in case.get("after", []):
                make(client, call)
    except Exception as error:
        return error
    return None


def wait(client: Client, service: Any, id: str) -> None:  # noqa: A002
    """To the end of a job or an operation."""
    work: Any = client.job(id) if service == "coordinator" else client.operation(service, id)
    work.wait(timeout=patience_seconds)


def make(client: Client, call: Case) -> None:
    """One call, again and again where it says until when."""
    until, ends = call.get("until"), time.monotonic() + patience_seconds
    while True:
        answer = answer_of(client, call)
        if until is None:
            return
        found: Any = json_format.MessageToDict(answer, preserving_proto_field_name=True) if answer else {}
        for part in until["path"]:
            found = found.get(part, {})
        if found == until["value"]:
            return
        if time.monotonic() > ends:
            raise TimeoutError(f"{call['rpc']} still says {found}")
        time.sleep(0.1)


def answer_of(client: Client, call: Case) -> Message | None:
    """The last message of the answer."""
    if "address" in call:
        elsewhere = {call["service"]: call["address"]}
        with Client(client.address, addresses=elsewhere, retry=RetryPolicy(attempts=1)) as other:
            return answer_of(other, {key: value for key, value in call.items() if key != "address"})
    rpc, is_streamed, is_streaming = described(call["rpc"])
    requests = [json_format.ParseDict(each, rpc.request()) for each in call["requests"]]
    calls, timeout = client._calls(call["service"]), call.get("timeoutSeconds", patience_seconds)
    if "metadata" in call:
        return with_metadata(calls.channel, rpc, requests[0], tuple(call["metadata"].items()))
    if is_streamed and is_streaming:
        for _ in calls.raw_both(rpc, requests, timeout):
            pass
        return None
    if is_streamed:
        uploaded: Message = calls.upload(rpc, requests, timeout)
        return uploaded
    if is_streaming:
        for _ in calls.stream(rpc, requests[0], timeout):
            pass
        return None
    answer: Message = calls.unary(rpc, requests[0], timeout)
    return answer


def described(name: str) -> tuple[Rpc[Any, Any], bool, bool]:
    """A method by `package.Service/Method`, and whether the client streams, and the server."""
    method = descriptor_pool.Default().FindMethodByName(name.replace("/", "."))
    request, response = (message_factory.GetMessageClass(each) for each in (method.input_type, method.output_type))
    rpc: Rpc[Any, Any] = Rpc(f"/{name}", request, response, is_idempotent(method))
    return rpc, method.client_streaming, method.server_streaming


def with_metadata(channel: grpc.Channel, rpc: Rpc[Any, Any], request: Message, metadata: Any) -> Message:
    """The client has no way to send metadata: its channel has."""
    call: Any = channel.unary_unary(
        rpc.path, request_serializer=rpc.request.SerializeToString, response_deserializer=rpc.response.FromString
    )
    try:
        answer: Message = call(request, timeout=patience_seconds, metadata=metadata)
    except grpc.RpcError as raised:
        raise from_rpc_error(raised, "") from raised
    return answer


def expected(case: Case) -> dict[str, Any]:
    """What has to be said of the error, and is compared whole, so that a failure shows all of it."""
    keys = ("code", "reason", "field", "mend", "retry", *(("value",) if "value" in case else ()))
    return {key: case[key] for key in keys}


def told(error: EmlocError, case: Case) -> dict[str, Any]:
    """The same of an error that came."""
    said = {
        "code": error.code,
        "reason": error.reason,
        "field": error.field,
        "mend": error.mend is not None,
        "retry": error.retry_seconds is not None,
        "value": error.value,
    }
    return {key: said[key] for key in expected(case)}
