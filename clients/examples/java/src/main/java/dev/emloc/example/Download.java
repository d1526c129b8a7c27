package dev.emloc.example;

import emloc.artifact.v1.ArtifactServiceGrpc.ArtifactServiceBlockingStub;
import emloc.artifact.v1.ArtifactServiceOuterClass.DownloadArtifactRequest;
import emloc.artifact.v1.ArtifactServiceOuterClass.DownloadArtifactResponse;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Stream;

/** An artifact of the mesh's store as a folder of this machine. */
final class Download {
  private Download() {}

  /** Writes it beside its place and renames it: it appears whole or not at all. */
  static void directory(ArtifactServiceBlockingStub artifacts, String digest, Path output) throws IOException {
    if (Files.exists(output)) throw new FileAlreadyExistsException(output + " exists: choose another path");
    Path draft = Files.createTempDirectory(output.toAbsolutePath().getParent(), ".download");
    try {
      Path folder = Files.createDirectory(draft.resolve("content"));
      receive(artifacts.downloadArtifact(DownloadArtifactRequest.newBuilder().setDigest(digest).build()), folder);
      Files.move(folder, output);
    } finally {
      delete(draft);
    }
  }

  private static void receive(Iterator<DownloadArtifactResponse> steps, Path folder) throws IOException {
    OutputStream open = null;
    long left = 0;
    try {
      while (steps.hasNext()) {
        DownloadArtifactResponse step = steps.next();
        if (step.hasFile()) {
          if (left != 0) throw new IOException("a file lacks " + left + " bytes");
          if (open != null) open.close();
          Path place = folder.resolve(step.getFile().getPath()).normalize();
          if (!place.startsWith(folder)) throw new IOException(place + " leads out of the artifact");
          Files.createDirectories(place.getParent());
          open = Files.newOutputStream(place, StandardOpenOption.CREATE_NEW);
          left = step.getFile().getByteSize();
        } else {
          if (open == null) throw new IOException("bytes came before their file");
          step.getChunk().writeTo(open);
          left -= step.getChunk().size();
        }
      }
      if (left != 0) throw new IOException("a file lacks " + left + " bytes");
    } finally {
      if (open != null) open.close();
    }
  }

  private static void delete(Path folder) throws IOException {
    List<Path> all;
    try (Stream<Path> found = Files.walk(folder)) {
      all = found.sorted(Comparator.reverseOrder()).toList();
    }
    for (Path path : all) Files.delete(path);
  }
}
