package emloc

import (
	"context"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	tensorv1 "emloc.dev/go/gen/emloc/tensor/v1"
)

type namedTensor struct {
	name   string
	tensor Tensor
}

// exchange hands a service tensors between an opening and a closing message and gives the tensors of its answer, in the
// order of their names here; what else it says goes to other.
func exchange[R framed](
	ctx context.Context, c *Client, service Service, method string,
	opening proto.Message, tensors []namedTensor, step func(*tensorv1.TensorFrame) proto.Message, closing proto.Message,
	response R, other func(R), names ...string,
) ([]Tensor, error) {
	for _, each := range tensors {
		if err := each.tensor.check(); err != nil {
			return nil, err
		}
	}
	// The end of this context is the end of the call, however this returns: nothing then reads the caller's memory.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := c.Conn(ctx, service)
	if err != nil {
		return nil, err
	}
	s, err := openTensorStream(ctx, conn, method, true, response)
	if err != nil {
		return nil, err
	}
	if err := s.send(opening); err != nil {
		return nil, err
	}
	for _, each := range tensors {
		if err := s.sendTensor(each.name, each.tensor, step); err != nil {
			return nil, err
		}
	}
	if err := s.send(closing); err != nil {
		return nil, err
	}
	if err := s.stream.CloseSend(); err != nil {
		return nil, err
	}
	answer := map[string]Tensor{}
	for {
		message, name, tensor, err := s.receive()
		if err == io.EOF {
			return inOrder(answer, names)
		}
		if err != nil {
			return nil, err
		}
		if tensor != nil {
			answer[name] = *tensor
		} else {
			other(message)
		}
	}
}

func inOrder(answer map[string]Tensor, names []string) ([]Tensor, error) {
	tensors := make([]Tensor, len(names))
	for i, name := range names {
		tensor, ok := answer[name]
		if !ok {
			return nil, errorf(codes.DataLoss, "TENSOR_MISSING", name, "the answer has no tensor %s", name)
		}
		tensors[i] = tensor
	}
	return tensors, nil
}
