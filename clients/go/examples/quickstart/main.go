// Fine-tunes a model through a mesh: quickstart ADDRESS MODEL DATA OUTPUT
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	"google.golang.org/protobuf/proto"

	"emloc.dev/go"
	datasetv1 "emloc.dev/go/gen/emloc/dataset/v1"
	trainingv1 "emloc.dev/go/gen/emloc/training/v1"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: quickstart ADDRESS MODEL DATA OUTPUT")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1], os.Args[2], os.Args[3], os.Args[4])
	var e *emloc.Error
	if errors.As(err, &e) {
		log.Fatalf("%s (%s): %s", e.Reason, e.Code, e.Mend)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address, model, data, output string) error {
	client, err := emloc.NewClient(address)
	if err != nil {
		return err
	}
	defer client.Close()

	// What the mesh does not see is uploaded, once; emloc.Path names what it does.
	weights, err := client.Upload(ctx, model)
	if err != nil {
		return err
	}
	rows, err := client.Upload(ctx, data)
	if err != nil {
		return err
	}
	job, err := client.Finetune(ctx, "", &emloc.JobSpec{
		Model:    weights,
		Dataset:  &datasetv1.DatasetSpec{Source: rows},
		Training: &trainingv1.TrainingOptions{MaxSteps: proto.Int64(4)},
	})
	if err != nil {
		return err
	}
	// Any program finds the job again: client.Job(job.ID()).
	for event, err := range job.Events(ctx, 0) {
		if err != nil {
			return err
		}
		fmt.Println(event)
	}
	result, err := job.Wait(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("held-out loss %.4f with %s\n", result.GetEvaluation().GetLoss(), result.GetChosen())
	return client.Download(ctx, result.GetAdapter(), output)
}
