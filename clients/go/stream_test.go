package emloc_test

import (
	"errors"
	"hash/crc32"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"emloc.dev/go"
	compressionv1 "emloc.dev/go/gen/emloc/compression/v1"
	tensorv1 "emloc.dev/go/gen/emloc/tensor/v1"
)

// liar is a service that breaks the contract of tensor streams, which ours does not do.
type liar struct {
	compressionv1.UnimplementedCompressionServiceServer
	frames []*tensorv1.TensorFrame
}

func (l *liar) Compress(stream grpc.BidiStreamingServer[compressionv1.CompressRequest, compressionv1.CompressResponse]) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		if request.GetEnd() != nil {
			break
		}
	}
	for _, frame := range l.frames {
		response := &compressionv1.CompressResponse{Step: &compressionv1.CompressResponse_Frame{Frame: frame}}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
	return nil
}

func TestWhatComesDamagedOrOutOfOrderIsRefused(t *testing.T) {
	header := func(change func(*tensorv1.TensorHeader)) *tensorv1.TensorFrame {
		h := &tensorv1.TensorHeader{Name: "u", Dtype: emloc.U8, Shape: []int64{4}, ByteLength: 4}
		change(h)
		return &tensorv1.TensorFrame{Frame: &tensorv1.TensorFrame_Header{Header: h}}
	}
	good := func(*tensorv1.TensorHeader) {}
	chunk := func(length int) *tensorv1.TensorFrame {
		data := &tensorv1.TensorChunk{Data: make([]byte, length)}
		return &tensorv1.TensorFrame{Frame: &tensorv1.TensorFrame_Chunk{Chunk: data}}
	}
	end := func(sum uint32) *tensorv1.TensorFrame {
		return &tensorv1.TensorFrame{Frame: &tensorv1.TensorFrame_End{End: &tensorv1.TensorEnd{Crc32: sum}}}
	}
	right := crc32.ChecksumIEEE(make([]byte, 4))
	named := func(name string) *tensorv1.TensorFrame {
		return header(func(h *tensorv1.TensorHeader) { h.Name = name })
	}
	const huge = 1 << 33
	for name, c := range map[string]struct {
		frames []*tensorv1.TensorFrame
		reason string
		code   codes.Code
	}{
		"a wrong checksum": {[]*tensorv1.TensorFrame{header(good), chunk(4), end(right + 1)},
			"CHECKSUM_MISMATCH", codes.DataLoss},
		"too few bytes":           {[]*tensorv1.TensorFrame{header(good), chunk(3), end(right)}, "TENSOR_CUT_SHORT", codes.DataLoss},
		"too many bytes":          {[]*tensorv1.TensorFrame{header(good), chunk(5)}, "TOO_MANY_BYTES", codes.DataLoss},
		"an end of the stream":    {[]*tensorv1.TensorFrame{header(good), chunk(2)}, "TENSOR_CUT_SHORT", codes.DataLoss},
		"a chunk first":           {[]*tensorv1.TensorFrame{chunk(1)}, "FRAME_ORDER", codes.InvalidArgument},
		"an end first":            {[]*tensorv1.TensorFrame{end(0)}, "FRAME_ORDER", codes.InvalidArgument},
		"a header inside":         {[]*tensorv1.TensorFrame{header(good), header(good)}, "FRAME_ORDER", codes.InvalidArgument},
		"an empty frame":          {[]*tensorv1.TensorFrame{{}}, "EMPTY_FRAME", codes.InvalidArgument},
		"an empty chunk":          {[]*tensorv1.TensorFrame{header(good), chunk(0)}, "CHUNK_SIZE", codes.InvalidArgument},
		"no name":                 {[]*tensorv1.TensorFrame{named("")}, "BAD_TENSOR_NAME", codes.InvalidArgument},
		"no tensor at all":        {nil, "TENSOR_MISSING", codes.DataLoss},
		"a lying length":          {[]*tensorv1.TensorFrame{header(func(h *tensorv1.TensorHeader) { h.ByteLength = 5 })}, "WRONG_BYTE_LENGTH", codes.InvalidArgument},
		"a negative axis":         {[]*tensorv1.TensorFrame{header(func(h *tensorv1.TensorHeader) { h.Shape = []int64{-4} })}, "BAD_SHAPE", codes.InvalidArgument},
		"no element type":         {[]*tensorv1.TensorFrame{header(func(h *tensorv1.TensorHeader) { h.Dtype = 0 })}, "BAD_DTYPE", codes.InvalidArgument},
		"a length that overflows": {[]*tensorv1.TensorFrame{header(func(h *tensorv1.TensorHeader) { h.Shape = []int64{1 << 40, 1 << 40} })}, "BAD_SHAPE", codes.InvalidArgument},
		"more than anybody sends": {[]*tensorv1.TensorFrame{header(func(h *tensorv1.TensorHeader) { h.Shape, h.ByteLength = []int64{huge}, huge })}, "TENSOR_TOO_LARGE", codes.ResourceExhausted},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, func(server *grpc.Server) {
				compressionv1.RegisterCompressionServiceServer(server, &liar{frames: c.frames})
			})
			client := connect(t, emloc.WithAddress(emloc.Compression, address))
			weight := emloc.Matrix([]float32{1}, 1, 1)
			_, err := client.Compress(during(t), weight, nil, &compressionv1.CompressOptions{Rank: proto.Int32(1)})
			var e *emloc.Error
			if !errors.As(err, &e) || e.Reason != c.reason || e.Code != c.code {
				t.Errorf("gives %v, not %s", err, c.reason)
			}
		})
	}
}

// serve answers on an address of its own until the test ends.
func serve(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := grpc.NewServer(options...)
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}
