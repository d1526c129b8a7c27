package emloc

import (
	"context"
	"hash/crc32"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	tensorv1 "emloc.dev/go/gen/emloc/tensor/v1"
	"emloc.dev/go/internal/frames"
)

// Every message that carries tensors has their frames in this field; a frame's chunk and a chunk's data follow.
const (
	frameField = 2
	chunkField = 2
	dataField  = 1
)

var chunkPath = frames.Path{frameField, chunkField, dataField}

// tensorStream sends and receives tensors over one call whose messages carry frames; R is the response.
type tensorStream[R framed] struct {
	stream grpc.ClientStream
	in     frames.In
	// The tensor that is open, its name, how many bytes have come, and their checksum.
	open     *Tensor
	name     string
	received int64
	sum      uint32
	// What was wrong with a chunk: gRPC would make a text of it.
	failed error
}

type framed interface {
	proto.Message
	GetFrame() *tensorv1.TensorFrame
}

func openTensorStream[R framed](
	ctx context.Context, conn *grpc.ClientConn, method string, clientStreams bool, response R,
) (*tensorStream[R], error) {
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: clientStreams}
	stream, err := conn.NewStream(ctx, desc, method, grpc.ForceCodecV2(frames.Codec{}))
	if err != nil {
		return nil, err
	}
	s := &tensorStream[R]{stream: stream}
	s.in = frames.In{Path: chunkPath, Other: response, Begin: s.begin, Piece: s.piece}
	return s, nil
}

// send writes a message. Where the service has ended the call, what it ended it with comes back.
func (s *tensorStream[R]) send(message any) error {
	err := s.stream.SendMsg(message)
	if err != io.EOF {
		return err
	}
	for err = s.stream.RecvMsg(&s.in); err == nil; {
		err = s.stream.RecvMsg(&s.in)
	}
	if err == io.EOF {
		return errorf(codes.Internal, "STREAM_ENDED", "", "the service ended the call before it had everything")
	}
	return err
}

// sendTensor writes a tensor, whose chunks view its memory; wrap puts a frame into a request.
func (s *tensorStream[R]) sendTensor(name string, t Tensor, wrap func(*tensorv1.TensorFrame) proto.Message) error {
	header := &tensorv1.TensorHeader{Name: name, Dtype: t.DType, Shape: t.Shape, ByteLength: int64(len(t.Data))}
	if err := s.send(wrap(&tensorv1.TensorFrame{Frame: &tensorv1.TensorFrame_Header{Header: header}})); err != nil {
		return err
	}
	var sum uint32
	for at := 0; at < len(t.Data); at += maxChunkBytes {
		data := mem.SliceBuffer(t.Data[at:min(at+maxChunkBytes, len(t.Data))])
		sum = crc32.Update(sum, crc32.IEEETable, data)
		if err := s.send(&frames.Out{Path: chunkPath, Data: data}); err != nil {
			return err
		}
	}
	end := &tensorv1.TensorEnd{Crc32: sum}
	return s.send(wrap(&tensorv1.TensorFrame{Frame: &tensorv1.TensorFrame_End{End: end}}))
}

// receive gives the next message that is not a frame, or the next tensor that is whole; io.EOF after the last.
func (s *tensorStream[R]) receive() (other R, name string, tensor *Tensor, err error) {
	for {
		if err := s.next(); err != nil {
			return other, "", nil, err
		}
		if s.in.IsChunk {
			continue
		}
		message := s.in.Other.(R)
		frame := message.GetFrame()
		if frame == nil {
			// The caller keeps it.
			s.in.Other = message.ProtoReflect().New().Interface()
			return message, "", nil, nil
		}
		switch f := frame.GetFrame().(type) {
		case *tensorv1.TensorFrame_Header:
			err = s.header(f.Header)
		case *tensorv1.TensorFrame_Chunk:
			// With fields beside it that this version does not know.
			if err = s.begin(len(f.Chunk.GetData())); err == nil {
				err = s.piece(f.Chunk.GetData())
			}
		case *tensorv1.TensorFrame_End:
			if tensor, err = s.end(f.End.GetCrc32()); err == nil {
				return other, s.name, tensor, nil
			}
		default:
			err = s.wrong(codes.InvalidArgument, "EMPTY_FRAME", "a frame holds neither header, chunk nor end")
		}
		if err != nil {
			return other, "", nil, err
		}
	}
}

