package emloc

import (
	"context"
	"iter"

	"google.golang.org/grpc"

	calibrationv1 "emloc.dev/go/gen/emloc/calibration/v1"
	compressionv1 "emloc.dev/go/gen/emloc/compression/v1"
	correctionv1 "emloc.dev/go/gen/emloc/correction/v1"
	inferencev1 "emloc.dev/go/gen/emloc/inference/v1"
	operationv1 "emloc.dev/go/gen/emloc/operation/v1"
	trainingv1 "emloc.dev/go/gen/emloc/training/v1"
)

// Each Start begins an operation of the id in its request and returns at once. The same id with the same request is the
// same operation, so a call that broke off can be repeated.

// StartCalibration begins to write all Gram matrices of a model into one artifact.
func (c *Client) StartCalibration(ctx context.Context, r *calibrationv1.StartCalibrationRequest) (*Operation, error) {
	return start(ctx, c, Calibration, r, func(conn *grpc.ClientConn) rpc[
		*calibrationv1.StartCalibrationRequest, *calibrationv1.StartCalibrationResponse,
	] {
		return calibrationv1.NewCalibrationServiceClient(conn).StartCalibration
	})
}

// StartCompression begins to make an emulator of a model.
func (c *Client) StartCompression(ctx context.Context, r *compressionv1.StartCompressionRequest) (*Operation, error) {
	return start(ctx, c, Compression, r, func(conn *grpc.ClientConn) rpc[
		*compressionv1.StartCompressionRequest, *compressionv1.StartCompressionResponse,
	] {
		return compressionv1.NewCompressionServiceClient(conn).StartCompression
	})
}

// StartTraining begins to train an adapter, on an emulator or on the original.
func (c *Client) StartTraining(ctx context.Context, r *trainingv1.StartTrainingRequest) (*Operation, error) {
	return start(ctx, c, Training, r, func(conn *grpc.ClientConn) rpc[
		*trainingv1.StartTrainingRequest, *trainingv1.StartTrainingResponse,
	] {
		return trainingv1.NewTrainingServiceClient(conn).StartTraining
	})
}

// StartCorrection begins to correct an adapter for its original model.
func (c *Client) StartCorrection(ctx context.Context, r *correctionv1.StartCorrectionRequest) (*Operation, error) {
	return start(ctx, c, Correction, r, func(conn *grpc.ClientConn) rpc[
		*correctionv1.StartCorrectionRequest, *correctionv1.StartCorrectionResponse,
	] {
		return correctionv1.NewCorrectionServiceClient(conn).StartCorrection
	})
}

// StartMerge begins to merge an adapter into its model.
func (c *Client) StartMerge(ctx context.Context, r *correctionv1.StartMergeRequest) (*Operation, error) {
	return start(ctx, c, Correction, r, func(conn *grpc.ClientConn) rpc[
		*correctionv1.StartMergeRequest, *correctionv1.StartMergeResponse,
	] {
		return correctionv1.NewCorrectionServiceClient(conn).StartMerge
	})
}

// StartEvaluation begins to evaluate a model on a data set.
func (c *Client) StartEvaluation(ctx context.Context, r *inferencev1.StartEvaluationRequest) (*Operation, error) {
	return start(ctx, c, Inference, r, func(conn *grpc.ClientConn) rpc[
		*inferencev1.StartEvaluationRequest, *inferencev1.StartEvaluationResponse,
	] {
		return inferencev1.NewInferenceServiceClient(conn).StartEvaluation
	})
}

// Generate goes on with prompts, token by token; what comes of different prompts is interleaved.
func (c *Client) Generate(
	ctx context.Context, request *inferencev1.GenerateRequest,
) iter.Seq2[*inferencev1.GenerateResponse, error] {
	return received(ctx, func(ctx context.Context) (grpc.ServerStreamingClient[inferencev1.GenerateResponse], error) {
		conn, err := c.Conn(ctx, Inference)
		if err != nil {
			return nil, err
		}
		return inferencev1.NewInferenceServiceClient(conn).Generate(ctx, request)
	})
}

// Score gives the log-probabilities of the tokens of each row, in order.
func (c *Client) Score(
	ctx context.Context, request *inferencev1.ScoreRequest,
) iter.Seq2[*inferencev1.ScoreResponse, error] {
	return received(ctx, func(ctx context.Context) (grpc.ServerStreamingClient[inferencev1.ScoreResponse], error) {
		conn, err := c.Conn(ctx, Inference)
		if err != nil {
			return nil, err
		}
		return inferencev1.NewInferenceServiceClient(conn).Score(ctx, request)
	})
}

type rpc[Q, R any] func(context.Context, Q, ...grpc.CallOption) (R, error)

type started interface{ GetOperation() *operationv1.Operation }

func start[Q interface{ GetOperationId() string }, R started](
	ctx context.Context, c *Client, service Service, request Q, method func(*grpc.ClientConn) rpc[Q, R],
) (*Operation, error) {
	conn, err := c.Conn(ctx, service)
	if err != nil {
		return nil, err
	}
	if _, err := method(conn)(ctx, request); err != nil {
		return nil, err
	}
	return c.Operation(service, request.GetOperationId()), nil
}
