package emloc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"emloc.dev/go"
	artifactv1 "emloc.dev/go/gen/emloc/artifact/v1"
	compressionv1 "emloc.dev/go/gen/emloc/compression/v1"
	coordinatorv1 "emloc.dev/go/gen/emloc/coordinator/v1"
	inferencev1 "emloc.dev/go/gen/emloc/inference/v1"
	trainingv1 "emloc.dev/go/gen/emloc/training/v1"
)

func jobRefusals() []refusal {
	create := func(change func(*emloc.JobSpec)) func(context.Context, *emloc.Client) error {
		return func(ctx context.Context, client *emloc.Client) error {
			spec := specOf(9, 1)
			change(spec)
			_, err := client.Finetune(ctx, "", spec)
			return err
		}
	}
	return []refusal{
		{"FIELD_MISSING", codes.InvalidArgument, "spec.model", create(func(s *emloc.JobSpec) { s.Model = nil })},
		{"BAD_FIELD", codes.InvalidArgument, "spec.training.max_steps", create(func(s *emloc.JobSpec) {
			s.Training.MaxSteps = proto.Int64(0)
		})},
		{"JOB_NOT_FOUND", codes.NotFound, "id", func(ctx context.Context, client *emloc.Client) error {
			_, err := client.Job("nobody").Get(ctx)
			return err
		}},
		{"JOB_NOT_FOUND", codes.NotFound, "id", func(ctx context.Context, client *emloc.Client) error {
			return first(client.Job("nobody").Events(ctx, 0))
		}},
		{"JOB_ID_REUSED", codes.AlreadyExists, "id", func(ctx context.Context, client *emloc.Client) error {
			// The seed's work is done already, or is soon.
			job, err := client.Finetune(ctx, "go-reused", specOf(1, 6))
			if err != nil {
				return err
			}
			defer func() { _ = job.Cancel(ctx) }()
			_, err = client.Finetune(ctx, "go-reused", specOf(2, 6))
			return err
		}},
		// What a job fails with is the stage's own error.
		{"EMPTY_DATASET", codes.InvalidArgument, "", func(ctx context.Context, client *emloc.Client) error {
			spec := specOf(9, 1)
			empty := filepath.Join(home, "empty.jsonl")
			if err := os.WriteFile(empty, nil, 0o600); err != nil {
				return err
			}
			spec.Dataset.Source = emloc.Path(empty)
			job, err := client.Finetune(ctx, "", spec)
			if err != nil {
				return err
			}
			_, err = job.Wait(ctx)
			return anyField(err)
		}},
	}
}

func artifactRefusals(t *testing.T) []refusal {
	unknown := "sha256:" + strings.Repeat("0", 64)
	get := func(digest string) func(context.Context, *emloc.Client) error {
		return func(ctx context.Context, client *emloc.Client) error {
			reference := &artifactv1.ArtifactReference{Digest: digest}
			return client.Download(ctx, reference, filepath.Join(t.TempDir(), "out"))
		}
	}
	return []refusal{
		{"ARTIFACT_NOT_FOUND", codes.NotFound, "digest", get(unknown)},
		{"BAD_DIGEST", codes.InvalidArgument, "digest", get("md5:1")},
		{"FILE_NOT_FOUND", codes.NotFound, "path", func(ctx context.Context, client *emloc.Client) error {
			_, err := client.Upload(ctx, filepath.Join(home, "nothing"))
			return err
		}},
	}
}

func trainingRefusals() []refusal {
	start := func(change func(*trainingv1.StartTrainingRequest)) func(context.Context, *emloc.Client) error {
		return func(ctx context.Context, client *emloc.Client) error {
			request := trainingRequest(unique("go-refused"), 3000)
			change(request)
			_, err := client.StartTraining(ctx, request)
			return err
		}
	}
	operation := func(do func(context.Context, *emloc.Operation) error) func(context.Context, *emloc.Client) error {
		return func(ctx context.Context, client *emloc.Client) error {
			return do(ctx, client.Operation(emloc.Training, "nobody"))
		}
	}
	return []refusal{
		{"FIELD_MISSING", codes.InvalidArgument, "operation_id", start(func(r *trainingv1.StartTrainingRequest) {
			r.OperationId = ""
		})},
		{"OPERATION_NOT_FOUND", codes.NotFound, "id", operation(func(ctx context.Context, o *emloc.Operation) error {
			_, err := o.Get(ctx)
			return err
		})},
		{"OPERATION_NOT_FOUND", codes.NotFound, "id", operation(func(ctx context.Context, o *emloc.Operation) error {
			return first(o.Events(ctx, 0))
		})},
	}
}

