package emloc

import (
	"encoding/json"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	// Every contract, so that its methods are known by their descriptors.
	_ "emloc.dev/go/gen/emloc/artifact/v1"
	_ "emloc.dev/go/gen/emloc/calibration/v1"
	_ "emloc.dev/go/gen/emloc/compression/v1"
	_ "emloc.dev/go/gen/emloc/coordinator/v1"
	_ "emloc.dev/go/gen/emloc/correction/v1"
	_ "emloc.dev/go/gen/emloc/inference/v1"
	_ "emloc.dev/go/gen/emloc/operation/v1"
	_ "emloc.dev/go/gen/emloc/training/v1"
)

type methodName struct {
	Service string `json:"service"`
	Method  string `json:"method"`
}

// retryPolicy is the mesh's own: four tries, UNAVAILABLE alone, which says that the call may not have been run.
var retryPolicy = map[string]any{
	"maxAttempts":          4,
	"initialBackoff":       "0.2s",
	"maxBackoff":           "2s",
	"backoffMultiplier":    2,
	"retryableStatusCodes": []string{"UNAVAILABLE"},
}

// serviceConfig is gRPC's: calls in turn to the replicas that a name stands for, and retries for the methods whose
// contract says that repeating them is harmless.
var serviceConfig = sync.OnceValue(func() string {
	var names []methodName
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(string(file.Package()), "emloc.") {
			names = append(names, idempotentMethods(file)...)
		}
		return true
	})
	config := map[string]any{
		"loadBalancingConfig": []any{map[string]any{"round_robin": map[string]any{}}},
		"methodConfig":        []any{map[string]any{"name": names, "retryPolicy": retryPolicy}},
	}
	text, err := json.Marshal(config)
	if err != nil {
		panic(err)
	}
	return string(text)
})

func idempotentMethods(file protoreflect.FileDescriptor) []methodName {
	var names []methodName
	for i := range file.Services().Len() {
		service := file.Services().Get(i)
		for j := range service.Methods().Len() {
			method := service.Methods().Get(j)
			options, _ := method.Options().(*descriptorpb.MethodOptions)
			known := options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
			// What a client streams is gone once it is sent.
			if known && !method.IsStreamingClient() {
				names = append(names, methodName{string(service.FullName()), string(method.Name())})
			}
		}
	}
	return names
}
