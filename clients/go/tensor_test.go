package emloc_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"emloc.dev/go"
	calibrationv1 "emloc.dev/go/gen/emloc/calibration/v1"
	compressionv1 "emloc.dev/go/gen/emloc/compression/v1"
	correctionv1 "emloc.dev/go/gen/emloc/correction/v1"
	datasetv1 "emloc.dev/go/gen/emloc/dataset/v1"
)

const (
	square = "model.layers.1.self_attn.q_proj"
	tall   = "model.layers.2.mlp.gate_proj"
)

func TestAWeightAndAGramGiveGoldenFactors(t *testing.T) {
	client, ctx := connect(t), during(t)
	numbers, golden := readGolden(t)
	for module, options := range map[string]*compressionv1.CompressOptions{
		square: {Ratio: proto.Float64(0.5)},
		tall:   {Rank: proto.Int32(int32(numbers.Rank[tall]))},
	} {
		gram := golden[numbers.GramOf[module]]
		factors, err := client.Compress(ctx, golden[module+".weight"], &gram, options)
		must(t, err)
		if factors.Rank != numbers.Rank[module] {
			t.Errorf("%s has rank %d, not %d", module, factors.Rank, numbers.Rank[module])
		}
		if far := distance(t, product(t, factors.U, factors.V), golden["wprime."+module]); far > 4.2e-4 {
			t.Errorf("%s: U V is %g away", module, far)
		}
		sigma, err := emloc.Values[float64](factors.Sigma)
		must(t, err)
		var cut float64
		for _, each := range sigma[factors.Rank:] {
			cut += each * each
		}
		if math.Abs(factors.TruncationLoss-math.Sqrt(cut)) > 1e-6 {
			t.Errorf("%s: a truncation loss of %g, not %g", module, factors.TruncationLoss, math.Sqrt(cut))
		}
	}
}

func TestPlainSVDOfFullRankGivesTheWeightBackAlsoInBFloat16(t *testing.T) {
	client, ctx := connect(t), during(t)
	_, golden := readGolden(t)
	weight := golden[square+".weight"]
	options := &compressionv1.CompressOptions{
		Rank:   proto.Int32(int32(weight.Shape[0])),
		Method: compressionv1.CompressionMethod_COMPRESSION_METHOD_SVD,
	}
	factors, err := client.Compress(ctx, weight, nil, options)
	must(t, err)
	if far := distance(t, product(t, factors.U, factors.V), weight); far > 1e-6 {
		t.Errorf("U V is %g away", far)
	}
	half := make([]emloc.BFloat16, len(floats(t, weight)))
	for i, value := range floats(t, weight) {
		half[i] = emloc.ToBFloat16(value)
	}
	factors, err = client.Compress(ctx, emloc.NewTensor(half, weight.Shape...), nil, options)
	must(t, err)
	u, v := widened(t, factors.U), widened(t, factors.V)
	// Two factors and the weight, each rounded to 8 bits.
	if far := distance(t, product(t, u, v), weight); far > 3*0x1p-8 {
		t.Errorf("U V in bf16 is %g away", far)
	}
}

func widened(t *testing.T, tensor emloc.Tensor) emloc.Tensor {
	t.Helper()
	half, err := emloc.Values[emloc.BFloat16](tensor)
	must(t, err)
	values := make([]float32, len(half))
	for i, value := range half {
		values[i] = value.Float32()
	}
	return emloc.NewTensor(values, tensor.Shape...)
}

func TestFactorsAndWeightsGiveGoldenCorrectedFactors(t *testing.T) {
	client, ctx := connect(t), during(t)
	numbers, golden := readGolden(t)
	emulated := golden["wprime."+tall]
	linear := emloc.Linear{
		A: golden["lora_A."+tall], B: golden["lora_B."+tall], Weight: golden[tall+".weight"], Emulated: &emulated,
	}
	corrected, err := client.Correct(ctx, linear, nil)
	must(t, err)
	if far := distance(t, product(t, corrected.B, corrected.A), golden["delta.corrected."+tall]); far > 2.2e-3 {
		t.Errorf("B A is %g away", far)
	}
	if got, want := len(corrected.ClampRatios), len(numbers.Correction.ClampRatio[tall]); got != want {
		t.Errorf("%d clamp ratios, not %d", got, want)
	}
	none := &correctionv1.CorrectOptions{MaxCorrectionRatio: proto.Float64(0)}
	same, err := client.Correct(ctx, linear, none)
	must(t, err)
	if far := distance(t, product(t, same.B, same.A), product(t, linear.B, linear.A)); far > 1e-5 {
		t.Errorf("no correction changes B A by %g", far)
	}
	// The emulated weight by its factors.
	gram := golden[numbers.GramOf[tall]]
	options := &compressionv1.CompressOptions{Rank: proto.Int32(int32(numbers.Rank[tall]))}
	factors, err := client.Compress(ctx, linear.Weight, &gram, options)
	must(t, err)
	linear.Emulated, linear.U, linear.V = nil, &factors.U, &factors.V
	corrected, err = client.Correct(ctx, linear, nil)
	must(t, err)
	if far := distance(t, product(t, corrected.B, corrected.A), golden["delta.corrected."+tall]); far > 2.2e-3 {
		t.Errorf("B A with factors is %g away", far)
	}
}

