"""
One linear, compressed or corrected: the steps of the request, and the answer put together.

Without a transport: the same for the synchronous and the asyncio client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy.typing as npt

from emloc.calibration.v1.calibration_pb2 import CalibrateResponse
from emloc.compression.v1 import compression_pb2 as compression
from emloc.correction.v1 import correction_pb2 as correction
from emloc.errors import EmlocError
from emloc.tensor.v1.tensor_pb2 import TensorFrame
from emloc.tensors import Array, TensorReader, chunk_in, steps_of

CompressionMethod = Literal["activation_svd", "svd"]
Summary = TypeVar("Summary")


@dataclass(frozen=True)
class Factors:
    """
    A compressed weight: W' = u v.

    Attributes
    ----------
    u, v
        (d_out, rank) and (rank, d_in), in the weight's own type; of an f16 weight f32.
    sigma
        All singular values of W S (S Sᵀ = G), descending, f64.
    rank
        The rank of the factors.
    truncation_loss
        Square root of the sum of the squared singular values that were cut.
    relative_truncation_loss
        The same divided by the square root of the sum of all squares.

    """

    u: Array
    v: Array
    sigma: Array
    rank: int
    truncation_loss: float
    relative_truncation_loss: float


@dataclass(frozen=True)
class Corrected:
    """
    LoRA factors made for the original weight.

    Attributes
    ----------
    lora_a, lora_b
        (r, d_in) and (d_out, r), f32.
    clamp_ratios
        mean|C_i| / mean|B'_i| of each row before limiting; a row with B'_i = 0 has infinity.
    clamped_rows
        Rows whose correction was limited.

    """

    lora_a: Array
    lora_b: Array
    clamp_ratios: tuple[float, ...]
    clamped_rows: int


@dataclass(frozen=True)
class LayerGrams:
    """
    The Gram matrices of one decoder layer.

    Attributes
    ----------
    layer
        From 0.
    grams
        Σ x xᵀ over the calibration set, (d_in, d_in), f32, by the whole module name of each linear. Linears with one
        input share one array.
    rows
        How many rows x each was summed over, by module.

    """

    layer: int
    grams: Mapping[str, Array]
    rows: Mapping[str, int]


def compress_steps(
    weight: npt.ArrayLike,
    gram: npt.ArrayLike | None,
    rank: int | None,
    ratio: float | None,
    method: CompressionMethod | None,
) -> Iterator[compression.CompressRequest | bytes]:
    """The client's side of `Compress`."""
    methods = {
        None: compression.COMPRESSION_METHOD_SVD if gram is None else compression.COMPRESSION_METHOD_UNSPECIFIED,
        "activation_svd": compression.COMPRESSION_METHOD_ACTIVATION_SVD,
        "svd": compression.COMPRESSION_METHOD_SVD,
    }
    if method not in methods:
        raise EmlocError(
            "INVALID_ARGUMENT",
            "BAD_FIELD",
            f"there is no method {method}",
            field="method",
            value=str(method),
            mend="give activation_svd or svd",
        )
    options = compression.CompressOptions(rank=rank, ratio=ratio, method=methods[method])
    yield compression.CompressRequest(options=options)
    for name, array in (("weight", weight), ("gram", gram)):
        if array is not None:
            for step in steps_of(name, array):
                yield step if isinstance(step, bytes) else compression.CompressRequest(frame=step)
    yield compression.CompressRequest(end=compression.CompressEnd())


def correct_steps(
    tensors: Mapping[str, npt.ArrayLike | None], scale: float | None, max_correction_ratio: float | None
) -> Iterator[correction.CorrectRequest | bytes]:
    """The client's side of `Correct`; tensors by their names on the wire."""
    options = correction.CorrectOptions(scale=scale, max_correction_ratio=max_correction_ratio)
    yield correction.CorrectRequest(options=options)
    for name, array in tensors.items():
        if array is not None:
            for step in steps_of(name, array):
                yield step if isinstance(step, bytes) else correction.CorrectRequest(frame=step)
    yield correction.CorrectRequest(end=correction.CorrectEnd())


def correct_tensors(
    lora_a: npt.ArrayLike,
    lora_b: npt.ArrayLike,
    weight: npt.ArrayLike,
    emulated_weight: npt.ArrayLike | None,
    factors: Factors | tuple[npt.ArrayLike, npt.ArrayLike] | None,
) -> dict[str, npt.ArrayLike | None]:
    """The tensors of `Correct` by their names on the wire."""
    u, v = (None, None) if factors is None else (factors.u, factors.v) if isinstance(factors, Factors) else factors
    named = {"lora_A": lora_a, "lora_B": lora_b, "weight": weight, "emulated_weight": emulated_weight}
    return {**named, "u": u, "v": v}


