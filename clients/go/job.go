package emloc

import (
	"context"
	"crypto/rand"
	"iter"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	coordinatorv1 "emloc.dev/go/gen/emloc/coordinator/v1"
)

// JobSpec is what a job is to do; see the contract for every field.
type JobSpec = coordinatorv1.FineTuneJobSpec

// JobResult is what came out of a job: adapters, report and log by their digests, figures.
type JobResult = coordinatorv1.FineTuneJobResult

// Job is a fine-tuning job of the mesh. It goes on whether or not anybody watches it.
type Job struct {
	client *Client
	id     string
}

// Finetune creates a job and lets it run. The id is the caller's choice, so that a call that broke off can be repeated:
// the same id with the same spec is the same job. An empty one is drawn at random.
func (c *Client) Finetune(ctx context.Context, id string, spec *JobSpec) (*Job, error) {
	if id == "" {
		id = "go-" + strings.ToLower(rand.Text())
	}
	jobs, err := c.jobs(ctx)
	if err != nil {
		return nil, err
	}
	request := &coordinatorv1.CreateFineTuneJobRequest{Id: id, Spec: spec}
	if _, err := jobs.CreateFineTuneJob(ctx, request); err != nil {
		return nil, err
	}
	return c.Job(id), nil
}

// Job is the job of an id, of whoever created it. It calls nothing: whether there is one, Get says.
func (c *Client) Job(id string) *Job {
	return &Job{client: c, id: id}
}

// Jobs gives all jobs, the newest first; a state other than UNSPECIFIED gives only those in it.
func (c *Client) Jobs(ctx context.Context, state coordinatorv1.JobState) iter.Seq2[*coordinatorv1.FineTuneJob, error] {
	return paged(func(token string) ([]*coordinatorv1.FineTuneJob, string, error) {
		jobs, err := c.jobs(ctx)
		if err != nil {
			return nil, "", err
		}
		page, err := jobs.ListFineTuneJobs(ctx, &coordinatorv1.ListFineTuneJobsRequest{State: state, PageToken: token})
		return page.GetJobs(), page.GetNextPageToken(), err
	})
}

// ID names the job in the mesh; with it any other program finds the job again.
func (j *Job) ID() string { return j.id }

// Get is the job as it stands: its spec, its stages, what each needed, what came out.
func (j *Job) Get(ctx context.Context) (*coordinatorv1.FineTuneJob, error) {
	jobs, err := j.client.jobs(ctx)
	if err != nil {
		return nil, err
	}
	reply, err := jobs.GetFineTuneJob(ctx, &coordinatorv1.GetFineTuneJobRequest{Id: j.id})
	return reply.GetJob(), err
}

// Events gives every event after a cursor (0: all), then live ones, until the job has ended or is paused. Where the
// coordinator goes away meanwhile, the watch goes on when it is back. Leaving the loop ends the watch, not the job.
func (j *Job) Events(ctx context.Context, after int64) iter.Seq2[Event, error] {
	w := watched[coordinatorv1.WatchFineTuneJobResponse]{
		open: func(ctx context.Context, after int64) (
			grpc.ServerStreamingClient[coordinatorv1.WatchFineTuneJobResponse], error,
		) {
			jobs, err := j.client.jobs(ctx)
			if err != nil {
				return nil, err
			}
			return jobs.WatchFineTuneJob(ctx, &coordinatorv1.WatchFineTuneJobRequest{Id: j.id, AfterCursor: after})
		},
		cursorOf: func(m *coordinatorv1.WatchFineTuneJobResponse) int64 { return m.GetEvent().GetCursor() },
	}
	return w.events(ctx, after, func(m *coordinatorv1.WatchFineTuneJobResponse) Event { return jobEvent(m.GetEvent()) })
}

// Wait waits until the job has ended and gives what came out. A job that failed gives its error; one that was paused or
// cancelled an error of reason JOB_PAUSED or JOB_CANCELLED.
func (j *Job) Wait(ctx context.Context) (*JobResult, error) {
	job, err := j.Get(ctx)
	if err != nil {
		return nil, err
	}
	for !ended(job.GetStatus().GetState()) {
		for _, err := range j.Events(ctx, job.GetStatus().GetCursor()) {
			if err != nil {
				return nil, err
			}
		}
		if job, err = j.Get(ctx); err != nil {
			return nil, err
		}
	}
	switch status := job.GetStatus(); status.GetState() {
	case coordinatorv1.JobState_JOB_STATE_SUCCEEDED:
		return status.GetResult(), nil
	case coordinatorv1.JobState_JOB_STATE_FAILED:
		return nil, fromStatusMessage(status.GetError())
	default:
		state := jobState(status.GetState())
		return nil, errorf(codes.Canceled, "JOB_"+state, "", "job %s was %s", j.id, strings.ToLower(state)).
			withMend("resume it: it goes on where it stood")
	}
}

func ended(state coordinatorv1.JobState) bool {
	switch state {
	case coordinatorv1.JobState_JOB_STATE_SUCCEEDED, coordinatorv1.JobState_JOB_STATE_FAILED,
		coordinatorv1.JobState_JOB_STATE_CANCELLED, coordinatorv1.JobState_JOB_STATE_PAUSED:
		return true
	default:
		return false
	}
}

// Cancel asks the job to end as CANCELLED and returns at once; Wait or Events tell when it has.
func (j *Job) Cancel(ctx context.Context) error {
	jobs, err := j.client.jobs(ctx)
	if err == nil {
		_, err = jobs.CancelFineTuneJob(ctx, &coordinatorv1.CancelFineTuneJobRequest{Id: j.id})
	}
	return err
}

// Pause asks the job to write a checkpoint and end as PAUSED, and returns at once.
func (j *Job) Pause(ctx context.Context) error {
	jobs, err := j.client.jobs(ctx)
	if err == nil {
		_, err = jobs.PauseFineTuneJob(ctx, &coordinatorv1.PauseFineTuneJobRequest{Id: j.id})
	}
	return err
}

// Resume lets a paused, cancelled or failed job go on where it stood.
func (j *Job) Resume(ctx context.Context) error {
	jobs, err := j.client.jobs(ctx)
	if err == nil {
		_, err = jobs.ResumeFineTuneJob(ctx, &coordinatorv1.ResumeFineTuneJobRequest{Id: j.id})
	}
	return err
}

// Delete forgets a job that has ended; its artifacts stay in the store.
func (j *Job) Delete(ctx context.Context) error {
	jobs, err := j.client.jobs(ctx)
	if err == nil {
		_, err = jobs.DeleteFineTuneJob(ctx, &coordinatorv1.DeleteFineTuneJobRequest{Id: j.id})
	}
	return err
}

func (c *Client) jobs(ctx context.Context) (coordinatorv1.FineTuneJobServiceClient, error) {
	conn, err := c.Conn(ctx, Coordinator)
	if err != nil {
		return nil, err
	}
	return coordinatorv1.NewFineTuneJobServiceClient(conn), nil
}
