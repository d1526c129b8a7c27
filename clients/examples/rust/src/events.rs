//! Events as lines for people.

use crate::contracts::emloc::coordinator::v1::{FineTuneJobEvent, fine_tune_job_event::Event};
use crate::contracts::emloc::operation::v1::{Progress, operation_event};

pub fn line(event: &FineTuneJobEvent) -> String {
    match &event.event {
        Some(Event::StateChanged(change)) => format!("job {:?}", change.state()),
        Some(Event::StageChanged(stage)) => format!("{} {:?}", stage.name, stage.state()),
        Some(Event::StageEvent(said)) => {
            let event = said.event.as_ref().and_then(|event| event.event.as_ref());
            format!(
                "{} {}",
                said.stage,
                event.map(operation).unwrap_or_default()
            )
        }
        None => String::new(),
    }
}

fn operation(event: &operation_event::Event) -> String {
    use operation_event::Event::*;
    match event {
        StateChanged(change) => format!("{:?}", change.state()),
        Prediction(prediction) => format!(
            "will need {} MB",
            prediction.peak_resident_bytes / 1_000_000
        ),
        Progress(progress) => progressed(progress),
        TrainingStep(step) => format!(
            "step {}/{} loss {:.4} {:.0} tokens/s",
            step.step,
            step.total_steps,
            step.loss,
            step.tokens as f64 / step.seconds
        ),
        TrainingEvaluation(evaluation) => format!(
            "step {} held-out loss {:.4}",
            evaluation.step, evaluation.loss
        ),
        LinearCompression(linear) => format!("{} to rank {}", linear.module, linear.rank),
        LinearCorrection(linear) => {
            format!("{} {} rows limited", linear.module, linear.clamped_rows)
        }
        CandidateEvaluation(candidate) => {
            format!("candidate {} loss {:.4}", candidate.name, candidate.loss)
        }
        Notice(notice) => notice.text.clone(),
    }
}

fn progressed(progress: &Progress) -> String {
    let mut text = format!(
        "{} {}/{}",
        progress.stage, progress.step, progress.total_steps
    );
    if let Some(loss) = progress.loss {
        text += &format!(" loss {loss:.4}");
    }
    if let Some(seconds) = progress.remaining_seconds {
        text += &format!(" {seconds:.0} s left");
    }
    text
}
