package emloc

import (
	"fmt"
	"strings"
	"time"

	coordinatorv1 "emloc.dev/go/gen/emloc/coordinator/v1"
	operationv1 "emloc.dev/go/gen/emloc/operation/v1"
)

// Event is what a job or an operation said, flattened: what is not known is zero or nil. Message has all of it.
type Event struct {
	// Cursor counts the events of the job (or the operation) from 1, without gaps: a watch goes on after it.
	Cursor int64
	Time   time.Time
	// Stage is the job's stage that it is about, such as train; of an operation what it is doing. Empty: the whole.
	Stage string
	// State is the new one, where the state of the job, the stage or the operation changed; such as RUNNING, SUCCEEDED.
	State string
	// Step and TotalSteps count as the stage does: layers, training steps, batches. TotalSteps is 0 where it is not known.
	Step, TotalSteps int64
	// Loss is the mean natural-log cross entropy over the labelled tokens.
	Loss            *float64
	TokensPerSecond *float64
	// Remaining is an estimate for the operation at work.
	Remaining *time.Duration
	// Notice is a sentence for people.
	Notice string
	// Err is why it ended, where State is FAILED.
	Err *Error

	// Job is the message of a job's event, Operation that of an operation's, also inside a job's.
	Job       *coordinatorv1.FineTuneJobEvent
	Operation *operationv1.OperationEvent
}

// String is a line for people.
func (e Event) String() string {
	var parts []string
	add := func(format string, arguments ...any) { parts = append(parts, fmt.Sprintf(format, arguments...)) }
	if e.Stage != "" {
		add("%s", e.Stage)
	}
	if e.State != "" {
		add("%s", e.State)
	}
	if e.TotalSteps > 0 {
		add("%d/%d", e.Step, e.TotalSteps)
	} else if e.Step > 0 {
		add("%d", e.Step)
	}
	if e.Loss != nil {
		add("loss %.4f", *e.Loss)
	}
	if e.TokensPerSecond != nil {
		add("%.0f tokens/s", *e.TokensPerSecond)
	}
	if e.Remaining != nil {
		add("%s left", e.Remaining.Round(time.Second))
	}
	if e.Notice != "" {
		add("%s", e.Notice)
	}
	if e.Err != nil {
		add("%s", e.Err)
	}
	return strings.Join(parts, " ")
}

func jobEvent(message *coordinatorv1.FineTuneJobEvent) Event {
	e := Event{Cursor: message.GetCursor(), Time: message.GetTime().AsTime(), Job: message}
	switch m := message.GetEvent().(type) {
	case *coordinatorv1.FineTuneJobEvent_StateChanged:
		e.State = jobState(m.StateChanged.GetState())
		e.Err = fromStatusMessage(m.StateChanged.GetError())
	case *coordinatorv1.FineTuneJobEvent_StageChanged:
		e.progressed(m.StageChanged.GetProgress())
		e.Stage = m.StageChanged.GetName()
		e.State = jobState(m.StageChanged.GetState())
		e.Notice = m.StageChanged.GetNote()
	case *coordinatorv1.FineTuneJobEvent_StageEvent:
		e.operated(m.StageEvent.GetEvent())
		e.Stage = m.StageEvent.GetStage()
	}
	return e
}

func operationEvent(message *operationv1.OperationEvent) Event {
	e := Event{Cursor: message.GetCursor(), Time: message.GetTime().AsTime()}
	e.operated(message)
	return e
}

func (e *Event) operated(message *operationv1.OperationEvent) {
	e.Operation = message
	switch m := message.GetEvent().(type) {
	case *operationv1.OperationEvent_StateChanged:
		e.State = strings.TrimPrefix(m.StateChanged.GetState().String(), "OPERATION_STATE_")
		e.Err = fromStatusMessage(m.StateChanged.GetError())
	case *operationv1.OperationEvent_Progress:
		e.progressed(m.Progress)
	case *operationv1.OperationEvent_TrainingStep:
		step := m.TrainingStep
		e.Step, e.TotalSteps, e.Loss = step.GetStep(), step.GetTotalSteps(), new(step.GetLoss())
		if seconds := step.GetSeconds(); seconds > 0 {
			e.TokensPerSecond = new(float64(step.GetTokens()) / seconds)
		}
	case *operationv1.OperationEvent_TrainingEvaluation:
		e.Step, e.Loss = m.TrainingEvaluation.GetStep(), new(m.TrainingEvaluation.GetLoss())
		e.Notice = "evaluated"
	case *operationv1.OperationEvent_CandidateEvaluation:
		e.Loss = new(m.CandidateEvaluation.GetLoss())
		e.Notice = "candidate " + m.CandidateEvaluation.GetName()
	case *operationv1.OperationEvent_LinearCompression:
		e.Notice = fmt.Sprintf("%s to rank %d", m.LinearCompression.GetModule(), m.LinearCompression.GetRank())
	case *operationv1.OperationEvent_LinearCorrection:
		e.Notice = fmt.Sprintf("%s, %d rows limited", m.LinearCorrection.GetModule(), m.LinearCorrection.GetClampedRows())
	case *operationv1.OperationEvent_Prediction:
		e.Notice = fmt.Sprintf("will need %.0f MB", float64(m.Prediction.GetPeakResidentBytes())/1e6)
	case *operationv1.OperationEvent_Notice:
		e.Notice = m.Notice.GetText()
	}
}

func (e *Event) progressed(progress *operationv1.Progress) {
	if progress == nil {
		return
	}
	e.Stage, e.Step, e.TotalSteps = progress.GetStage(), progress.GetStep(), progress.GetTotalSteps()
	e.Loss, e.TokensPerSecond = progress.Loss, progress.TokensPerSecond
	if progress.RemainingSeconds != nil {
		e.Remaining = new(time.Duration(progress.GetRemainingSeconds() * float64(time.Second)))
	}
}

func jobState(state coordinatorv1.JobState) string {
	return strings.TrimPrefix(state.String(), "JOB_STATE_")
}
