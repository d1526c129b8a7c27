package dev.emloc.example;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.Help;
import com.google.rpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;

/** The mesh's errors: google.rpc.Status with details, in a call's trailers or in an event. */
final class Failures {
  private Failures() {}

  /** One that stands in an event, as the exception of a call. */
  static StatusRuntimeException of(google.rpc.StatusOuterClass.Status status) {
    try {
      return StatusProto.toStatusRuntimeException(Status.parseFrom(status.toByteString()));
    } catch (InvalidProtocolBufferException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  /** Reason, message and mend in one line. */
  static String describe(Exception failure) {
    Status status = StatusProto.fromThrowable(failure);
    if (status == null || status.getDetailsCount() == 0) return failure.getMessage();
    String reason = "";
    String mend = "";
    try {
      for (var detail : status.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) reason = detail.unpack(ErrorInfo.class).getReason() + ": ";
        if (detail.is(Help.class)) mend = " (" + detail.unpack(Help.class).getLinks(0).getDescription() + ")";
      }
    } catch (InvalidProtocolBufferException unreadable) {
      return failure.getMessage();
    }
    return reason + status.getMessage() + mend;
  }
}
