package emloc

import (
	"context"
	"io"
	"iter"

	"google.golang.org/grpc/codes"

	calibrationv1 "emloc.dev/go/gen/emloc/calibration/v1"
)

// CalibrationStep is a Gram matrix, or one of the messages between them.
type CalibrationStep struct {
	// Name is the tensor's, gram.<module>; empty where this is no Gram.
	Name string
	// Gram is Σ x xᵀ of the inputs of the linears that the plan maps to its name; d_in x d_in, f32.
	Gram *Tensor
	// Message is the plan, first; then after each layer's Grams its end; at last what it all took. Nil with a Gram.
	Message *calibrationv1.CalibrateResponse
}

// Calibrate gives the Gram matrices of a model over a calibration set as they are made, at the pace of the loop over
// them; one layer is in the service's memory at a time. Grams add: those of shards are to be summed.
func (c *Client) Calibrate(
	ctx context.Context, request *calibrationv1.CalibrateRequest,
) iter.Seq2[CalibrationStep, error] {
	return func(yield func(CalibrationStep, error) bool) {
		if err := c.calibrate(ctx, request, func(step CalibrationStep) bool { return yield(step, nil) }); err != nil {
			yield(CalibrationStep{}, err)
		}
	}
}

func (c *Client) calibrate(
	ctx context.Context, request *calibrationv1.CalibrateRequest, receive func(CalibrationStep) bool,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := c.Conn(ctx, Calibration)
	if err != nil {
		return err
	}
	method := calibrationv1.CalibrationService_Calibrate_FullMethodName
	s, err := openTensorStream(ctx, conn, method, false, &calibrationv1.CalibrateResponse{})
	if err != nil {
		return err
	}
	if err := s.send(request); err != nil {
		return err
	}
	if err := s.stream.CloseSend(); err != nil {
		return err
	}
	finished := false
	for {
		message, name, gram, err := s.receive()
		if err == io.EOF && !finished {
			return errorf(codes.DataLoss, "STREAM_CUT_SHORT", "", "the stream ended before all layers were sent")
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		finished = message.GetFinished() != nil
		if !receive(CalibrationStep{Name: name, Gram: gram, Message: message}) {
			return nil
		}
	}
}
