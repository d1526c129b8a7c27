package emloc

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"google.golang.org/grpc/codes"

	tensorv1 "emloc.dev/go/gen/emloc/tensor/v1"
)

// DType is the type of a tensor's elements.
type DType = tensorv1.DType

// The element types of the wire.
const (
	F64  = tensorv1.DType_D_TYPE_F64
	F32  = tensorv1.DType_D_TYPE_F32
	F16  = tensorv1.DType_D_TYPE_F16
	BF16 = tensorv1.DType_D_TYPE_BF16
	I64  = tensorv1.DType_D_TYPE_I64
	I32  = tensorv1.DType_D_TYPE_I32
	I16  = tensorv1.DType_D_TYPE_I16
	I8   = tensorv1.DType_D_TYPE_I8
	U8   = tensorv1.DType_D_TYPE_U8
	Bool = tensorv1.DType_D_TYPE_BOOL
)

// BFloat16 is the upper half of a float32.
type BFloat16 uint16

// ToBFloat16 rounds to the nearest, ties to even.
func ToBFloat16(value float32) BFloat16 {
	bits := math.Float32bits(value)
	if value != value {
		return BFloat16(bits>>16 | 0x40) // stays a NaN
	}
	return BFloat16((bits + 0x7fff + bits>>16&1) >> 16)
}

// Float32 is the value, exactly.
func (b BFloat16) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }

// Element is a Go type that a tensor's elements have in memory.
type Element interface {
	float64 | float32 | BFloat16 | int64 | int32 | int16 | int8 | uint8 | bool
}

// Tensor is elements in row-major order, with their shape. Data is little-endian, as on the wire.
type Tensor struct {
	DType DType
	Shape []int64
	Data  []byte
}

// NewTensor views a slice as a tensor: nothing is copied, so the slice must not change while the tensor is sent.
func NewTensor[T Element](data []T, shape ...int64) Tensor {
	var zero T
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), len(data)*int(unsafe.Sizeof(zero)))
	return Tensor{DType: dtypeOf[T](), Shape: shape, Data: bytes}
}

// Matrix views a slice as rows × columns.
func Matrix[T Element](data []T, rows, columns int) Tensor {
	return NewTensor(data, int64(rows), int64(columns))
}

// Values views a tensor's data as a slice of its element type: nothing is copied.
func Values[T Element](t Tensor) ([]T, error) {
	if want := dtypeOf[T](); t.DType != want {
		return nil, errorf(codes.InvalidArgument, "BAD_DTYPE", "dtype", "the tensor is %s, not %s", name(t.DType), name(want))
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	var zero T
	if uintptr(unsafe.Pointer(unsafe.SliceData(t.Data)))%unsafe.Alignof(zero) != 0 {
		return nil, errorf(codes.InvalidArgument, "NOT_ALIGNED", "data", "the data do not begin on an element's border")
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(t.Data))), len(t.Data)/int(unsafe.Sizeof(zero))), nil
}

// String shows type and shape.
func (t Tensor) String() string { return fmt.Sprintf("%s %v", name(t.DType), t.Shape) }

const (
	maxAxes           = 8
	maxNameCharacters = 512
	maxChunkBytes     = 1 << 20
	// No service sends a larger one.
	maxTensorBytes = 1 << 32
)

var elementSizes = map[DType]int64{F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, Bool: 1}

// byteLength is what the data of a type and shape take.
func byteLength(dtype DType, shape []int64) (int64, error) {
	length, ok := elementSizes[dtype]
	if !ok {
		return 0, errorf(codes.InvalidArgument, "BAD_DTYPE", "header.dtype", "%v is no element type", dtype)
	}
	if len(shape) > maxAxes {
		return 0, errorf(codes.InvalidArgument, "BAD_SHAPE", "header.shape", "%v has more than %d axes", shape, maxAxes)
	}
	for _, axis := range shape {
		if axis < 0 || axis > 0 && length > math.MaxInt64/axis {
			return 0, errorf(codes.InvalidArgument, "BAD_SHAPE", "header.shape", "%v is no shape", shape)
		}
		length *= axis
	}
	return length, nil
}

// check refuses data that do not fill the shape.
func (t Tensor) check() error {
	length, err := byteLength(t.DType, t.Shape)
	if err != nil {
		return err
	}
	if length != int64(len(t.Data)) {
		return errorf(codes.InvalidArgument, "WRONG_BYTE_LENGTH", "data", "%s has %d bytes, but %d were given", t, length,
			len(t.Data))
	}
	return nil
}

// allocate gives memory on an 8-byte border, so that it can be viewed as any element type.
func allocate(length int64) []byte {
	if length == 0 {
		return nil
	}
	words := make([]uint64, (length+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), length)
}

func dtypeOf[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case float64:
		return F64
	case float32:
		return F32
	case BFloat16:
		return BF16
	case int64:
		return I64
	case int32:
		return I32
	case int16:
		return I16
	case int8:
		return I8
	case uint8:
		return U8
	default:
		return Bool
	}
}

func name(dtype DType) string { return dtype.String()[len("D_TYPE_"):] }

func init() {
	// Elements are viewed as they lie in memory. Go's big-endian ports are two, and nobody trains there.
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		panic("emloc: only little-endian machines are supported")
	}
}
