package emloc_test

import (
	"math"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"emloc.dev/go"
	artifactv1 "emloc.dev/go/gen/emloc/artifact/v1"
	inferencev1 "emloc.dev/go/gen/emloc/inference/v1"
)

// What is generated greedily is scored as the most probable, token by token.
func TestGeneratedTokensAreScoredAsTheyWereGenerated(t *testing.T) {
	client, ctx := connect(t), during(t)
	prompt := []int32{1, 7, 58}
	request := &inferencev1.GenerateRequest{
		Weights: &inferencev1.GenerateRequest_Model{Model: emloc.Path(tinyLlama)},
		Prompts: []*inferencev1.Prompt{{
			Content: &inferencev1.Prompt_Tokens{Tokens: &inferencev1.TokenRow{Ids: prompt}},
		}},
		Options: &inferencev1.GenerationOptions{
			MaxNewTokens: proto.Int32(4), IgnoreEos: proto.Bool(true), LogProbabilities: proto.Bool(true),
		},
	}
	var ids []int32
	var told []float32
	var finish inferencev1.FinishReason
	for answer, err := range client.Generate(ctx, request) {
		must(t, err)
		ids, told = append(ids, answer.GetIds()...), append(told, answer.GetLogProbabilities()...)
		finish = answer.GetFinishReason()
	}
	if len(ids) != 4 || finish != inferencev1.FinishReason_FINISH_REASON_MAX_NEW_TOKENS {
		t.Fatalf("%v, %s", ids, finish)
	}
	scores := &inferencev1.ScoreRequest{
		Weights: &inferencev1.ScoreRequest_Model{Model: emloc.Path(tinyLlama)},
		Rows:    []*inferencev1.TokenRow{{Ids: slices.Concat(prompt, ids)}},
	}
	for answer, err := range client.Score(ctx, scores) {
		must(t, err)
		for i, found := range answer.GetLogProbabilities()[len(prompt)-1:] {
			if math.Abs(float64(found-told[i])) > 1e-3 {
				t.Errorf("token %d: %v scored, %v generated", i, found, told[i])
			}
		}
	}
}

func TestArtifactsAreListed(t *testing.T) {
	client, ctx := connect(t), during(t)
	reference, err := client.Upload(ctx, writeFile(t, "listed.txt", "listed by the Go client"))
	must(t, err)
	digest := reference.GetArtifact().GetDigest()
	var found []*artifactv1.Artifact
	for artifact, err := range client.Artifacts(ctx, `digest = "`+digest+`"`) {
		must(t, err)
		found = append(found, artifact)
	}
	if len(found) != 1 || found[0].GetArtifact().GetDigest() != digest ||
		found[0].GetKind() != artifactv1.ArtifactKind_ARTIFACT_KIND_FILE {
		t.Errorf("%v", found)
	}
	for artifact, err := range client.Artifacts(ctx, "kind = DIRECTORY") {
		must(t, err)
		if artifact.GetKind() != artifactv1.ArtifactKind_ARTIFACT_KIND_DIRECTORY {
			t.Errorf("%v", artifact)
		}
	}
}
