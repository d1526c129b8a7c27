package emloc_test

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"emloc.dev/go"
	datasetv1 "emloc.dev/go/gen/emloc/dataset/v1"
	operationv1 "emloc.dev/go/gen/emloc/operation/v1"
	trainingv1 "emloc.dev/go/gen/emloc/training/v1"
)

// refusal is a call and the error that it has to give.
type refusal struct {
	reason string
	code   codes.Code
	// field is a part of the error's field.
	field string
	call  func(context.Context, *emloc.Client) error
}

func TestEveryRefusalHasItsReasonCodeAndField(t *testing.T) {
	client, ctx := connect(t), during(t)
	cases := map[string][]refusal{
		"jobs": jobRefusals(), "artifacts": artifactRefusals(t), "training": trainingRefusals(),
		"compression": compressionRefusals(), "correction": correctionRefusals(), "inference": inferenceRefusals(),
		"client": clientRefusals(),
	}
	for group, refusals := range cases {
		t.Run(group, func(t *testing.T) {
			for _, want := range refusals {
				t.Run(want.reason, func(t *testing.T) { checkRefusal(t, want, want.call(ctx, client)) })
			}
		})
	}
}

func checkRefusal(t *testing.T, want refusal, err error) {
	t.Helper()
	var e *emloc.Error
	if !errors.As(err, &e) {
		t.Fatalf("no error of ours: %v", err)
	}
	if e.Reason != want.reason || e.Code != want.code || !strings.Contains(e.Field, want.field) ||
		want.field == "" && e.Field != "" {
		t.Errorf("%s, %s, field %q: %v; not %s, %s, field %q", e.Reason, e.Code, e.Field, e, want.reason, want.code,
			want.field)
	}
	if e.Message == "" || !strings.Contains(e.Error(), e.Reason) || !strings.Contains(e.Error(), e.Mend) {
		t.Errorf("it reads %q", e)
	}
	if status.Code(err) != want.code {
		t.Errorf("gRPC's own code is %s", status.Code(err))
	}
}

// A deadline ends a call that the service is at, on both sides.
func TestADeadlineEndsAWatchNotTheOperation(t *testing.T) {
	client, ctx := connect(t), during(t)
	operation, err := client.StartTraining(ctx, trainingRequest("go-deadline", 100_000))
	must(t, err)
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	for _, err = range operation.Events(short, 0) {
	}
	checkRefusal(t, refusal{"DEADLINE_EXCEEDED", codes.DeadlineExceeded, "", nil}, err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("not the context's: %v", err)
	}
	found, err := operation.Get(ctx)
	must(t, err)
	if state := found.GetState(); state > operationv1.OperationState_OPERATION_STATE_RUNNING {
		t.Errorf("the operation is %s", state)
	}
	must(t, operation.Cancel(ctx))
	_, err = operation.Wait(ctx)
	checkRefusal(t, refusal{"OPERATION_CANCELLED", codes.Canceled, "", nil}, err)
	again := trainingRequest("go-deadline", 5)
	_, err = client.StartTraining(ctx, again)
	checkRefusal(t, refusal{"OPERATION_ID_REUSED", codes.AlreadyExists, "operation_id", nil}, err)
	must(t, operation.Resume(ctx))
	checkRefusal(t, refusal{"OPERATION_ACTIVE", codes.FailedPrecondition, "id", nil}, operation.Delete(ctx))
	must(t, operation.Pause(ctx))
	_, err = operation.Wait(ctx)
	checkRefusal(t, refusal{"OPERATION_PAUSED", codes.Canceled, "", nil}, err)
	must(t, operation.Delete(ctx))
}

func trainingRequest(id string, steps int64) *trainingv1.StartTrainingRequest {
	return &trainingv1.StartTrainingRequest{
		OperationId: id,
		Weights:     &trainingv1.StartTrainingRequest_Model{Model: emloc.Path(tinyLlama)},
		Dataset:     &datasetv1.DatasetSpec{Source: emloc.Path(trainRows)},
		Lora:        &trainingv1.LoraConfig{R: proto.Int32(2), TargetModules: []string{"q_proj"}},
		Options:     trainingOf(7, steps),
	}
}

func unique(name string) string { return name + "-" + rand.Text() }

// first is the error that an iterator gives before anything else.
func first[T any](items iter.Seq2[T, error]) error {
	for _, err := range items {
		return err
	}
	return nil
}

// anyField leaves out a field that says what no test needs to know, such as a path.
func anyField(err error) error {
	var e *emloc.Error
	if errors.As(err, &e) {
		e.Field = ""
	}
	return err
}

// nobody is an address where nobody listens.
func nobody() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
