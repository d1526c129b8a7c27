package emloc_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"emloc.dev/go"
)

// Golden numbers of tests/fixtures/tiny-llama, made by PyTorch in float64, and the little algebra to compare with them.

type goldenNumbers struct {
	Rank       map[string]int    `json:"rank"`
	GramOf     map[string]string `json:"gramOf"`
	Correction struct {
		ClampRatio map[string][]float64 `json:"clampRatio"`
	} `json:"correction"`
}

func readGolden(t *testing.T) (numbers goldenNumbers, tensors map[string]emloc.Tensor) {
	t.Helper()
	readJSON(t, filepath.Join(tinyLlama, "golden.json"), &numbers)
	tensors = readSafetensors(t, filepath.Join(tinyLlama, "golden.safetensors"))
	for name, tensor := range readSafetensors(t, filepath.Join(tinyLlama, "model.safetensors")) {
		tensors[name] = tensor
	}
	return numbers, tensors
}

// readSafetensors reads a file of f32 and f64 tensors, all as f32.
func readSafetensors(t *testing.T, path string) map[string]emloc.Tensor {
	t.Helper()
	bytes, err := os.ReadFile(path)
	must(t, err)
	begin := 8 + binary.LittleEndian.Uint64(bytes)
	var header map[string]struct {
		DType   string    `json:"dtype"`
		Shape   []int64   `json:"shape"`
		Offsets [2]uint64 `json:"data_offsets"`
	}
	must(t, json.Unmarshal(bytes[8:begin], &header))
	tensors := map[string]emloc.Tensor{}
	for name, entry := range header {
		data := bytes[begin+entry.Offsets[0] : begin+entry.Offsets[1]]
		var values []float32
		for at := 0; at < len(data); {
			if entry.DType == "F64" {
				values = append(values, float32(math.Float64frombits(binary.LittleEndian.Uint64(data[at:]))))
				at += 8
			} else {
				values = append(values, math.Float32frombits(binary.LittleEndian.Uint32(data[at:])))
				at += 4
			}
		}
		if name != "__metadata__" {
			tensors[name] = emloc.NewTensor(values, entry.Shape...)
		}
	}
	return tensors
}

// product is a b, both f32 matrices.
func product(t *testing.T, a, b emloc.Tensor) emloc.Tensor {
	t.Helper()
	x, y := floats(t, a), floats(t, b)
	rows, inner, columns := int(a.Shape[0]), int(a.Shape[1]), int(b.Shape[1])
	sums := make([]float64, rows*columns)
	for i := range rows {
		for k := range inner {
			for j := range columns {
				sums[i*columns+j] += float64(x[i*inner+k]) * float64(y[k*columns+j])
			}
		}
	}
	values := make([]float32, len(sums))
	for i, sum := range sums {
		values[i] = float32(sum)
	}
	return emloc.Matrix(values, rows, columns)
}

// distance is ‖a − b‖ / ‖b‖, Frobenius.
func distance(t *testing.T, a, b emloc.Tensor) float64 {
	t.Helper()
	x, y := floats(t, a), floats(t, b)
	if len(x) != len(y) {
		t.Fatalf("%v is compared with %v", a, b)
	}
	var difference, size float64
	for i := range y {
		difference += math.Pow(float64(x[i])-float64(y[i]), 2)
		size += math.Pow(float64(y[i]), 2)
	}
	return math.Sqrt(difference / size)
}

func floats(t *testing.T, tensor emloc.Tensor) []float32 {
	t.Helper()
	values, err := emloc.Values[float32](tensor)
	must(t, err)
	return values
}
