"""Deadlines, TLS, and services that are held or were killed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import trustme

from emloc import AsyncClient, Client, EmlocError, RetryPolicy, Tls
from emloc.artifact.v1.artifact_pb2 import Source
from emloc.compression.v1.compression_pb2 import CompressionMethod, CompressionOptions, StartCompressionRequest

from .conftest import repository

weight = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)


def test_a_service_that_does_not_answer_is_left_at_the_deadline_and_answers_later(
    client: Client, control: Callable[[str, str], int]
) -> None:
    client.mesh()
    control("stop", "coordinator")
    try:
        with pytest.raises(EmlocError) as raised:
            client.mesh(timeout=0.5)
        assert (raised.value.code, raised.value.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
        assert raised.value.mend
        with pytest.raises(EmlocError, match="DEADLINE_EXCEEDED"):
            next(client.job("any").events(timeout=0.5))
    finally:
        control("continue", "coordinator")
    assert client.mesh(timeout=None).version


def test_a_deadline_ends_a_stream_of_tensors_on_both_sides(client: Client) -> None:
    tall = np.ones((1 << 20, 64), np.float32)
    with pytest.raises(EmlocError) as raised:
        client.compress(tall, rank=1, timeout=0.05)
    assert raised.value.code == "DEADLINE_EXCEEDED"
    assert client.compress(weight, rank=1).rank == 1


def test_a_service_that_was_killed_serves_again_when_it_is_back(
    client: Client, control: Callable[[str, str], int]
) -> None:
    assert client.compress(weight, rank=2).rank == 2
    control("kill", "compression")
    # A stream of tensors may not be repeated by gRPC: the program hears of it, and does.
    attempts = (attempt(client) for _ in range(2000))
    assert next(error for error in attempts if error != "UNAVAILABLE") == "OK"


def attempt(client: Client) -> str:
    try:
        client.compress(weight, rank=2)
    except EmlocError as error:
        time.sleep(0.1)
        return error.code
    return "OK"


def test_calls_in_many_threads_share_a_client(client: Client) -> None:
    async def run() -> list[int]:
        work = (asyncio.to_thread(client.compress, weight, rank=rank) for rank in (1, 2, 3, 4, 5))
        return [factors.rank for factors in await asyncio.gather(*work)]

    assert asyncio.run(run()) == [1, 2, 3, 4, 5]


def test_a_cancelled_task_cancels_its_call() -> None:
    async def run() -> None:
        async with AsyncClient() as client:
            await client.compress(weight, rank=1)
            task = asyncio.create_task(client.compress(np.ones((1 << 20, 64), np.float32), rank=1))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.compress(weight, rank=1)).rank == 1

    asyncio.run(run())


class Secured:
    """A compression service that asks for certificates and reads no models but its own."""

    def __init__(self, directory: Path) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        for name, pem in (("ca", authority.cert_pem), ("stranger", stranger.cert_pem)):
            pem.write_to_path(directory / f"{name}.pem")
        for name, issuer in (("server", authority), ("client", authority), ("thief", stranger)):
            made = issuer.issue_cert("localhost", common_name=name)
            made.cert_chain_pems[0].write_to_path(directory / f"{name}.pem")
            made.private_key_pem.write_to_path(directory / f"{name}.key")
        self.directory = directory
        environment = {
            "EMLOC_HOME": str(directory),
            "EMLOC_MODEL_ROOTS": str(directory / "models"),
            "EMLOC_COMPRESSION_ADDRESS": "localhost:0",
            "EMLOC_TLS_CA": self.file("ca"),
            "EMLOC_TLS_CERT": self.file("server"),
            "EMLOC_TLS_KEY": str(directory / "server.key"),
            "EMLOC_TLS_MUTUAL": "1",
        }
        (directory / "models").mkdir()
        main = repository / "services" / "compression" / "src" / "main.ts"
        self.process = subprocess.Popen(
            ["node", "--import", "tsx", str(main)],
            cwd=repository,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        said = next(json.loads(line) for line in self.process.stdout if '"ready"' in line)
        self.address = f"localhost:{said['address'].rsplit(':', 1)[1]}"

    def file(self, name: str) -> str:
        return str(self.directory / f"{name}.pem")

    def tls(self, ca: str, name: str) -> Tls:
        return Tls(ca=self.file(ca), cert=self.file(name), key=self.directory / f"{name}.key")

    def client(self, tls: Tls | None) -> Client:
        return Client(self.address, addresses={"compression": self.address}, tls=tls, retry=RetryPolicy(attempts=1))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    service = Secured(tmp_path_factory.mktemp("tls"))
    yield service
    service.process.terminate()
    service.process.wait()


def test_who_shows_a_certificate_of_the_meshs_authority_is_served(secured: Secured) -> None:
    with secured.client(secured.tls("ca", "client")) as client:
        assert client.compress(weight, rank=2).rank == 2

    async def run() -> int:
        tls, addresses = secured.tls("ca", "client"), {"compression": secured.address}
        async with AsyncClient(secured.address, addresses=addresses, tls=tls) as client:
            return (await client.compress(weight, rank=1)).rank

    assert asyncio.run(run()) == 1


@pytest.mark.parametrize(
    ("ca", "name"), [("ca", "thief"), ("stranger", "client"), (None, None)], ids=["thief", "other mesh", "plain text"]
)
def test_nobody_else_is(secured: Secured, ca: str | None, name: str | None) -> None:
    tls = None if ca is None or name is None else secured.tls(ca, name)
    with secured.client(tls) as client, pytest.raises(EmlocError) as raised:
        client.compress(weight, rank=2)
    assert (raised.value.code, raised.value.reason) == ("UNAVAILABLE", "SERVICE_UNREACHABLE")


def test_the_environment_says_how_to_speak_with_the_mesh(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMLOC_ADDRESS", secured.address)
    for name, value in (("CA", "ca.pem"), ("CERT", "client.pem"), ("KEY", "client.key")):
        monkeypatch.setenv(f"EMLOC_TLS_{name}", str(secured.directory / value))
    with Client(retry=RetryPolicy(attempts=1)) as client, pytest.raises(EmlocError) as raised:
        client.mesh()
    # It came through to the service, which is no coordinator.
    assert (raised.value.code, raised.value.reason) == ("UNIMPLEMENTED", "RPC_NOT_FOUND")


def test_a_path_outside_the_roots_of_models_is_refused(secured: Secured) -> None:
    options = CompressionOptions(ratio=0.5, method=CompressionMethod.COMPRESSION_METHOD_SVD)
    request = StartCompressionRequest(model=Source(path="/etc"), options=options)
    with secured.client(secured.tls("ca", "client")) as client, pytest.raises(EmlocError) as raised:
        client.start(request)
    assert (raised.value.code, raised.value.field, raised.value.value) == ("PERMISSION_DENIED", "model.path", "/etc")


def test_half_a_pair_and_a_file_that_is_not_there_are_told(tmp_path: Path) -> None:
    for tls, reason, field in (
        (Tls(cert=tmp_path / "x"), "TLS_INCOMPLETE", "tls.key"),
        (Tls(ca=tmp_path / "x"), "TLS_FILE_UNREADABLE", "tls.ca"),
    ):
        with Client("localhost:1", tls=tls) as client, pytest.raises(EmlocError) as raised:
            client.mesh()
        assert (raised.value.reason, raised.value.field) == (reason, field)
