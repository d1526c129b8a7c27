"""Text and scores from a model, with adapters: what the inference service is asked, and what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from emloc import _rpcs
from emloc._aio_calls import AsyncCalls
from emloc._calls import Calls
from emloc._services import Service
from emloc._spec import Model, model_source
from emloc.artifact.v1.artifact_pb2 import Source
from emloc.inference.v1 import inference_pb2 as inference

# Text, token ids, a conversation (`{"role": …, "content": …}` each), or all that can be said.
PromptLike = str | Sequence[int] | Sequence[Mapping[str, str]] | inference.Prompt


@dataclass(frozen=True)
class Piece:
    """
    What one token of generated text brings. Pieces of different prompts are interleaved.

    Attributes
    ----------
    prompt
        Which of the prompts, from 0.
    text
        Whole characters, which may be none yet; empty where the model has no tokenizer.
    ids
        The token.
    log_probability
        Of it, where that was asked for.
    finish
        With a prompt's last piece: `end_of_text`, `stop`, `max_new_tokens` or `context_length`.

    """

    prompt: int
    text: str
    ids: tuple[int, ...]
    log_probability: float | None
    finish: str | None


@dataclass(frozen=True)
class Scored:
    """A row's token ids, and the log-probability of each after those before it: one fewer."""

    row: int
    ids: npt.NDArray[np.int32]
    log_probabilities: npt.NDArray[np.float32]


def prompt_of(prompt: PromptLike, adapter: str | None) -> inference.Prompt:
    """As the contract has it; `adapter` is for those that name none."""
    if isinstance(prompt, inference.Prompt):
        made = inference.Prompt()
        made.CopyFrom(prompt)
    elif isinstance(prompt, str):
        made = inference.Prompt(text=prompt)
    elif len(prompt) > 0 and isinstance(prompt[0], Mapping):
        messages: Any = prompt
        turns = [inference.ChatMessage(role=turn["role"], content=turn["content"]) for turn in messages]
        made = inference.Prompt(conversation=inference.Conversation(messages=turns))
    else:
        ids: Any = prompt
        made = inference.Prompt(tokens=inference.TokenRow(ids=ids))
    if adapter is not None and made.adapter == "":
        made.adapter = adapter
    return made


def generate_request(
    model: Model,
    prompts: Sequence[PromptLike],
    adapters: Mapping[str, Source],
    adapter: str | None,
    options: inference.GenerationOptions | None,
    **given: Any,
) -> inference.GenerateRequest:
    """`given` are options by their names, which win over `options`; `None`: not given."""
    made = inference.GenerationOptions()
    if options is not None:
        made.CopyFrom(options)
    for name, value in given.items():
        if isinstance(value, tuple | list):
            del made.stop[:]
            made.stop.extend(value)
        elif value is not None:
            setattr(made, name, value)
    return inference.GenerateRequest(
        model=model_source(model),
        adapters=[inference.NamedAdapter(name=name, source=source) for name, source in adapters.items()],
        prompts=[prompt_of(prompt, adapter) for prompt in prompts],
        options=made,
    )


def score_request(
    model: Model, rows: Sequence[str] | Sequence[Sequence[int]], adapter: Source | None
) -> inference.ScoreRequest:
    """Texts, or rows of token ids."""
    texts = [row for row in rows if isinstance(row, str)]
    ids = [inference.TokenRow(ids=row) for row in rows if not isinstance(row, str)]
    return inference.ScoreRequest(model=model_source(model), rows=ids, texts=texts, adapter=adapter)


def piece_of(answer: inference.GenerateResponse) -> Piece:
    """From the message."""
    finish = inference.FinishReason.Name(answer.finish_reason).removeprefix("FINISH_REASON_").lower()
    return Piece(
        answer.prompt,
        answer.text,
        tuple(answer.ids),
        answer.log_probabilities[0] if answer.log_probabilities else None,
        None if finish == "unspecified" else finish,
    )


def scored_of(answer: inference.ScoreResponse) -> Scored:
    """From the message."""
    return Scored(answer.row, np.array(answer.ids, np.int32), np.array(answer.log_probabilities, np.float32))


class _Mesh(Protocol):
    def _calls(self, service: Service) -> Calls: ...
    def _input(self, model: Model) -> Source: ...


class Inference:
    """What `Client` has of it."""

    def generate(
        self: _Mesh,
        model: Model,
        prompts: Sequence[PromptLike],
        *,
        adapters: Mapping[str, Model] | None = None,
        adapter: str | None = None,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
        options: inference.GenerationOptions | None = None,
        timeout: float | None = None,
    ) -> Iterator[Piece]:
        """
        Goes on with prompts, token by token; the most probable one unless an option says that tokens are drawn.

        Parameters
        ----------
        prompts
            Each a text, token ids, a conversation, or a `Prompt`.
        adapters
            Adapters by name: directories of this machine, which are uploaded, or artifacts.
        adapter
            Which of them prompts go through that name none; `None`: the model as it is.
        options
            What has no parameter here; the parameters win over it.

        Example
        -------
        >>> for piece in client.generate("/models/tiny", ["Once upon a time"], max_new_tokens=20):
        ...     print(piece.text, end="", flush=True)

        """
        sources = {name: self._input(each) for name, each in (adapters or {}).items()}
        request = generate_request(
            model, prompts, sources, adapter, options,
            max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed,
            stop=list(stop) or None,
        )  # fmt: skip
        for answer in self._calls("inference").stream(_rpcs.generate, request, timeout):
            yield piece_of(answer)

    def score(
        self: _Mesh,
        model: Model,
        rows: Sequence[str] | Sequence[Sequence[int]],
        *,
        adapter: Model | None = None,
        timeout: float | None = None,
    ) -> Iterator[Scored]:
        """
        The log-probabilities of the tokens of each row, in order; rows are texts or token ids.

        Example
        -------
        >>> [scored.log_probabilities.mean() for scored in client.score("/models/tiny", [[1, 7, 58]])]

        """
        request = score_request(model, rows, None if adapter is None else self._input(adapter))
        for answer in self._calls("inference").stream(_rpcs.score, request, timeout):
            yield scored_of(answer)


class _AsyncMesh(Protocol):
    async def _calls(self, service: Service) -> AsyncCalls: ...
    async def _input(self, model: Model) -> Source: ...


class AsyncInference:
    """What `AsyncClient` has of it."""

    async def generate(
        self: _AsyncMesh,
        model: Model,
        prompts: Sequence[PromptLike],
        *,
        adapters: Mapping[str, Model] | None = None,
        adapter: str | None = None,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
        options: inference.GenerationOptions | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Piece]:
        """Goes on with prompts, token by token; parameters as those of `Client.generate`."""
        sources = {name: await self._input(each) for name, each in (adapters or {}).items()}
        request = generate_request(
            model, prompts, sources, adapter, options,
            max_new_tokens=max_new_tokens, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed,
            stop=list(stop) or None,
        )  # fmt: skip
        async for answer in (await self._calls("inference")).stream(_rpcs.generate, request, timeout):
            yield piece_of(answer)

    async def score(
        self: _AsyncMesh,
        model: Model,
        rows: Sequence[str] | Sequence[Sequence[int]],
        *,
        adapter: Model | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[Scored]:
        """The log-probabilities of the tokens of each row, in order; see `Client.score`."""
        request = score_request(model, rows, None if adapter is None else await self._input(adapter))
        async for answer in (await self._calls("inference")).stream(_rpcs.score, request, timeout):
            yield scored_of(answer)
