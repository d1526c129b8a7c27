"""
Tensors on the wire: a header, chunks of at most 1 MiB, an end with the CRC-32 of all the bytes.

Towards a service an array is copied once, from its memory into the message that gRPC takes; from a service once, from
the message that gRPC gives into the array. Of the messages of a tensor stream only chunks are large, and they are
nested three deep; protobuf would copy their bytes at each level, so the few bytes around them are written and read
here. Anything that does not look exactly like a chunk is left to protobuf.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from emloc.compression.v1.compression_pb2 import CompressRequest
from emloc.errors import EmlocError
from emloc.tensor.v1 import tensor_pb2
from emloc.tensor.v1.tensor_pb2 import TensorChunk, TensorEnd, TensorFrame, TensorHeader

Array = npt.NDArray[Any]

chunk_bytes = 1024 * 1024

bfloat16 = np.dtype(ml_dtypes.bfloat16)

_dtypes: dict[int, np.dtype[Any]] = {
    tensor_pb2.D_TYPE_F64: np.dtype("<f8"),
    tensor_pb2.D_TYPE_F32: np.dtype("<f4"),
    tensor_pb2.D_TYPE_F16: np.dtype("<f2"),
    tensor_pb2.D_TYPE_BF16: bfloat16,
    tensor_pb2.D_TYPE_I64: np.dtype("<i8"),
    tensor_pb2.D_TYPE_I32: np.dtype("<i4"),
    tensor_pb2.D_TYPE_I16: np.dtype("<i2"),
    tensor_pb2.D_TYPE_I8: np.dtype("i1"),
    tensor_pb2.D_TYPE_U8: np.dtype("u1"),
    tensor_pb2.D_TYPE_BOOL: np.dtype("?"),
}
_wire_types = {dtype: wire for wire, dtype in _dtypes.items()}


def _tag(field: int) -> int:
    """The byte before a field of bytes or of a message."""
    return field << 3 | 2


# The same in every stream of tensors: `frame` is field 2 of CompressRequest, CorrectRequest and their answers, and of
# CalibrateResponse.
_frame = _tag(CompressRequest.FRAME_FIELD_NUMBER)
_chunk = _tag(TensorFrame.CHUNK_FIELD_NUMBER)
_data = _tag(TensorChunk.DATA_FIELD_NUMBER)


def steps_of(name: str, array: npt.ArrayLike) -> Iterator[TensorFrame | bytes]:
    """
    The steps that send an array: its header, its chunks as they stand in a message (see `chunk_message`), its end.

    An array that is not contiguous, or not little-endian, is copied first.
    """
    values = np.asarray(array)
    dtype = values.dtype.newbyteorder("<") if values.dtype.byteorder == ">" else values.dtype
    if dtype not in _wire_types:
        raise EmlocError(
            "INVALID_ARGUMENT",
            "BAD_DTYPE",
            f"{name} has dtype {values.dtype}, which no tensor of the mesh has",
            field=name,
            value=str(values.dtype),
            mend=f"convert it to one of {', '.join(str(each) for each in _wire_types)}",
        )
    contiguous = np.ascontiguousarray(values, dtype=dtype)
    data = contiguous.reshape(-1).view(np.uint8).data
    yield TensorFrame(
        header=TensorHeader(
            name=name, dtype=tensor_pb2.DType.ValueType(_wire_types[dtype]), shape=values.shape, byte_length=len(data)
        )
    )
    crc = 0
    for start in range(0, len(data), chunk_bytes):
        part = data[start : start + chunk_bytes]
        crc = zlib.crc32(part, crc)
        yield chunk_message(part)
    yield TensorFrame(end=TensorEnd(crc32=crc))


def chunk_message(data: memoryview) -> bytes:
    """A serialized request whose `frame` is a chunk of these bytes."""
    inner = bytes((_data,)) + _varint(len(data))
    middle = bytes((_chunk,)) + _varint(len(inner) + len(data)) + inner
    return b"".join((bytes((_frame,)), _varint(len(middle) + len(data)), middle, data))


def chunk_in(message: bytes) -> memoryview | None:
    """The bytes of the chunk that a serialized answer holds; `None` where it holds anything else, or more."""
    view = memoryview(message)
    for tag in (_frame, _chunk, _data):
        if len(view) < 2 or view[0] != tag:
            return None
        length, at = _read_varint(view)
        if length != len(view) - at:
            return None
        view = view[at:]
    return view


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(view: memoryview) -> tuple[int, int]:
    """Value, and where the next byte is; -1 where it is cut or too long for a length."""
    value = 0
    for i in range(1, min(len(view), 6)):
        value |= (view[i] & 0x7F) << 7 * (i - 1)
        if view[i] < 0x80:
            return value, i + 1
    return -1, 0


class TensorReader:
    """
    Puts the frames of a stream together to arrays.

    Nothing that a sender says is believed: order, lengths, types and the checksum are checked. A reader that has raised
    is done with.
    """

    def __init__(self) -> None:
        self._name = ""
        self._array: Array | None = None
        self._bytes = memoryview(b"")
        self._received = 0
        self._crc = 0

    def header(self, header: TensorHeader) -> None:
        """Opens a tensor and takes memory for it."""
        if self._array is not None:
            raise _wrong("FRAME_ORDER", f"{header.name} begins before {self._name} has ended", self._name)
        dtype = _dtypes.get(header.dtype)
        if dtype is None:
            raise _wrong("BAD_DTYPE", f"{header.name} has dtype {header.dtype}", header.name)
        expected = math.prod(header.shape) * dtype.itemsize
        if header.byte_length != expected or any(length < 0 for length in header.shape):
            told = (
                f"{header.name}, {dtype} of shape {list(header.shape)}, has {expected} bytes, not {header.byte_length}"
            )
            raise _wrong("WRONG_BYTE_LENGTH", told, header.name)
        try:
            array: Array = np.empty(tuple(header.shape), dtype)
        except (MemoryError, ValueError) as error:
            raise EmlocError(
                "RESOURCE_EXHAUSTED", "OUT_OF_MEMORY", f"no memory for {header.name}", value=f"{expected} bytes"
            ) from error
        self._name, self._array, self._received, self._crc = header.name, array, 0, 0
        self._bytes = array.reshape(-1).view(np.uint8).data

    def chunk(self, data: memoryview | bytes) -> None:
        """The next bytes of the tensor that is open."""
        if self._array is None:
            raise _wrong("FRAME_ORDER", "a chunk came before a header", "frame")
        end = self._received + len(data)
        if end > len(self._bytes):
            raise _damaged(
                "TOO_MANY_BYTES", f"{self._name} has {len(self._bytes)} bytes, but more were sent", self._name
            )
        self._bytes[self._received : end] = data
        self._received = end
        self._crc = zlib.crc32(data, self._crc)

    def end(self, end: TensorEnd) -> tuple[str, Array]:
        """Name and array, whole and undamaged."""
        array = self._array
        if array is None:
            raise _wrong("FRAME_ORDER", "an end came before a header", "frame")
        if self._received != len(self._bytes):
            self.close()
        if end.crc32 != self._crc:
            told = f"{self._name} was damaged on the way: its checksum is {self._crc:08x}, the sender's {end.crc32:08x}"
            raise _damaged("CHECKSUM_MISMATCH", told, self._name)
        self._array, self._bytes = None, memoryview(b"")
        return self._name, array

    def frame(self, frame: TensorFrame) -> tuple[str, Array] | None:
        """Any frame; name and array where it was the last of a tensor."""
        if frame.HasField("header"):
            self.header(frame.header)
        elif frame.HasField("chunk"):
            self.chunk(frame.chunk.data)
        elif frame.HasField("end"):
            return self.end(frame.end)
        else:
            raise _wrong("EMPTY_FRAME", "a frame holds neither header, chunk nor end", "frame")
        return None

    def close(self) -> None:
        """Called at the end of the stream: a tensor that is still open was cut short."""
        if self._array is not None:
            told = f"the stream ended after {self._received} of {len(self._bytes)} bytes of {self._name}"
            raise _damaged("TENSOR_CUT_SHORT", told, self._name)


def _wrong(reason: str, message: str, field: str) -> EmlocError:
    return EmlocError("INVALID_ARGUMENT", reason, message, field=field, mend="send header, chunks, end")


def _damaged(reason: str, message: str, field: str) -> EmlocError:
    return EmlocError("DATA_LOSS", reason, message, field=field, mend="make the call again")
