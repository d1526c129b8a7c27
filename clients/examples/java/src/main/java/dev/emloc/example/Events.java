package dev.emloc.example;

import emloc.coordinator.v1.FineTuneJobOuterClass.FineTuneJobEvent;
import emloc.operation.v1.Event.Progress;
import emloc.operation.v1.Event.TrainingStep;
import emloc.operation.v1.OperationOuterClass.OperationEvent;
import java.util.Locale;

/** Events as lines for people. */
final class Events {
  private Events() {}

  static String line(FineTuneJobEvent event) {
    return switch (event.getEventCase()) {
      case STATE_CHANGED -> "job " + event.getStateChanged().getState();
      case STAGE_CHANGED -> event.getStageChanged().getName() + " " + event.getStageChanged().getState();
      case STAGE_EVENT -> event.getStageEvent().getStage() + " " + operation(event.getStageEvent().getEvent());
      case EVENT_NOT_SET -> "";
    };
  }

  private static String operation(OperationEvent event) {
    return switch (event.getEventCase()) {
      case STATE_CHANGED -> event.getStateChanged().getState().toString();
      case PREDICTION -> format("will need %d MB", event.getPrediction().getPeakResidentBytes() / 1_000_000);
      case PROGRESS -> progress(event.getProgress());
      case TRAINING_STEP -> step(event.getTrainingStep());
      case TRAINING_EVALUATION -> format("held-out loss %.4f", event.getTrainingEvaluation().getLoss());
      case LINEAR_COMPRESSION ->
          event.getLinearCompression().getModule() + " to rank " + event.getLinearCompression().getRank();
      case LINEAR_CORRECTION ->
          event.getLinearCorrection().getModule()
              + format(" %d rows limited", event.getLinearCorrection().getClampedRows());
      case CANDIDATE_EVALUATION ->
          format(
              "candidate %s loss %.4f",
              event.getCandidateEvaluation().getName(), event.getCandidateEvaluation().getLoss());
      case NOTICE -> event.getNotice().getText();
      case EVENT_NOT_SET -> "";
    };
  }

  private static String step(TrainingStep step) {
    return format(
        "step %d/%d loss %.4f %.0f tokens/s",
        step.getStep(), step.getTotalSteps(), step.getLoss(), step.getTokens() / step.getSeconds());
  }

  private static String progress(Progress progress) {
    StringBuilder text = new StringBuilder();
    text.append(format("%s %d/%d", progress.getStage(), progress.getStep(), progress.getTotalSteps()));
    if (progress.hasLoss()) text.append(format(" loss %.4f", progress.getLoss()));
    if (progress.hasRemainingSeconds()) text.append(format(" %.0f s left", progress.getRemainingSeconds()));
    return text.toString();
  }

  private static String format(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }
}
