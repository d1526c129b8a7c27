package emloc_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"emloc.dev/go"
)

// The mesh writes its spans into a folder; each call's span there is a child of this program's.
func TestCallsOfATracedProgramAreTheParentsOfTheMeshsSpans(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	client, ctx := connect(t, emloc.WithTracerProvider(provider)), during(t)
	ctx, root := provider.Tracer("test").Start(ctx, "a program")
	if err := first(client.Jobs(ctx, 0)); err != nil {
		t.Fatal(err)
	}
	root.End()
	trace := root.SpanContext().TraceID().String()
	var own sdktrace.ReadOnlySpan
	for _, span := range recorder.Ended() {
		if span.Name() == "emloc.coordinator.v1.FineTuneJobService/ListFineTuneJobs" {
			own = span
		}
	}
	if own == nil || own.Parent().SpanID() != root.SpanContext().SpanID() {
		t.Fatalf("no span of the call under the program's: %v", recorder.Ended())
	}
	for {
		for _, span := range spansOf(t, os.Getenv("EMLOC_TRACE_FILE")) {
			if span.TraceID == trace && span.ParentSpanID == own.SpanContext().SpanID().String() {
				if span.Service != "coordinator" || span.Kind != "SERVER" {
					t.Errorf("the call's child is %+v", span)
				}
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatal("the coordinator wrote no span of the call")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

type spanLine struct {
	TraceID, ParentSpanID, Name, Kind, Service string
}

func spansOf(t *testing.T, folder string) []spanLine {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	must(t, err)
	var spans []spanLine
	for _, path := range files {
		opened, err := os.Open(path)
		must(t, err)
		lines := bufio.NewScanner(opened)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var span spanLine
			if json.Unmarshal(lines.Bytes(), &span) == nil {
				spans = append(spans, span)
			}
		}
		opened.Close()
	}
	return spans
}
