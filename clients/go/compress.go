package emloc

import (
	"context"

	"google.golang.org/protobuf/proto"

	compressionv1 "emloc.dev/go/gen/emloc/compression/v1"
	correctionv1 "emloc.dev/go/gen/emloc/correction/v1"
	tensorv1 "emloc.dev/go/gen/emloc/tensor/v1"
)

// Factors approximate a weight by U V.
type Factors struct {
	// U is d_out x r and V r x d_in, in the weight's element type (f16 as f32).
	U, V Tensor
	// Sigma is all singular values of W S, descending, f64.
	Sigma Tensor
	Rank  int
	// TruncationLoss is the square root of the sum of the squared singular values that were cut;
	// RelativeTruncationLoss the same divided by the square root of the sum of all squares.
	TruncationLoss, RelativeTruncationLoss float64
}

// Compress approximates one weight (d_out x d_in): options give the rank or the ratio. A Gram matrix of its inputs
// (d_in x d_in) makes the error small on what the inputs really are; nil is for COMPRESSION_METHOD_SVD, which needs
// none. Weight and Gram may be f32, f64, bf16 or f16 and must not change before the call returns.
func (c *Client) Compress(
	ctx context.Context, weight Tensor, gram *Tensor, options *compressionv1.CompressOptions,
) (*Factors, error) {
	step := func(frame *tensorv1.TensorFrame) proto.Message {
		return &compressionv1.CompressRequest{Step: &compressionv1.CompressRequest_Frame{Frame: frame}}
	}
	tensors := []namedTensor{{"weight", weight}}
	if gram != nil {
		tensors = append(tensors, namedTensor{"gram", *gram})
	}
	var summary *compressionv1.CompressSummary
	answer, err := exchange(ctx, c, Compression, compressionv1.CompressionService_Compress_FullMethodName,
		&compressionv1.CompressRequest{Step: &compressionv1.CompressRequest_Options{Options: options}},
		tensors, step,
		&compressionv1.CompressRequest{Step: &compressionv1.CompressRequest_End{End: &compressionv1.CompressEnd{}}},
		&compressionv1.CompressResponse{},
		func(r *compressionv1.CompressResponse) { summary = r.GetSummary() },
		"u", "v", "sigma")
	if err != nil {
		return nil, err
	}
	return &Factors{
		U: answer[0], V: answer[1], Sigma: answer[2],
		Rank:                   int(summary.GetRank()),
		TruncationLoss:         summary.GetTruncationLoss(),
		RelativeTruncationLoss: summary.GetRelativeTruncationLoss(),
	}, nil
}

// Linear is a linear that an adapter was trained on: the adapter's factors, the original weight, and either the
// emulated one or its factors.
type Linear struct {
	// A is r x d_in, B d_out x r.
	A, B Tensor
	// Weight is d_out x d_in.
	Weight Tensor
	// Emulated is d_out x d_in; nil where U (d_out x k) and V (k x d_in) are given.
	Emulated, U, V *Tensor
}

// Corrected is an adapter's factors for the original weight, f32.
type Corrected struct {
	A, B Tensor
	// ClampRatios is mean|C_i| / mean|B'_i| of each row before limiting; a row with B'_i = 0 has infinity.
	ClampRatios []float64
	// ClampedRows is how many rows were limited.
	ClampedRows int
}

// Correct fits the factors that were trained on an emulated weight to the original one. Nil options are the defaults.
// The tensors must not change before the call returns.
func (c *Client) Correct(
	ctx context.Context, linear Linear, options *correctionv1.CorrectOptions,
) (*Corrected, error) {
	step := func(frame *tensorv1.TensorFrame) proto.Message {
		return &correctionv1.CorrectRequest{Step: &correctionv1.CorrectRequest_Frame{Frame: frame}}
	}
	tensors := []namedTensor{{"lora_A", linear.A}, {"lora_B", linear.B}, {"weight", linear.Weight}}
	for name, tensor := range map[string]*Tensor{"emulated_weight": linear.Emulated, "u": linear.U, "v": linear.V} {
		if tensor != nil {
			tensors = append(tensors, namedTensor{name, *tensor})
		}
	}
	if options == nil {
		options = &correctionv1.CorrectOptions{}
	}
	var summary *correctionv1.CorrectSummary
	answer, err := exchange(ctx, c, Correction, correctionv1.CorrectionService_Correct_FullMethodName,
		&correctionv1.CorrectRequest{Step: &correctionv1.CorrectRequest_Options{Options: options}},
		tensors, step,
		&correctionv1.CorrectRequest{Step: &correctionv1.CorrectRequest_End{End: &correctionv1.CorrectEnd{}}},
		&correctionv1.CorrectResponse{},
		func(r *correctionv1.CorrectResponse) { summary = r.GetSummary() },
		"lora_A", "lora_B")
	if err != nil {
		return nil, err
	}
	return &Corrected{
		A: answer[0], B: answer[1],
		ClampRatios: summary.GetClampRatios(),
		ClampedRows: int(summary.GetClampedRows()),
	}, nil
}