func compressionRefusals() []refusal {
	weight := emloc.Matrix(make([]float32, 6), 2, 3)
	gram := emloc.Matrix(make([]float32, 9), 3, 3)
	compress := func(gram *emloc.Tensor, options *compressionv1.CompressOptions) func(context.Context, *emloc.Client) error {
		return func(ctx context.Context, client *emloc.Client) error {
			_, err := client.Compress(ctx, weight, gram, options)
			return err
		}
	}
	return []refusal{
		{"RATIO_OUT_OF_RANGE", codes.InvalidArgument, "options.ratio",
			compress(&gram, &compressionv1.CompressOptions{Ratio: proto.Float64(1.5)})},
		{"BAD_RANK", codes.InvalidArgument, "rank", compress(&gram, &compressionv1.CompressOptions{Rank: proto.Int32(3)})},
		{"BAD_FIELD", codes.InvalidArgument, "options.rank", compress(&gram, &compressionv1.CompressOptions{})},
		{"TENSOR_MISSING", codes.InvalidArgument, "gram", compress(nil, &compressionv1.CompressOptions{Rank: proto.Int32(1)})},
		{"SHAPE_MISMATCH", codes.InvalidArgument, "gram",
			compress(&weight, &compressionv1.CompressOptions{Rank: proto.Int32(1)})},
	}
}

func correctionRefusals() []refusal {
	a, b := emloc.Matrix(make([]float32, 3), 1, 3), emloc.Matrix(make([]float32, 2), 2, 1)
	weight, emulated := emloc.Matrix(make([]float32, 6), 2, 3), emloc.Matrix(make([]float32, 6), 3, 2)
	return []refusal{
		{"SHAPE_MISMATCH", codes.InvalidArgument, "emulated_weight", func(ctx context.Context, client *emloc.Client) error {
			_, err := client.Correct(ctx, emloc.Linear{A: a, B: b, Weight: weight, Emulated: &emulated}, nil)
			return err
		}},
		{"TENSOR_MISSING", codes.InvalidArgument, "", func(ctx context.Context, client *emloc.Client) error {
			_, err := client.Correct(ctx, emloc.Linear{A: a, B: b, Weight: weight}, nil)
			return anyField(err)
		}},
	}
}

func inferenceRefusals() []refusal {
	model := &inferencev1.GenerateRequest_Model{Model: emloc.Path(tinyLlama)}
	generate := func(prompt *inferencev1.Prompt) func(context.Context, *emloc.Client) error {
		return func(ctx context.Context, client *emloc.Client) error {
			request := &inferencev1.GenerateRequest{Weights: model, Prompts: []*inferencev1.Prompt{prompt}}
			return first(client.Generate(ctx, request))
		}
	}
	tokens := &inferencev1.Prompt_Tokens{Tokens: &inferencev1.TokenRow{Ids: []int32{1}}}
	return []refusal{
		{"UNKNOWN_ADAPTER", codes.InvalidArgument, "adapter", generate(&inferencev1.Prompt{Content: tokens, Adapter: "x"})},
		{"NO_TOKENIZER", codes.FailedPrecondition, "", func(ctx context.Context, client *emloc.Client) error {
			return anyField(generate(&inferencev1.Prompt{Content: &inferencev1.Prompt_Text{Text: "a"}})(ctx, client))
		}},
		{"TOKEN_OUT_OF_RANGE", codes.InvalidArgument, "rows", func(ctx context.Context, client *emloc.Client) error {
			return first(client.Score(ctx, &inferencev1.ScoreRequest{
				Weights: &inferencev1.ScoreRequest_Model{Model: emloc.Path(tinyLlama)},
				Rows:    []*inferencev1.TokenRow{{Ids: []int32{1, 9999}}},
			}))
		}},
	}
}

func clientRefusals() []refusal {
	at := func(service emloc.Service, address string, call func(context.Context, *emloc.Client) error) func(
		context.Context, *emloc.Client) error {
		return func(ctx context.Context, _ *emloc.Client) error {
			client, err := emloc.NewClient(os.Getenv("EMLOC_ADDRESS"), emloc.WithAddress(service, address))
			if err != nil {
				return err
			}
			defer client.Close()
			return call(ctx, client)
		}
	}
	listJobs := func(ctx context.Context, client *emloc.Client) error {
		return first(client.Jobs(ctx, coordinatorv1.JobState_JOB_STATE_UNSPECIFIED))
	}
	return []refusal{
		{"SERVICE_UNREACHABLE", codes.Unavailable, "", at(emloc.Coordinator, nobody(), listJobs)},
		{"RPC_NOT_FOUND", codes.Unimplemented, "", at(emloc.Coordinator, os.Getenv("EMLOC_TRAINING_ADDRESS"), listJobs)},
		{"BAD_ADDRESS", codes.InvalidArgument, "coordinator", at(emloc.Coordinator, "://\x7f", listJobs)},
		{"SERVICE_UNKNOWN", codes.NotFound, "service", func(ctx context.Context, client *emloc.Client) error {
			_, err := client.Conn(ctx, "brewing")
			return err
		}},
		{"DEADLINE_EXCEEDED", codes.DeadlineExceeded, "", func(ctx context.Context, client *emloc.Client) error {
			ctx, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
			defer cancel()
			_, err := client.Job("x").Get(ctx)
			if !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("not the context's: %v", err)
			}
			return err
		}},
		{"CALL_CANCELLED", codes.Canceled, "", func(ctx context.Context, client *emloc.Client) error {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			err := first(client.Job("x").Events(ctx, 0))
			if !errors.Is(err, context.Canceled) {
				return fmt.Errorf("not the context's: %v", err)
			}
			return err
		}},
	}
}
