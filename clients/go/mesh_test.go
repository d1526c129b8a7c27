package emloc_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"emloc.dev/go"
	datasetv1 "emloc.dev/go/gen/emloc/dataset/v1"
	trainingv1 "emloc.dev/go/gen/emloc/training/v1"
)

// The tests run beside a mesh of their own. Where none was started for them, they start it and run again in it.
func TestMain(m *testing.M) {
	if role := os.Getenv("EMLOC_TEST_ROLE"); role != "" {
		os.Exit(play(role))
	}
	if os.Getenv("EMLOC_ADDRESS") != "" {
		os.Exit(m.Run())
	}
	traces, err := os.MkdirTemp("", "emloc-go-traces-")
	if err != nil {
		panic(err)
	}
	withMesh := filepath.Join(repository, "tools", "with-mesh.mjs")
	command := exec.Command("node", append([]string{withMesh}, os.Args...)...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// Paths beyond these roots are refused.
	roots := repository + string(os.PathListSeparator) + os.TempDir()
	command.Env = append(os.Environ(), "EMLOC_TRACE_FILE="+traces, "EMLOC_MODEL_ROOTS="+roots)
	err = command.Run()
	os.RemoveAll(traces)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests beside a mesh:", err)
		os.Exit(1)
	}
}

var (
	repository = absolute("../..")
	tinyLlama  = filepath.Join(repository, "tests", "fixtures", "tiny-llama")
	trainRows  = filepath.Join(tinyLlama, "train.jsonl")
	// What lies in it the mesh may read.
	home = os.Getenv("EMLOC_HOME")
)

func absolute(path string) string {
	whole, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return whole
}

// connect makes a client that ends with the test.
func connect(t *testing.T, options ...emloc.Option) *emloc.Client {
	t.Helper()
	client, err := emloc.NewClient(os.Getenv("EMLOC_ADDRESS"), options...)
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	return client
}

// during ends with the test, or when the machine must have lost it.
func during(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// specOf is a small job; the seed makes one job's work another's not: results are found by their inputs.
func specOf(seed uint32, steps int64) *emloc.JobSpec {
	return &emloc.JobSpec{
		Model:   emloc.Path(tinyLlama),
		Dataset: &datasetv1.DatasetSpec{Source: emloc.Path(trainRows)},
		Lora: &trainingv1.LoraConfig{
			R: proto.Int32(4), LoraAlpha: proto.Float64(4), TargetModules: []string{"q_proj", "v_proj"},
		},
		Training: trainingOf(seed, steps),
	}
}

func trainingOf(seed uint32, steps int64) *trainingv1.TrainingOptions {
	return &trainingv1.TrainingOptions{
		MaxSteps: proto.Int64(steps), LearningRate: proto.Float64(2e-3), BatchSize: proto.Int32(2),
		GradientAccumulationSteps: proto.Int32(2), Seed: proto.Uint32(seed), SaveSteps: proto.Int64(5),
	}
}

// signal kills, stops or continues the process of a service.
func signal(t *testing.T, verb string, service emloc.Service) {
	t.Helper()
	url := fmt.Sprintf("%s/%s/%s", os.Getenv("EMLOC_MESH_CONTROL"), verb, service)
	response, err := http.Post(url, "", nil)
	must(t, err)
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %s", url, response.Status)
	}
}

// writeFile puts a file where the mesh may read it.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	folder, err := os.MkdirTemp(home, "data-")
	must(t, err)
	path := filepath.Join(folder, name)
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
