package emloc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Error is what calls to the mesh fail with; find it with [errors.As]. A context's error is found in it, too:
// errors.Is(err, context.DeadlineExceeded).
type Error struct {
	// Code is gRPC's status code.
	Code codes.Code
	// Reason is UPPER_SNAKE_CASE and stable across releases, such as RATIO_OUT_OF_RANGE.
	Reason string
	// Message says what is wrong, in English.
	Message string
	// Field is the part of the request that is wrong, such as options.ratio; empty where none is.
	Field string
	// Value is the offending value, shortened.
	Value string
	// Mend says what to do about it.
	Mend string
	// Metadata holds further facts; traceId where the service traced the call.
	Metadata map[string]string
	// RetryDelay is how long to wait before another try; 0 where the service did not ask for one.
	RetryDelay time.Duration

	status *status.Status
}

func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Reason + ": ")
	if e.Field != "" && !strings.Contains(e.Message, e.Field) {
		text.WriteString(e.Field + ": ")
	}
	text.WriteString(e.Message)
	if e.Mend != "" {
		text.WriteString(" (" + e.Mend + ")")
	}
	return text.String()
}

// GRPCStatus is the status that the error came from, so that [status.Code] and the like work on it.
func (e *Error) GRPCStatus() *status.Status {
	if e.status == nil {
		return status.New(e.Code, e.Message)
	}
	return e.status
}

// Is tells a call that was cancelled or ran out of time, as the context's own errors do. A job or an operation that was
// cancelled is another thing: its error has the code alone in common.
func (e *Error) Is(target error) bool {
	return target == context.Canceled && e.Reason == "CALL_CANCELLED" ||
		target == context.DeadlineExceeded && e.Reason == "DEADLINE_EXCEEDED"
}

// errorf makes an error of this side.
func errorf(code codes.Code, reason, field, format string, arguments ...any) *Error {
	return &Error{Code: code, Reason: reason, Field: field, Message: fmt.Sprintf(format, arguments...)}
}

func (e *Error) withMend(mend string) *Error {
	e.Mend = mend
	return e
}

// fromStatusMessage reads the error that a message holds (of a job, a stage, an operation); nil where there is none.
func fromStatusMessage(message *statuspb.Status) *Error {
	if message.GetCode() == 0 {
		return nil
	}
	return fromStatus(status.FromProto(message), "")
}

// toError turns what gRPC fails with into an Error, and leaves nil, the end of a stream and errors that are ours already.
func toError(err error, address string) error {
	var ours *Error
	if err == nil || err == io.EOF || errors.As(err, &ours) {
		return err
	}
	if st, ok := status.FromError(err); ok {
		return fromStatus(st, address)
	}
	return fromStatus(status.FromContextError(err), address)
}

func fromStatus(st *status.Status, address string) *Error {
	e := &Error{Code: st.Code(), Message: st.Message(), status: st}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			e.Reason = d.GetReason()
			e.Metadata = d.GetMetadata()
			e.Value = e.Metadata["value"]
		case *errdetails.BadRequest:
			if violations := d.GetFieldViolations(); len(violations) > 0 {
				e.Field = violations[0].GetField()
			}
		case *errdetails.Help:
			if links := d.GetLinks(); len(links) > 0 {
				e.Mend = links[0].GetDescription()
			}
		case *errdetails.RetryInfo:
			e.RetryDelay = d.GetRetryDelay().AsDuration()
		}
	}
	if e.Reason == "" {
		e.explainTransport(address)
	}
	return e
}

// explainTransport gives the errors that gRPC itself makes the reasons that they have everywhere in the mesh.
func (e *Error) explainTransport(address string) {
	e.Value = address
	switch e.Code {
	case codes.Unavailable:
		e.Reason = "SERVICE_UNREACHABLE"
		e.Mend = "check that the service runs there and that the address, and TLS or not, are right"
	case codes.DeadlineExceeded:
		e.Reason = "DEADLINE_EXCEEDED"
		e.Mend = "try again, or give the call a longer deadline"
	case codes.Canceled:
		e.Reason = "CALL_CANCELLED"
	case codes.Unimplemented:
		e.Reason = "RPC_NOT_FOUND"
		e.Mend = "check that the address is that of the right service and of the same version"
	default:
		e.Reason = upperSnake(e.Code)
	}
}

// upperSnake is a code's name as the contracts write it: InvalidArgument is INVALID_ARGUMENT.
func upperSnake(code codes.Code) string {
	var text strings.Builder
	for i, letter := range code.String() {
		if i > 0 && letter >= 'A' && letter <= 'Z' {
			text.WriteByte('_')
		}
		text.WriteRune(letter)
	}
	return strings.ToUpper(text.String())
}

// Every connection of a Client turns errors by these two, so that the generated stubs fail with ours as well.

func unaryErrors(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker,
	options ...grpc.CallOption,
) error {
	return toError(invoke(ctx, method, request, reply, conn, options...), conn.Target())
}

func streamErrors(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer,
	options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := open(ctx, desc, conn, method, options...)
	if err != nil {
		return nil, toError(err, conn.Target())
	}
	return &errorStream{ClientStream: stream, address: conn.Target()}, nil
}

type errorStream struct {
	grpc.ClientStream
	address string
}

func (s *errorStream) RecvMsg(message any) error {
	return toError(s.ClientStream.RecvMsg(message), s.address)
}

func (s *errorStream) SendMsg(message any) error {
	return toError(s.ClientStream.SendMsg(message), s.address)
}

func (s *errorStream) CloseSend() error {
	return toError(s.ClientStream.CloseSend(), s.address)
}
