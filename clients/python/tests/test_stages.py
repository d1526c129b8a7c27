"""The stage services: tensors in and out, held to golden numbers of the fixture and to numpy; whole operations."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from emloc import Artifact, AsyncClient, Client, EmlocError, Operation
from emloc.artifact.v1.artifact_pb2 import Source
from emloc.compression.v1.compression_pb2 import CompressionOptions, StartCompressionRequest, Statistics
from emloc.correction.v1.correction_pb2 import StartMergeRequest
from emloc.dataset.v1.dataset_pb2 import DatasetSpec
from emloc.inference.v1.inference_pb2 import ScoreRequest, StartEvaluationRequest, TokenRow
from emloc.inference.v1.inference_pb2_grpc import InferenceServiceStub
from emloc.tensors import bfloat16
from emloc.training.v1.training_pb2 import LoraConfig, StartTrainingRequest, TrainingOptions

from .conftest import distance, golden, tiny_llama, train_rows

module = "model.layers.0.mlp.gate_proj"
numbers = json.loads((tiny_llama / "golden.json").read_text())
model = Source(path=str(tiny_llama))


def gram_name(name: str) -> str:
    found: str = numbers["gramOf"][name]
    return found


def test_grams_come_layer_by_layer_and_are_the_golden_ones(client: Client) -> None:
    layers = list(client.grams(tiny_llama, tiny_llama / "calib.jsonl"))
    assert [layer.layer for layer in layers] == list(range(len(layers)))
    grams = {name: gram for layer in layers for name, gram in layer.grams.items()}
    assert grams.keys() == numbers["gramOf"].keys()
    assert max(distance(gram, golden(gram_name(name))) for name, gram in grams.items()) < 1e-5
    assert all(rows > 0 for layer in layers for rows in layer.rows.values())


def test_a_weight_and_its_gram_go_in_and_the_golden_product_of_factors_comes_out(client: Client) -> None:
    weight, gram = golden(f"{module}.weight"), golden(gram_name(module))
    rank = numbers["rank"][module]
    factors = client.compress(weight.astype(np.float32), gram, rank=rank)
    assert (factors.u.shape, factors.v.shape) == ((weight.shape[0], rank), (rank, weight.shape[1]))
    assert distance(factors.u @ factors.v, golden(f"wprime.{module}")) < 1e-5
    assert factors.sigma.dtype == np.float64
    cut = float(np.sqrt(np.sum(factors.sigma[rank:] ** 2)))
    assert factors.truncation_loss == pytest.approx(cut)
    assert factors.relative_truncation_loss == pytest.approx(cut / np.linalg.norm(factors.sigma))


@pytest.mark.parametrize(
    ("dtype", "out", "tolerance"),
    [(np.float64, "f8", 1e-12), (np.float32, "f4", 1e-6), (np.float16, "f4", 2e-3), (bfloat16, bfloat16, 2e-2)],
    ids=["f64", "f32", "f16", "bf16"],
)
def test_without_a_gram_it_is_numpys_svd_in_the_weights_own_type(
    client: Client, dtype: npt.DTypeLike, out: npt.DTypeLike, tolerance: float
) -> None:
    weight = np.random.default_rng(0).standard_normal((40, 64)).astype(dtype)
    factors = client.compress(weight, ratio=0.5)
    left, values, right = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    rank = int(40 * 64 * 0.5 / (40 + 64))
    assert factors.rank == rank
    assert factors.u.dtype == factors.v.dtype == np.dtype(out)
    product = factors.u.astype(np.float64) @ factors.v.astype(np.float64)
    assert distance(product, left[:, :rank] * values[:rank] @ right[:rank]) < tolerance
    np.testing.assert_allclose(factors.sigma, values, rtol=1e-6)


def test_lora_factors_go_in_and_golden_corrected_ones_come_out(client: Client) -> None:
    a, b = golden(f"lora_A.{module}"), golden(f"lora_B.{module}")
    weight, emulated = golden(f"{module}.weight"), golden(f"wprime.{module}")
    whole = client.correct(a, b, weight, emulated)
    assert distance(whole.lora_b @ whole.lora_a, golden(f"delta.corrected.{module}")) < 2.2e-3
    assert sorted(whole.clamp_ratios) == pytest.approx(sorted(numbers["correction"]["clampRatio"][module]), rel=6.5e-3)
    factors = client.compress(weight, golden(gram_name(module)), rank=numbers["rank"][module])
    factored = client.correct(a, b, weight, factors=factors)
    assert distance(factored.lora_b @ factored.lora_a, whole.lora_b @ whole.lora_a) < 1e-4
    none = client.correct(a, b, weight, factors=(factors.u, factors.v), max_correction_ratio=0)
    assert distance(none.lora_b @ none.lora_a, b @ a) < 1e-5


def test_the_asyncio_client_speaks_with_the_stages_too(client: Client) -> None:
    weight, gram = golden(f"{module}.weight"), golden(gram_name(module))

    async def work() -> None:
        async with AsyncClient() as mesh:
            compressed = [mesh.compress(weight, gram, rank=rank) for rank in (2, 3, 4)]
            factors = await asyncio.gather(*compressed)
            assert [each.rank for each in factors] == [2, 3, 4]
            await mesh.correct(golden(f"lora_A.{module}"), golden(f"lora_B.{module}"), weight, factors=factors[0])
            async for layer in mesh.grams(tiny_llama, tiny_llama / "calib.jsonl"):
                assert layer.grams
                break
            with pytest.raises(EmlocError, match="BAD_RANK"):
                await mesh.compress(weight, rank=0)

    asyncio.run(work())


def test_stages_run_as_operations_whose_results_go_into_the_next(client: Client, tmp_path: Path) -> None:
    rows = DatasetSpec(source=client.upload(train_rows).source)
    compression = client.start(
        StartCompressionRequest(
            operation_id="compress-for-python",
            model=model,
            options=CompressionOptions(ratio=0.5),
            statistics=Statistics(source=client.upload(statistics(client, tmp_path)).source),
        )
    )
    events = list(compression.events())
    assert {"prediction", "linear_compression", "progress", "state_changed"} <= {event.kind for event in events}
    emulator = Artifact.of(compression.wait().compression.emulator)
    training = client.start(
        StartTrainingRequest(
            emulator=emulator.source, dataset=rows, lora=LoraConfig(r=2), options=TrainingOptions(max_steps=2)
        )
    )
    adapter = Artifact.of(training.wait().training.adapter)
    evaluation = client.start(StartEvaluationRequest(model=model, adapter=adapter.source, dataset=rows))
    assert evaluation.wait().evaluation.loss > 0
    merged = client.start(StartMergeRequest(model=model, adapter=adapter.source)).wait().merge.model
    path = client.download(merged.digest, tmp_path / "merged")
    assert {"config.json", "model.safetensors"} <= {file.name for file in path.iterdir()}
    # What was downloaded has its digest when it is read again, so the store holds it.
    assert client.upload(path).digest == merged.digest
    assert client.operation("compression", "compress-for-python").state() == "succeeded"


def statistics(client: Client, directory: Path) -> Path:
    """A safetensors file of Gram matrices, written here from what a calibration streamed."""
    grams: dict[str, npt.NDArray[np.generic]] = {}
    for layer in client.grams(tiny_llama, tiny_llama / "calib.jsonl"):
        grams.update({gram_name(name): gram for name, gram in layer.grams.items()})
    header: dict[str, object] = {"__metadata__": {"gram_of": json.dumps(numbers["gramOf"])}}
    offset = 0
    for name, gram in grams.items():
        header[name] = {"dtype": "F32", "shape": gram.shape, "data_offsets": [offset, offset + gram.nbytes]}
        offset += gram.nbytes
    text = json.dumps(header).encode()
    path = directory / "grams.safetensors"
    data = b"".join(gram.tobytes() for gram in grams.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_an_operation_is_paused_resumed_cancelled_and_deleted(client: Client) -> None:
    rows = DatasetSpec(source=Source(path=str(train_rows)))
    options = TrainingOptions(max_steps=1_000_000, save_steps=5)
    operation = client.start(StartTrainingRequest(model=model, dataset=rows, lora=LoraConfig(r=2), options=options))
    until(operation, "training_step")
    operation.pause()
    with pytest.raises(EmlocError, match="OPERATION_PAUSED"):
        operation.wait()
    operation.resume()
    until(operation, "training_step", operation.cursor)
    operation.cancel()
    with pytest.raises(EmlocError, match="OPERATION_CANCELLED"):
        operation.wait()
    operation.delete()
    with pytest.raises(EmlocError, match="OPERATION_NOT_FOUND"):
        operation.state()


def until(operation: Operation, kind: str, after: int = 0) -> None:
    assert any(event.kind == kind for event in operation.events(after))


def test_every_other_rpc_is_called_by_the_generated_stubs_on_the_same_channel(client: Client) -> None:
    stub = InferenceServiceStub(client.channel("inference"))
    answers = list(stub.Score(ScoreRequest(model=model, rows=[TokenRow(ids=[1, 7, 32])])))
    assert [len(answer.log_probabilities) for answer in answers] == [2]


def test_a_gibibyte_is_streamed_with_its_checksum(
    client: Client, record_property: Callable[[str, object], None]
) -> None:
    """A tall weight: much to send, little to compute. The service checks the CRC-32 of what it got."""
    weight = np.ones((1 << 22, 64), np.float32)
    weight *= np.arange(1, 65, dtype=np.float32)
    assert weight.nbytes == 1 << 30
    client.compress(weight[:64], rank=1)
    began, used = time.perf_counter(), time.process_time()
    # Refused after the last of its bytes, whose checksum has been compared by then: no time but the stream's.
    with pytest.raises(EmlocError) as raised:
        client.compress(weight, rank=1, method="activation_svd")
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    assert (raised.value.reason, raised.value.field) == ("TENSOR_MISSING", "gram")
    told = (
        f"1 GiB to the compression service: {1024 / seconds:.0f} MiB/s, {processor:.1f} s of this process's processor"
    )
    record_property("measured", told)
