package frames

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	compressionv1 "emloc.dev/go/gen/emloc/compression/v1"
	tensorv1 "emloc.dev/go/gen/emloc/tensor/v1"
)

var path = Path{2, 2, 1}

func chunk(data []byte) *compressionv1.CompressResponse {
	return &compressionv1.CompressResponse{Step: &compressionv1.CompressResponse_Frame{Frame: &tensorv1.TensorFrame{
		Frame: &tensorv1.TensorFrame_Chunk{Chunk: &tensorv1.TensorChunk{Data: data}},
	}}}
}

func in() (*In, *[]byte) {
	var got []byte
	return &In{
		Path:  path,
		Other: &compressionv1.CompressResponse{},
		Begin: func(int) error { got = nil; return nil },
		Piece: func(piece []byte) error { got = append(got, piece...); return nil },
	}, &got
}

func TestBytesAreWrittenAsProtobufWritesThem(t *testing.T) {
	for _, length := range []int{1, 100, 127, 128, 16_000, 1 << 20} {
		data := bytes.Repeat([]byte{7}, length)
		want, err := proto.Marshal(chunk(data))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Codec{}.Marshal(&Out{Path: path, Data: mem.SliceBuffer(data)})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Materialize(), want) {
			t.Errorf("%d bytes are written otherwise", length)
		}
	}
}

func TestBytesAreViewedNotCopiedWhenTheyAreWritten(t *testing.T) {
	data := make([]byte, 1000)
	got, err := Codec{}.Marshal(&Out{Path: path, Data: mem.SliceBuffer(data)})
	if err != nil {
		t.Fatal(err)
	}
	if view := got[len(got)-1].ReadOnlyData(); &view[0] != &data[0] {
		t.Error("the message does not view the data")
	}
}

func TestBytesAreReadHoweverTheTransportCutThem(t *testing.T) {
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(i * 31)
	}
	wire, err := proto.Marshal(chunk(data))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 3, 7, 4096, len(wire)} {
		var cut mem.BufferSlice
		for at := 0; at < len(wire); at += size {
			cut = append(cut, mem.SliceBuffer(wire[at:min(at+size, len(wire))]))
		}
		receiver, got := in()
		if err := (Codec{}).Unmarshal(cut, receiver); err != nil {
			t.Fatal(err)
		}
		if !receiver.IsChunk || !bytes.Equal(*got, data) {
			t.Errorf("cut by %d: other bytes came", size)
		}
	}
}

func TestAnythingElseIsParsedAsAMessage(t *testing.T) {
	receiver, _ := in()
	other := receiver.Other.(*compressionv1.CompressResponse)
	summary := &compressionv1.CompressResponse{Step: &compressionv1.CompressResponse_Summary{
		Summary: &compressionv1.CompressSummary{Rank: 3},
	}}
	end := &compressionv1.CompressResponse{Step: &compressionv1.CompressResponse_Frame{Frame: &tensorv1.TensorFrame{
		Frame: &tensorv1.TensorFrame_End{End: &tensorv1.TensorEnd{Crc32: 5}},
	}}}
	for _, message := range []*compressionv1.CompressResponse{summary, end, {}} {
		wire, err := proto.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		if err := (Codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer(wire)}, receiver); err != nil {
			t.Fatal(err)
		}
		if receiver.IsChunk || !proto.Equal(other, message) {
			t.Errorf("%v came as %v", message, other)
		}
	}
	// A field that this version does not know: protobuf parses it, and keeps the bytes.
	wire, _ := proto.Marshal(chunk([]byte{1, 2, 3}))
	wire = append(wire, 0x78, 1)
	if err := (Codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer(wire)}, receiver); err != nil {
		t.Fatal(err)
	}
	if receiver.IsChunk || !bytes.Equal(other.GetFrame().GetChunk().GetData(), []byte{1, 2, 3}) {
		t.Errorf("came as %v", other)
	}
	if err := (Codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer{0x12, 0xff}}, receiver); err == nil {
		t.Error("a broken message was taken")
	}
}
