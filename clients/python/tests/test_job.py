"""The whole job on the tiny model, watched, left, found again, cancelled, paused, resumed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emloc import AsyncClient, Client, EmlocError, Event, Job
from emloc.coordinator.v1.fine_tune_job_pb2 import FineTuneJobSpec
from emloc.training.v1.training_pb2 import TrainingOptions

from .conftest import tiny_llama, train_rows

# Lasts until it is stopped.
endless = 1_000_000


def first_step(job: Job, after: int = 0) -> Event:
    return next(event for event in job.events(after) if event.kind == "training_step")


def test_a_job_tells_its_stages_steps_and_figures_and_gives_its_artifacts(client: Client, tmp_path: Path) -> None:
    job = client.finetune(
        tiny_llama, train_rows, id="whole", ratio=0.5, max_steps=4, learning_rate=1e-3, lora_r=4, lora_alpha=4
    )
    events = list(job.events())
    assert [event.cursor for event in events] == list(range(1, len(events) + 1))
    begun = [event.stage for event in events if event.kind == "stage_changed" and event.state == "running"]
    assert begun == ["plan", "compress", "train", "correct", "refine", "select"]
    steps = [event for event in events if event.kind == "training_step"]
    assert [(event.stage, event.step, event.total_steps) for event in steps] == [
        ("train", 1, 2),
        ("train", 2, 2),
        ("refine", 1, 2),
        ("refine", 2, 2),
    ]
    assert all(event.loss is not None and 0 < event.loss < 20 for event in steps)
    progress = [event for event in events if event.kind == "progress" and event.stage == "train"]
    assert any((event.tokens_per_second or 0) > 0 for event in progress)
    assert any(event.remaining_seconds is not None for event in progress)
    assert (events[-1].kind, events[-1].state) == ("state_changed", "succeeded")

    result = job.download(tmp_path / "tuned")
    assert result.evaluation.rows > 0
    assert result.chosen in {each.name for each in result.candidates if each.chosen}
    for name in ("adapter", "adapter-uncorrected"):
        files = sorted(path.name for path in (tmp_path / "tuned" / name).iterdir())
        assert files == ["adapter_config.json", "adapter_model.safetensors"]
    assert json.loads((tmp_path / "tuned" / "report.json").read_text()) == client.report(result)
    assert json.loads((tmp_path / "tuned" / "adapter" / "adapter_config.json").read_text())["r"] == 4
    assert {each.name for each in (tmp_path / "tuned").iterdir()} == {"adapter", "adapter-uncorrected", "report.json"}
    log = client.download(result.log, tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in log] == [1, 2, 1, 2]

    assert client.job("whole").wait() == result
    assert "whole" in [each.id for each in client.jobs(state="succeeded")]
    assert [each.id for each in client.jobs(filter="id = who* AND state = SUCCEEDED")] == ["whole"]
    with pytest.raises(EmlocError) as exists:
        job.download(tmp_path / "tuned")
    assert exists.value.reason == "OUTPUT_EXISTS"
    # The same id and specification is the same job; data that the store holds is not sent again.
    again = client.finetune(
        tiny_llama, train_rows, id="whole", ratio=0.5, max_steps=4, learning_rate=1e-3, lora_r=4, lora_alpha=4
    )
    assert again.state() == "succeeded"
    with pytest.raises(EmlocError) as reused:
        client.finetune(tiny_llama, train_rows, id="whole", max_steps=5)
    assert (reused.value.code, reused.value.reason) == ("ALREADY_EXISTS", "JOB_ID_REUSED")
    job.delete()
    with pytest.raises(EmlocError, match="JOB_NOT_FOUND"):
        job.status()


def test_a_job_outlives_its_program_and_is_found_again_by_its_id(client: Client) -> None:
    program = f"""
from emloc import Client
job = Client().finetune({str(tiny_llama)!r}, {str(train_rows)!r}, id="orphan", max_steps=12, lora_r=2)
for event in job.events():
    if event.kind == "training_step":
        print(event.cursor, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    job = client.job("orphan")
    rest = list(job.events(after=seen))
    assert [event.cursor for event in rest] == list(range(seen + 1, seen + 1 + len(rest)))
    assert rest[-1].state == "succeeded"
    assert job.wait().adapter.digest.startswith("sha256:")


def test_a_watch_goes_on_when_the_coordinator_was_killed_and_came_back(
    client: Client, control: Callable[[str, str], int]
) -> None:
    job = client.finetune(tiny_llama, train_rows, id="restarted", max_steps=12, lora_r=2, seed=7)
    cursors, killed = [], False
    for event in job.events():
        cursors.append(event.cursor)
        if event.kind == "training_step" and not killed:
            control("kill", "coordinator")
            killed = True
    assert killed
    assert cursors == list(range(1, len(cursors) + 1))
    assert job.state() == "succeeded"


def test_a_job_is_paused_resumed_and_cancelled_and_its_end_is_told(client: Client) -> None:
    spec = FineTuneJobSpec(training=TrainingOptions(save_steps=5), refine_steps=0)
    job = client.finetune(tiny_llama, train_rows, id="stopped", max_steps=endless, lora_r=2, spec=spec)
    paused_at = first_step(job)
    job.pause()
    with pytest.raises(EmlocError) as paused:
        job.wait()
    assert (paused.value.code, paused.value.reason) == ("CANCELLED", "JOB_PAUSED")
    assert job.state() == "paused"
    job.resume()
    assert first_step(job, after=job.cursor).cursor > paused_at.cursor
    with pytest.raises(EmlocError) as active:
        job.delete()
    assert (active.value.code, active.value.reason) == ("FAILED_PRECONDITION", "JOB_ACTIVE")
    with pytest.raises(EmlocError) as late:
        job.wait(timeout=0.5)
    assert late.value.code == "DEADLINE_EXCEEDED"
    job.cancel()
    with pytest.raises(EmlocError) as cancelled:
        job.wait()
    assert (cancelled.value.code, cancelled.value.reason) == ("CANCELLED", "JOB_CANCELLED")
    assert next(client.jobs(state="cancelled")).id == "stopped"


def test_a_job_that_fails_raises_what_ended_it(client: Client) -> None:
    job = client.finetune(tiny_llama, train_rows, id="tight", max_steps=2, memory_budget_bytes=1_000_000)
    with pytest.raises(EmlocError) as failed:
        job.wait()
    assert (failed.value.code, failed.value.reason) == ("RESOURCE_EXHAUSTED", "MEMORY_BUDGET_EXCEEDED")
    assert failed.value.mend


def test_the_asyncio_client_runs_a_whole_job(tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncClient() as client:
            job = await client.finetune(tiny_llama, train_rows, max_steps=2, lora_r=2, ratio=0.5, seed=8)
            stages = {event.stage async for event in job.events()}
            assert {"compress", "train", "refine"} <= stages
            result = await job.download(tmp_path / "tuned")
            assert (await client.report(result))["job"]
            assert job.id in [each.id async for each in client.jobs()]
            cancelled = await client.finetune(tiny_llama, train_rows, max_steps=endless, lora_r=2, seed=9)
            async for event in cancelled.events():
                if event.kind == "training_step":
                    await cancelled.cancel()
            assert await cancelled.state() == "cancelled"
            with pytest.raises(EmlocError, match="JOB_CANCELLED"):
                await cancelled.wait()

    asyncio.run(run())
    assert sorted(os.listdir(tmp_path / "tuned")) == ["adapter", "adapter-uncorrected", "report.json"]
