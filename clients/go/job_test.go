package emloc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"emloc.dev/go"
	coordinatorv1 "emloc.dev/go/gen/emloc/coordinator/v1"
)

func TestAJobOfUploadedModelAndDataGivesAnAdapterAndAReport(t *testing.T) {
	client, ctx := connect(t), during(t)
	spec := specOf(1, 6)
	model, err := client.Upload(ctx, tinyLlama)
	must(t, err)
	spec.Model = model
	spec.Dataset.Source, err = client.Upload(ctx, trainRows)
	must(t, err)

	job, err := client.Finetune(ctx, "go-whole", spec)
	must(t, err)
	seen := watch(t, job, ctx, 0)
	checkEvents(t, seen, "plan", "compress", "train", "correct", "refine", "select", "evaluate", "report")

	result, err := job.Wait(ctx)
	must(t, err)
	if len(result.GetCandidates()) == 0 || !(result.GetEvaluation().GetLoss() > 0) {
		t.Errorf("no candidates or no loss: %v", result)
	}
	out := t.TempDir()
	adapter := filepath.Join(out, "adapter")
	must(t, client.Download(ctx, result.GetAdapter(), adapter))
	var config struct {
		R    int    `json:"r"`
		Type string `json:"peft_type"`
	}
	readJSON(t, filepath.Join(adapter, "adapter_config.json"), &config)
	if config.R != 4 || config.Type != "LORA" {
		t.Errorf("the adapter's configuration is %+v", config)
	}
	report := filepath.Join(out, "report.json")
	must(t, client.Download(ctx, result.GetReport(), report))
	var written struct {
		Stages []struct{ Name string } `json:"stages"`
	}
	readJSON(t, report, &written)
	if len(written.Stages) == 0 {
		t.Error("the report has no stages")
	}

	// What was downloaded has the digest that it was downloaded by, and is in the store already.
	again, err := client.Upload(ctx, adapter)
	must(t, err)
	if again.GetArtifact().GetDigest() != result.GetAdapter().GetDigest() {
		t.Errorf("the adapter is %s here and %s there", again.GetArtifact().GetDigest(), result.GetAdapter().GetDigest())
	}
	var exists *emloc.Error
	if err := client.Download(ctx, result.GetAdapter(), adapter); !errors.As(err, &exists) || exists.Reason != "OUTPUT_EXISTS" {
		t.Errorf("a path that exists was taken: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(out, ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}

	for listed, err := range client.Jobs(ctx, coordinatorv1.JobState_JOB_STATE_SUCCEEDED) {
		must(t, err)
		if listed.GetId() == "go-whole" {
			return
		}
	}
	t.Error("the job is not among those that succeeded")
}

// The README's program is the one of examples/, and works.
func TestTheQuickStartOfTheReadmeWorks(t *testing.T) {
	program, err := os.ReadFile(filepath.Join("examples", "quickstart", "main.go"))
	must(t, err)
	readme, err := os.ReadFile("README.md")
	must(t, err)
	if !strings.Contains(string(readme), "```go\n"+string(program)+"```\n") {
		t.Error("the README shows another program")
	}
	adapter := filepath.Join(t.TempDir(), "adapter")
	run := exec.CommandContext(during(t), "go", "run", "./examples/quickstart",
		os.Getenv("EMLOC_ADDRESS"), tinyLlama, trainRows, adapter)
	said, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, wanted := range []string{"train RUNNING", "loss ", "tokens/s", "SUCCEEDED", "held-out loss"} {
		if !strings.Contains(string(said), wanted) {
			t.Errorf("it did not say %q:\n%s", wanted, said)
		}
	}
	if _, err := os.Stat(filepath.Join(adapter, "adapter_model.safetensors")); err != nil {
		t.Error(err)
	}
}

func TestAJobIsFoundAgainAfterItsClientDiedAndWatchedOnAfterTheCoordinatorDid(t *testing.T) {
	first := exec.Command(os.Args[0])
	first.Env = append(os.Environ(), "EMLOC_TEST_ROLE=start-and-watch")
	output, err := first.StdoutPipe()
	must(t, err)
	must(t, first.Start())
	var last int64
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		last, err = strconv.ParseInt(lines.Text(), 10, 64)
		must(t, err)
		if last >= 5 {
			break
		}
	}
	must(t, first.Process.Kill())
	_ = first.Wait()
	if last < 5 {
		t.Fatalf("the first client saw %d events", last)
	}

	client, ctx := connect(t), during(t)
	job := client.Job("go-left-alone")
	var seen []emloc.Event
	killed := false
	for event, err := range job.Events(ctx, last) {
		must(t, err)
		seen = append(seen, event)
		if !killed && event.Stage == "train" && event.Step > 0 {
			signal(t, "kill", emloc.Coordinator)
			killed = true
		}
	}
	if !killed || seen[0].Cursor != last+1 {
		t.Errorf("killed: %v; the second client goes on at event %d after %d", killed, seen[0].Cursor, last)
	}
	checkEvents(t, seen, "train", "report")
	_, err = job.Wait(ctx)
	must(t, err)
}

// play is what a test starts as another process.
func play(role string) int {
	ctx := context.Background()
	client, err := emloc.NewClient(os.Getenv("EMLOC_ADDRESS"))
	if err != nil || role != "start-and-watch" {
		fmt.Fprintln(os.Stderr, role, err)
		return 1
	}
	job, err := client.Finetune(ctx, "go-left-alone", specOf(2, 8))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for event, err := range job.Events(ctx, 0) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(event.Cursor)
	}
	return 0
}