// next takes one message: a chunk goes into the open tensor, anything else is left in s.in.
func (s *tensorStream[R]) next() error {
	err := s.stream.RecvMsg(&s.in)
	if s.failed != nil {
		return s.failed
	}
	if err == io.EOF && s.open != nil {
		return s.wrong(codes.DataLoss, "TENSOR_CUT_SHORT", "the stream ended after %d bytes of %s", s.received, s.name)
	}
	return err
}

func (s *tensorStream[R]) header(header *tensorv1.TensorHeader) error {
	if s.open != nil {
		return s.wrong(codes.InvalidArgument, "FRAME_ORDER", "%s begins before %s has ended", header.GetName(), s.name)
	}
	if s.name = header.GetName(); s.name == "" || len([]rune(s.name)) > maxNameCharacters {
		return s.wrong(codes.InvalidArgument, "BAD_TENSOR_NAME", "%q is not 1 to %d characters", s.name, maxNameCharacters)
	}
	length, err := byteLength(header.GetDtype(), header.GetShape())
	if err != nil {
		return err
	}
	if length != header.GetByteLength() {
		return s.wrong(codes.InvalidArgument, "WRONG_BYTE_LENGTH", "%s of shape %v has %d bytes, not %d", s.name,
			header.GetShape(), length, header.GetByteLength())
	}
	if length > maxTensorBytes {
		return s.wrong(codes.ResourceExhausted, "TENSOR_TOO_LARGE", "%s has %d bytes", s.name, length)
	}
	s.open = &Tensor{DType: header.GetDtype(), Shape: header.GetShape(), Data: allocate(length)}
	s.received, s.sum = 0, 0
	return nil
}

// begin checks the length of a chunk before its bytes are taken.
func (s *tensorStream[R]) begin(length int) error {
	switch {
	case s.open == nil:
		s.failed = s.wrong(codes.InvalidArgument, "FRAME_ORDER", "a chunk came before a header")
	case length == 0 || length > maxChunkBytes:
		s.failed = s.wrong(codes.InvalidArgument, "CHUNK_SIZE", "a chunk of %s has %d bytes", s.name, length)
	case s.received+int64(length) > int64(len(s.open.Data)):
		s.failed = s.wrong(codes.DataLoss, "TOO_MANY_BYTES", "%s has %d bytes, but more were sent", s.name, len(s.open.Data))
	}
	return s.failed
}

func (s *tensorStream[R]) piece(bytes []byte) error {
	s.received += int64(copy(s.open.Data[s.received:], bytes))
	s.sum = crc32.Update(s.sum, crc32.IEEETable, bytes)
	return nil
}

func (s *tensorStream[R]) end(sum uint32) (*Tensor, error) {
	tensor := s.open
	switch {
	case tensor == nil:
		return nil, s.wrong(codes.InvalidArgument, "FRAME_ORDER", "an end came before a header")
	case s.received != int64(len(tensor.Data)):
		return nil, s.wrong(codes.DataLoss, "TENSOR_CUT_SHORT", "%s ended after %d of %d bytes", s.name, s.received,
			len(tensor.Data))
	case s.sum != sum:
		return nil, s.wrong(codes.DataLoss, "CHECKSUM_MISMATCH",
			"%s was damaged on the way: its checksum is %08x, the sender's %08x", s.name, s.sum, sum)
	}
	s.open = nil
	return tensor, nil
}

func (s *tensorStream[R]) wrong(code codes.Code, reason, format string, arguments ...any) *Error {
	return errorf(code, reason, s.name, format, arguments...)
}
