"""Tensors on the wire, without a mesh: what goes in comes out, and nothing damaged does."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from emloc import EmlocError
from emloc.compression.v1.compression_pb2 import CompressRequest, CompressResponse, CompressSummary
from emloc.tensor.v1 import tensor_pb2
from emloc.tensor.v1.tensor_pb2 import TensorChunk, TensorEnd, TensorFrame, TensorHeader
from emloc.tensors import TensorReader, chunk_bytes, chunk_in, chunk_message, steps_of


def frames(array: npt.ArrayLike) -> list[TensorFrame]:
    """As protobuf reads what is sent: the bytes written by hand must be a message of the contract."""
    steps = (
        step if isinstance(step, TensorFrame) else CompressRequest.FromString(step).frame
        for step in steps_of("x", array)
    )
    return list(steps)


def read(messages: list[TensorFrame]) -> npt.NDArray[np.generic]:
    reader, done = TensorReader(), None
    for frame in messages:
        message = CompressResponse(frame=frame).SerializeToString()
        chunk = chunk_in(message)
        if chunk is not None:
            assert frame.HasField("chunk")
            reader.chunk(chunk)
        else:
            done = reader.frame(CompressResponse.FromString(message).frame)
    reader.close()
    assert done is not None
    assert done[0] == "x"
    return done[1]


@pytest.mark.parametrize(
    "dtype",
    ["f8", "f4", "f2", ml_dtypes.bfloat16, "i8", "i4", "i2", "i1", "u1", "?"],
    ids=lambda dtype: np.dtype(dtype).name,
)
def test_every_type_of_element_comes_back_as_it_was(dtype: npt.DTypeLike) -> None:
    array = (np.arange(60).reshape(3, 4, 5) % 2).astype(dtype)
    back = read(frames(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    ("array", "chunks"),
    [
        (np.float32(3.5), 1),
        (np.empty((0, 7), np.float32), 0),
        (np.arange(12.0).reshape(3, 4)[:, ::2], 1),
        (np.arange(12.0).reshape(3, 4).T, 1),
        (np.arange(6, dtype=">f4"), 1),
        (np.arange(chunk_bytes // 8 + 1, dtype=np.float64), 2),
    ],
    ids=["scalar", "empty", "strided", "transposed", "big endian", "over a chunk"],
)
def test_every_shape_and_order_of_memory_comes_back(array: npt.NDArray[np.generic], chunks: int) -> None:
    sent = frames(array)
    assert sum(frame.HasField("chunk") for frame in sent) == chunks
    assert max((len(frame.chunk.data) for frame in sent), default=0) <= chunk_bytes
    back = read(sent)
    assert back.shape == np.shape(array)
    np.testing.assert_array_equal(back, array)


def test_the_checksum_is_zlibs_of_all_the_bytes() -> None:
    array = np.arange(1 << 19, dtype=np.float32)
    assert frames(array)[-1].end.crc32 == zlib.crc32(array.tobytes())


@pytest.mark.parametrize("length", [1, 127, 128, 16383, 16384, chunk_bytes])
def test_a_chunk_written_by_hand_is_the_message_that_protobuf_writes(length: int) -> None:
    data = bytes(range(256)) * (length // 256 + 1)
    message = CompressRequest(frame=TensorFrame(chunk=TensorChunk(data=data[:length]))).SerializeToString()
    assert chunk_message(memoryview(data)[:length]) == message
    found = chunk_in(message)
    assert found is not None
    assert bytes(found) == data[:length]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x12",
        b"\x12\x80\x80\x80\x80\x80\x80",
        CompressResponse(summary=CompressSummary(rank=3)).SerializeToString(),
        CompressResponse(frame=TensorFrame(end=TensorEnd(crc32=1))).SerializeToString(),
        CompressResponse(frame=TensorFrame(chunk=TensorChunk(data=b"abc"))).SerializeToString() + b"\x1a\x00",
        CompressResponse(frame=TensorFrame(chunk=TensorChunk(data=b"abc"))).SerializeToString()[:-1],
    ],
)
def test_what_is_not_exactly_a_chunk_is_left_to_protobuf(message: bytes) -> None:
    assert chunk_in(message) is None


def header(dtype: int = tensor_pb2.D_TYPE_F32, shape: tuple[int, ...] = (2,), byte_length: int = 8) -> TensorFrame:
    kind = tensor_pb2.DType.ValueType(dtype)
    return TensorFrame(header=TensorHeader(name="x", dtype=kind, shape=shape, byte_length=byte_length))


def chunk(data: bytes) -> TensorFrame:
    return TensorFrame(chunk=TensorChunk(data=data))


def end(crc: int) -> TensorFrame:
    return TensorFrame(end=TensorEnd(crc32=crc))


good = b"\0" * 8


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([header(), chunk(good), end(1)], "CHECKSUM_MISMATCH"),
        ([header(), chunk(good[:7]), end(zlib.crc32(good[:7]))], "TENSOR_CUT_SHORT"),
        ([header(), chunk(good), chunk(b"\0")], "TOO_MANY_BYTES"),
        ([header(), header()], "FRAME_ORDER"),
        ([chunk(good)], "FRAME_ORDER"),
        ([end(0)], "FRAME_ORDER"),
        ([header(dtype=99)], "BAD_DTYPE"),
        ([header(byte_length=9)], "WRONG_BYTE_LENGTH"),
        ([header(shape=(-2, -1))], "WRONG_BYTE_LENGTH"),
        ([header(shape=(1 << 40, 1 << 20), byte_length=1 << 62)], "OUT_OF_MEMORY"),
        ([TensorFrame()], "EMPTY_FRAME"),
        ([header(), chunk(good)], "TENSOR_CUT_SHORT"),
    ],
)
def test_a_damaged_stream_is_refused_with_its_reason(sent: list[TensorFrame], reason: str) -> None:
    def receive() -> None:
        reader = TensorReader()
        for frame in sent:
            reader.frame(frame)
        reader.close()

    assert_raises(reason, receive)


def test_a_type_that_no_tensor_has_is_refused_before_anything_is_sent() -> None:
    assert_raises("BAD_DTYPE", lambda: next(steps_of("x", np.zeros(3, np.complex64))))


def assert_raises(reason: str, work: Callable[[], object]) -> None:
    with pytest.raises(EmlocError) as raised:
        work()
    assert raised.value.reason == reason
