// Package frames lets bytes pass between gRPC and their owner's memory without going through a message in between.
//
// A message that carries bulk data nests it: CompressRequest.frame.chunk.data. Protobuf copies such bytes when it
// serializes them, and twice when it parses them. Here the outer fields are written and read by hand: what is sent
// views its owner's memory, what comes is copied once, from the transport's buffers to where it belongs. On the wire
// nothing differs.
package frames

import (
	"fmt"
	"io"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec of all other messages
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Path is the numbers of the nested fields that lead to the bytes, from the message on.
type Path []protowire.Number

// Out is a message of nothing but bytes under a path.
type Out struct {
	Path Path
	// Data is freed when the transport has written it. mem.SliceBuffer views memory that must not change before.
	Data mem.Buffer
}

// In receives a message: bytes under the path go to Chunk, piece by piece, anything else is parsed into Other.
type In struct {
	Path  Path
	Other proto.Message
	// Begin is told the length of the bytes before they come.
	Begin func(length int) error
	// Piece takes the next bytes, which it must not keep.
	Piece func([]byte) error
	// IsChunk says after a receive which of the two it was.
	IsChunk bool
}

// Codec is gRPC's own for protobuf, but for Out and In.
type Codec struct{}

// Name is that of the codec whose wire format this is.
func (Codec) Name() string { return "proto" }

// Marshal serializes a message.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	if out, ok := v.(*Out); ok {
		return mem.BufferSlice{mem.SliceBuffer(out.head()), out.Data}, nil
	}
	return encoding.GetCodecV2("proto").Marshal(v)
}

// head is the tags and lengths before the bytes.
func (o *Out) head() []byte {
	lengths := make([]uint64, len(o.Path))
	inner := uint64(o.Data.Len())
	for i := len(o.Path) - 1; i >= 0; i-- {
		lengths[i] = inner
		inner += uint64(protowire.SizeTag(o.Path[i]) + protowire.SizeVarint(inner))
	}
	var head []byte
	for i, number := range o.Path {
		head = protowire.AppendTag(head, number, protowire.BytesType)
		head = protowire.AppendVarint(head, lengths[i])
	}
	return head
}

// Unmarshal parses a message.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	if in, ok := v.(*In); ok {
		return in.read(data)
	}
	return encoding.GetCodecV2("proto").Unmarshal(data, v)
}

func (in *In) read(data mem.BufferSlice) error {
	skip, isChunk := in.Path.match(data)
	in.IsChunk = isChunk
	if !isChunk {
		proto.Reset(in.Other)
		return encoding.GetCodecV2("proto").Unmarshal(data, in.Other)
	}
	if err := in.Begin(data.Len() - skip); err != nil {
		return err
	}
	for _, buffer := range data {
		piece := buffer.ReadOnlyData()
		if skip >= len(piece) {
			skip -= len(piece)
			continue
		}
		if err := in.Piece(piece[skip:]); err != nil {
			return err
		}
		skip = 0
	}
	return nil
}

// match tells whether a message is nothing but the bytes under the path, and how long the head before them is.
func (p Path) match(data mem.BufferSlice) (head int, ok bool) {
	reader := data.Reader()
	defer reader.Close()
	total := reader.Remaining()
	for _, number := range p {
		tag, err := readVarint(reader)
		if err != nil || tag != protowire.EncodeTag(number, protowire.BytesType) {
			return 0, false
		}
		length, err := readVarint(reader)
		if err != nil || length != uint64(reader.Remaining()) {
			return 0, false
		}
	}
	return total - reader.Remaining(), true
}

func readVarint(reader io.ByteReader) (uint64, error) {
	var value uint64
	for shift := 0; shift < 64; shift += 7 {
		b, err := reader.ReadByte()
		if err != nil {
			return 0, err
		}
		value |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return value, nil
		}
	}
	return 0, fmt.Errorf("a number of more than 64 bits")
}
