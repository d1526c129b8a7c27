"""Text, scores and lists of artifacts from the running mesh, by both clients."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from emloc import Artifact, AsyncClient, Client, EmlocError, Piece
from emloc.inference.v1.inference_pb2 import GenerationOptions, Prompt, TokenRow

from .conftest import tiny_llama

prompts = [[1, 7, 58], [1, 7, 39, 103]]
told = GenerationOptions(ignore_eos=True, log_probabilities=True)


def of_prompt(pieces: list[Piece], prompt: int) -> list[Piece]:
    return [piece for piece in pieces if piece.prompt == prompt]


def test_what_is_generated_is_scored_as_it_was_generated(client: Client) -> None:
    pieces = list(client.generate(tiny_llama, prompts, max_new_tokens=4, options=told))
    for number, prompt in enumerate(prompts):
        mine = of_prompt(pieces, number)
        assert [piece.finish for piece in mine] == [None, None, None, "max_new_tokens"]
        ids = [*prompt, *(each for piece in mine for each in piece.ids)]
        [scored] = client.score(tiny_llama, [ids])
        assert scored.ids.tolist() == ids
        assert scored.log_probabilities.dtype == np.float32
        assert scored.log_probabilities[len(prompt) - 1 :] == pytest.approx(
            [piece.log_probability for piece in mine], abs=1e-3
        )


def test_an_adapter_of_this_machine_is_uploaded_and_changes_what_comes(client: Client) -> None:
    adapter = tiny_llama / "adapter-uncorrected"
    plain, adapted = Prompt(tokens=TokenRow(ids=prompts[0])), Prompt(tokens=TokenRow(ids=prompts[0]), adapter="mine")
    both = client.generate(tiny_llama, [plain, adapted], adapters={"mine": adapter}, options=told, max_new_tokens=1)
    pieces = list(both)
    [without], [with_it] = of_prompt(pieces, 0), of_prompt(pieces, 1)
    assert without.log_probability != with_it.log_probability
    [named] = client.generate(
        tiny_llama, [prompts[0]], adapters={"mine": adapter}, adapter="mine", options=told, max_new_tokens=1
    )
    assert named.log_probability == pytest.approx(with_it.log_probability, abs=1e-4)
    [bare], [scored] = client.score(tiny_llama, [prompts[0]]), client.score(tiny_llama, [prompts[0]], adapter=adapter)
    assert np.abs(bare.log_probabilities - scored.log_probabilities).max() > 1e-3


def test_tokens_are_drawn_where_an_option_says_so_and_the_seed_tells_which(client: Client) -> None:
    def drawn(seed: int) -> list[int]:
        pieces = client.generate(tiny_llama, prompts[:1], max_new_tokens=8, temperature=5.0, seed=seed, options=told)
        return [each for piece in pieces for each in piece.ids]

    assert drawn(1) == drawn(1) != drawn(2)


def test_texts_and_conversations_need_a_tokenizer(client: Client) -> None:
    for prompt in ("hello", [{"role": "user", "content": "hello"}]):
        with pytest.raises(EmlocError, match="NO_TOKENIZER"):
            list(client.generate(tiny_llama, [prompt]))
    with pytest.raises(EmlocError, match="NO_TOKENIZER"):
        list(client.generate(tiny_llama, prompts, stop=["."]))
    with pytest.raises(EmlocError, match="NO_TOKENIZER"):
        list(client.score(tiny_llama, ["hello"]))


def test_artifacts_are_listed_and_filtered(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("listed by the Python client")
    artifact = client.upload(tmp_path / "a")
    assert list(client.artifacts(filter=f'digest = "{artifact.digest}"')) == [artifact]
    assert artifact.digest in {each.digest for each in client.artifacts()}
    assert artifact not in list(client.artifacts(filter="kind = DIRECTORY"))


def test_the_asyncio_client_does_the_same(client: Client, tmp_path: Path) -> None:
    (tmp_path / "b").write_text("listed by the asyncio client")

    async def all_of_it() -> tuple[list[Piece], list[float], list[Artifact], Artifact]:
        async with AsyncClient() as mesh:
            pieces = [
                piece
                async for piece in mesh.generate(
                    tiny_llama,
                    prompts,
                    adapters={"mine": tiny_llama / "adapter-uncorrected"},
                    adapter="mine",
                    max_new_tokens=2,
                    options=told,
                )
            ]
            scores = [
                float(each)
                async for scored in mesh.score(tiny_llama, prompts, adapter=tiny_llama / "adapter-uncorrected")
                for each in scored.log_probabilities
            ]
            uploaded = await mesh.upload(tmp_path / "b")
            return pieces, scores, [each async for each in mesh.artifacts()], uploaded

    pieces, scores, listed, uploaded = asyncio.run(all_of_it())
    adapter = tiny_llama / "adapter-uncorrected"
    wanted = client.generate(
        tiny_llama, prompts, adapters={"mine": adapter}, adapter="mine", max_new_tokens=2, options=told
    )
    assert sorted(piece.ids for piece in pieces) == sorted(piece.ids for piece in wanted)
    expected = [float(x) for each in client.score(tiny_llama, prompts, adapter=adapter) for x in each.log_probabilities]
    assert scores == pytest.approx(expected, abs=1e-4)
    assert uploaded in listed
