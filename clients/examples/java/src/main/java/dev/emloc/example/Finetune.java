package dev.emloc.example;

import emloc.artifact.v1.Artifact.Source;
import emloc.artifact.v1.ArtifactServiceGrpc;
import emloc.coordinator.v1.FineTuneJobOuterClass.FineTuneJobEvent;
import emloc.coordinator.v1.FineTuneJobOuterClass.FineTuneJobResult;
import emloc.coordinator.v1.FineTuneJobOuterClass.FineTuneJobSpec;
import emloc.coordinator.v1.FineTuneJobOuterClass.JobStateChanged;
import emloc.coordinator.v1.FineTuneJobServiceGrpc;
import emloc.coordinator.v1.FineTuneJobServiceGrpc.FineTuneJobServiceBlockingStub;
import emloc.coordinator.v1.FineTuneJobServiceOuterClass.CreateFineTuneJobRequest;
import emloc.coordinator.v1.FineTuneJobServiceOuterClass.WatchFineTuneJobRequest;
import emloc.dataset.v1.Dataset.DatasetSpec;
import emloc.training.v1.Training.TrainingOptions;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.UUID;

/**
 * Fine-tunes a model through a mesh: {@code ADDRESS MODEL DATA OUTPUT}.
 *
 * <p>ADDRESS is the coordinator's, host:port; MODEL and DATA are absolute paths that the mesh sees. What the job says is
 * printed as it comes; the adapter is written to OUTPUT, a folder that must not exist yet.
 */
public final class Finetune {
  private static final int MOST_FAILURES = 30;
  private static final long AGAIN_MS = 1000;

  private Finetune() {}

  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length != 4) {
      System.err.println("usage: Finetune ADDRESS MODEL DATA OUTPUT");
      System.exit(2);
    }
    ManagedChannel channel = Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create()).build();
    int code = 0;
    try {
      run(channel, arguments[1], arguments[2], Path.of(arguments[3]));
    } catch (StatusRuntimeException | IOException failure) {
      System.err.println("error: " + Failures.describe(failure));
      code = 1;
    } finally {
      channel.shutdownNow();
    }
    if (code != 0) System.exit(code);
  }

  private static void run(ManagedChannel channel, String model, String data, Path output)
      throws IOException, InterruptedException {
    FineTuneJobSpec spec =
        FineTuneJobSpec.newBuilder()
            .setModel(path(model))
            .setDataset(DatasetSpec.newBuilder().setSource(path(data)))
            .setTraining(TrainingOptions.newBuilder().setMaxSteps(4))
            .build();
    String id = "java-" + UUID.randomUUID();
    FineTuneJobServiceBlockingStub jobs = FineTuneJobServiceGrpc.newBlockingStub(channel);
    jobs.createFineTuneJob(CreateFineTuneJobRequest.newBuilder().setId(id).setSpec(spec).build());
    System.out.println("job " + id);
    FineTuneJobResult result = watch(jobs, id);
    System.out.println("chosen: " + result.getChosen());
    Download.directory(ArtifactServiceGrpc.newBlockingStub(channel), result.getAdapter().getDigest(), output);
    System.out.println("the adapter is in " + output);
  }

  /**
   * Prints what the job says until it has ended. Where the coordinator goes away meanwhile, the watch goes on after the
   * last event that came.
   */
  private static FineTuneJobResult watch(FineTuneJobServiceBlockingStub jobs, String id)
      throws InterruptedException {
    WatchFineTuneJobRequest.Builder request = WatchFineTuneJobRequest.newBuilder().setId(id);
    for (int failures = 0; ; failures++) {
      try {
        var responses = jobs.watchFineTuneJob(request.build());
        while (responses.hasNext()) {
          FineTuneJobEvent event = responses.next().getEvent();
          request.setAfterCursor(event.getCursor());
          failures = 0;
          System.out.println(Events.line(event));
          if (event.hasStateChanged() && ended(event.getStateChanged())) return event.getStateChanged().getResult();
        }
      } catch (StatusRuntimeException broken) {
        if (broken.getStatus().getCode() != Status.Code.UNAVAILABLE || failures >= MOST_FAILURES) throw broken;
      }
      Thread.sleep(AGAIN_MS);
    }
  }

  /** Whether the job has succeeded; one that ended otherwise throws. */
  private static boolean ended(JobStateChanged change) {
    return switch (change.getState()) {
      case JOB_STATE_SUCCEEDED -> true;
      case JOB_STATE_FAILED -> throw Failures.of(change.getError());
      case JOB_STATE_CANCELLED, JOB_STATE_PAUSED ->
          throw Status.ABORTED.withDescription("the job is " + change.getState()).asRuntimeException();
      default -> false;
    };
  }

  private static Source path(String path) {
    return Source.newBuilder().setPath(path).build();
  }
}