func TestGramsComeAsTheyAreMade(t *testing.T) {
	client, ctx := connect(t), during(t)
	numbers, golden := readGolden(t)
	request := &calibrationv1.CalibrateRequest{
		Model: emloc.Path(tinyLlama),
		Options: &calibrationv1.CalibrationOptions{
			Dataset: &datasetv1.DatasetSpec{Source: emloc.Path(tinyLlama + "/calib.jsonl")},
		},
	}
	var plan *calibrationv1.CalibrationPlan
	layers, grams := 0, map[string]emloc.Tensor{}
	for step, err := range client.Calibrate(ctx, request) {
		must(t, err)
		switch {
		case step.Gram != nil:
			grams[step.Name] = *step.Gram
		case step.Message.GetPlan() != nil:
			plan = step.Message.GetPlan()
		case step.Message.GetLayer() != nil:
			layers++
		}
	}
	if layers == 0 || layers != int(plan.GetLayers()) {
		t.Errorf("%d layers of %d", layers, plan.GetLayers())
	}
	for _, module := range []string{square, tall} {
		gram := grams[plan.GetGramOf()[module]]
		if far := distance(t, gram, golden[numbers.GramOf[module]]); far > 1e-4 {
			t.Errorf("the Gram of %s is %g away", module, far)
		}
	}
	for _, err := range client.Calibrate(ctx, request) {
		must(t, err)
		break // The reader goes away; nothing is left of the stream (the client's Close would say so).
	}
}

const gibibyte = 1 << 30

// A gibibyte goes in and one comes back: the factors of a single row are its length and its direction, in f64.
func TestAGibibyteGoesThereAndBackWithItsChecksum(t *testing.T) {
	// The service holds the weight, what it computes and what it sends.
	if free := availableBytes(t); free < 9*gibibyte {
		t.Skipf("needs 9 GiB of free memory, there are %.1f", float64(free)/gibibyte)
	}
	client, ctx := connect(t), during(t)
	weight := make([]float64, gibibyte/8)
	var squares float64
	for i := range weight {
		weight[i] = float64(i%1021) - 510
		squares += weight[i] * weight[i]
	}
	options := &compressionv1.CompressOptions{
		Rank: proto.Int32(1), Method: compressionv1.CompressionMethod_COMPRESSION_METHOD_SVD,
	}
	began := time.Now()
	factors, err := client.Compress(ctx, emloc.Matrix(weight, 1, len(weight)), nil, options)
	must(t, err)
	took := time.Since(began)
	fmt.Printf("1 GiB there and 1 GiB back in %.1f s, its decomposition between them: %.0f MB/s\n", took.Seconds(),
		2*gibibyte/1e6/took.Seconds())
	u, err := emloc.Values[float64](factors.U)
	must(t, err)
	v, err := emloc.Values[float64](factors.V)
	must(t, err)
	if len(v) != len(weight) || math.Abs(u[0]*u[0]/math.Sqrt(squares)-1) > 1e-9 {
		t.Fatalf("u = %v, %d columns in v", u, len(v))
	}
	for i := range v {
		if math.Abs(u[0]*v[i]-weight[i]) > 1e-9*510 {
			t.Fatalf("column %d is %g, not %g", i, u[0]*v[i], weight[i])
		}
	}
}

func availableBytes(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skip("this system does not say how much memory is free")
	}
	for line := range strings.Lines(string(text)) {
		var kibibytes int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kibibytes); err == nil {
			return kibibytes << 10
		}
	}
	return math.MaxInt64
}

func TestTensorsThatAreNotWhatTheySayAreRefusedBeforeACall(t *testing.T) {
	client, ctx := connect(t), during(t)
	good := emloc.Matrix(make([]float32, 4), 2, 2)
	for reason, weight := range map[string]emloc.Tensor{
		"WRONG_BYTE_LENGTH": emloc.Matrix(make([]float32, 3), 2, 2),
		"BAD_DTYPE":         {Shape: []int64{2, 2}, Data: good.Data},
		"BAD_SHAPE":         {DType: emloc.F32, Shape: []int64{-2, -2}, Data: good.Data},
	} {
		_, err := client.Compress(ctx, weight, &good, nil)
		var e *emloc.Error
		if !errors.As(err, &e) || e.Reason != reason {
			t.Errorf("%v gives %v, not %s", weight, err, reason)
		}
	}
	if _, err := emloc.Values[float64](good); err == nil {
		t.Error("f32 was taken for f64")
	}
}