class _SummaryReader(Generic[Summary]):
    """An answer of tensors and one summary; `parse` takes a message apart that is no chunk."""

    def __init__(self, parse: Callable[[bytes], tuple[Summary | None, TensorFrame]]) -> None:
        self._parse = parse
        self._summary: Summary | None = None
        self._tensors: dict[str, Array] = {}
        self._reader = TensorReader()

    def feed(self, message: bytes) -> None:
        """One serialized response."""
        chunk = chunk_in(message)
        if chunk is not None:
            return self._reader.chunk(chunk)
        summary, frame = self._parse(message)
        if summary is not None:
            self._summary = summary
        elif (done := self._reader.frame(frame)) is not None:
            self._tensors[done[0]] = done[1]
        return None

    def _whole(self, names: set[str]) -> tuple[Summary, dict[str, Array]]:
        """When the stream has ended: refused where anything is missing."""
        self._reader.close()
        if self._summary is None or self._tensors.keys() != names:
            told = f"the answer ended with no more than {', '.join(sorted(self._tensors)) or 'nothing'}"
            raise EmlocError("DATA_LOSS", "ANSWER_INCOMPLETE", told, mend="make the call again")
        return self._summary, self._tensors


class FactorsReader(_SummaryReader[compression.CompressSummary]):
    """The service's side of `Compress`."""

    def __init__(self) -> None:
        super().__init__(_compressed)

    def result(self) -> Factors:
        """When the stream has ended."""
        summary, tensors = self._whole({"u", "v", "sigma"})
        return Factors(
            **tensors,
            rank=summary.rank,
            truncation_loss=summary.truncation_loss,
            relative_truncation_loss=summary.relative_truncation_loss,
        )


class CorrectedReader(_SummaryReader[correction.CorrectSummary]):
    """The service's side of `Correct`."""

    def __init__(self) -> None:
        super().__init__(_corrected)

    def result(self) -> Corrected:
        """When the stream has ended."""
        summary, tensors = self._whole({"lora_A", "lora_B"})
        return Corrected(tensors["lora_A"], tensors["lora_B"], tuple(summary.clamp_ratios), summary.clamped_rows)


def _compressed(message: bytes) -> tuple[compression.CompressSummary | None, TensorFrame]:
    answer = compression.CompressResponse.FromString(message)
    return answer.summary if answer.HasField("summary") else None, answer.frame


def _corrected(message: bytes) -> tuple[correction.CorrectSummary | None, TensorFrame]:
    answer = correction.CorrectResponse.FromString(message)
    return answer.summary if answer.HasField("summary") else None, answer.frame


class GramsReader:
    """The service's side of `Calibrate`: a layer when it is whole."""

    def __init__(self) -> None:
        self._gram_of: Mapping[str, str] = {}
        self._tensors: dict[str, Array] = {}
        self._reader = TensorReader()
        self._finished = False

    def feed(self, message: bytes) -> LayerGrams | None:
        """One serialized CalibrateResponse."""
        chunk = chunk_in(message)
        if chunk is not None:
            self._reader.chunk(chunk)
            return None
        answer = CalibrateResponse.FromString(message)
        if answer.HasField("plan"):
            self._gram_of = dict(answer.plan.gram_of)
        elif answer.HasField("frame"):
            done = self._reader.frame(answer.frame)
            if done is not None:
                self._tensors[done[0]] = done[1]
        elif answer.HasField("layer"):
            return self._layer(answer.layer.layer, answer.layer.rows)
        elif answer.HasField("finished"):
            self._finished = True
        return None

    def end(self) -> None:
        """When the stream has ended."""
        self._reader.close()
        if not self._finished:
            raise EmlocError("DATA_LOSS", "CALIBRATION_CUT_SHORT", "the stream ended before the calibration did")

    def _layer(self, layer: int, rows: Mapping[str, int]) -> LayerGrams:
        tensors, self._tensors = self._tensors, {}
        modules = {module: name for module, name in self._gram_of.items() if name in tensors}
        return LayerGrams(
            layer,
            {module: tensors[name] for module, name in modules.items()},
            {module: rows.get(name, 0) for module, name in modules.items()},
        )