func TestAJobIsCancelledResumedAndDeleted(t *testing.T) {
	client, ctx := connect(t), during(t)
	job, err := client.Finetune(ctx, "go-cancelled", specOf(3, 4000))
	must(t, err)
	for event, err := range job.Events(ctx, 0) {
		must(t, err)
		if event.Stage == "train" && event.Step > 0 {
			break
		}
	}
	err = job.Delete(ctx)
	var e *emloc.Error
	if !errors.As(err, &e) || e.Reason != "JOB_ACTIVE" || e.Code != codes.FailedPrecondition {
		t.Errorf("a job at work was deleted: %v", err)
	}
	must(t, job.Cancel(ctx))
	if _, err := job.Wait(ctx); !errors.As(err, &e) || e.Reason != "JOB_CANCELLED" {
		t.Fatalf("a cancelled job gives %v", err)
	}
	must(t, job.Resume(ctx))
	must(t, job.Pause(ctx))
	if _, err := job.Wait(ctx); !errors.As(err, &e) || e.Reason != "JOB_PAUSED" || e.Mend == "" {
		t.Fatalf("a paused job gives %v", err)
	}
	must(t, job.Delete(ctx))
	if _, err := job.Get(ctx); !errors.As(err, &e) || e.Reason != "JOB_NOT_FOUND" {
		t.Errorf("a deleted job gives %v", err)
	}
}

func TestAnInterruptedServiceIsFoundAgain(t *testing.T) {
	client, ctx := connect(t), during(t)
	must(t, client.Ready(ctx, emloc.Training))
	signal(t, "kill", emloc.Training)
	must(t, client.Ready(ctx, emloc.Training))
	for _, err := range client.Operations(ctx, emloc.Training, 0) {
		must(t, err)
	}
}

// watch reads a job's events to their end.
func watch(t *testing.T, job *emloc.Job, ctx context.Context, after int64) []emloc.Event {
	t.Helper()
	var seen []emloc.Event
	for event, err := range job.Events(ctx, after) {
		must(t, err)
		seen = append(seen, event)
	}
	return seen
}

// checkEvents wants events without gaps to the job's success, each of the stages among them, and figures of training.
func checkEvents(t *testing.T, seen []emloc.Event, stages ...string) {
	t.Helper()
	if len(seen) == 0 {
		t.Fatal("no events")
	}
	for i, event := range seen {
		if want := seen[0].Cursor + int64(i); event.Cursor != want {
			t.Fatalf("event %d has cursor %d", want, event.Cursor)
		}
	}
	last := seen[len(seen)-1]
	if last.State != "SUCCEEDED" || last.Stage != "" {
		t.Errorf("the last event is %v", last)
	}
	for _, stage := range stages {
		if !slices.ContainsFunc(seen, func(e emloc.Event) bool { return e.Stage == stage && e.State == "SUCCEEDED" }) {
			t.Errorf("stage %s did not succeed", stage)
		}
	}
	if !slices.Contains(stages, "train") {
		return
	}
	for _, event := range seen {
		step := event.Operation.GetTrainingStep()
		if step == nil {
			continue
		}
		if event.Loss == nil || math.IsNaN(*event.Loss) || event.TokensPerSecond == nil || *event.TokensPerSecond <= 0 ||
			event.TotalSteps != step.GetTotalSteps() || event.Step != step.GetStep() {
			t.Errorf("a training step came as %v", event)
		}
		if text := event.String(); !strings.Contains(text, "loss") || !strings.HasPrefix(text, event.Stage) {
			t.Errorf("a training step reads %q", text)
		}
		return
	}
	t.Error("no training steps")
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, json.Unmarshal(text, into))
}
