package emloc

import (
	"context"
	"iter"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	operationv1 "emloc.dev/go/gen/emloc/operation/v1"
)

// OperationResult is what an operation made, by its kind.
type OperationResult = operationv1.OperationResult

// Operation is long work of one service. It goes on whether or not anybody watches it.
type Operation struct {
	client  *Client
	service Service
	id      string
}

// Operation is the operation of an id on a service, of whoever started it. It calls nothing.
func (c *Client) Operation(service Service, id string) *Operation {
	return &Operation{client: c, service: service, id: id}
}

// Operations gives all operations of a service, the newest first; a state other than UNSPECIFIED only those in it.
func (c *Client) Operations(
	ctx context.Context, service Service, state operationv1.OperationState,
) iter.Seq2[*operationv1.Operation, error] {
	return paged(func(token string) ([]*operationv1.Operation, string, error) {
		operations, err := c.operations(ctx, service)
		if err != nil {
			return nil, "", err
		}
		page, err := operations.ListOperations(ctx, &operationv1.ListOperationsRequest{State: state, PageToken: token})
		return page.GetOperations(), page.GetNextPageToken(), err
	})
}

// ID names the operation on its service.
func (o *Operation) ID() string { return o.id }

// Get is the operation as it stands.
func (o *Operation) Get(ctx context.Context) (*operationv1.Operation, error) {
	operations, err := o.client.operations(ctx, o.service)
	if err != nil {
		return nil, err
	}
	reply, err := operations.GetOperation(ctx, &operationv1.GetOperationRequest{Id: o.id})
	return reply.GetOperation(), err
}

// Events gives every event after a cursor (0: all), then live ones, until the operation has ended or is paused. Where
// the service goes away meanwhile, the watch goes on when it is back.
func (o *Operation) Events(ctx context.Context, after int64) iter.Seq2[Event, error] {
	w := watched[operationv1.WatchOperationResponse]{
		open: func(ctx context.Context, after int64) (
			grpc.ServerStreamingClient[operationv1.WatchOperationResponse], error,
		) {
			operations, err := o.client.operations(ctx, o.service)
			if err != nil {
				return nil, err
			}
			return operations.WatchOperation(ctx, &operationv1.WatchOperationRequest{Id: o.id, AfterCursor: after})
		},
		cursorOf: func(m *operationv1.WatchOperationResponse) int64 { return m.GetEvent().GetCursor() },
	}
	return w.events(ctx, after, func(m *operationv1.WatchOperationResponse) Event {
		return operationEvent(m.GetEvent())
	})
}

// Wait waits until the operation has ended and gives what it made. One that failed gives its error; one that was paused
// or cancelled an error of reason OPERATION_PAUSED or OPERATION_CANCELLED.
func (o *Operation) Wait(ctx context.Context) (*OperationResult, error) {
	operation, err := o.Get(ctx)
	if err != nil {
		return nil, err
	}
	for !operationEnded(operation.GetState()) {
		for _, err := range o.Events(ctx, operation.GetCursor()) {
			if err != nil {
				return nil, err
			}
		}
		if operation, err = o.Get(ctx); err != nil {
			return nil, err
		}
	}
	switch state := operation.GetState(); state {
	case operationv1.OperationState_OPERATION_STATE_SUCCEEDED:
		return operation.GetResult(), nil
	case operationv1.OperationState_OPERATION_STATE_FAILED:
		return nil, fromStatusMessage(operation.GetError())
	default:
		word := strings.TrimPrefix(state.String(), "OPERATION_STATE_")
		return nil, errorf(codes.Canceled, "OPERATION_"+word, "", "operation %s was %s", o.id, strings.ToLower(word)).
			withMend("resume it: it goes on from its checkpoint")
	}
}

func operationEnded(state operationv1.OperationState) bool {
	switch state {
	case operationv1.OperationState_OPERATION_STATE_SUCCEEDED, operationv1.OperationState_OPERATION_STATE_FAILED,
		operationv1.OperationState_OPERATION_STATE_CANCELLED, operationv1.OperationState_OPERATION_STATE_PAUSED:
		return true
	default:
		return false
	}
}

// Cancel asks the operation to end as CANCELLED and returns at once.
func (o *Operation) Cancel(ctx context.Context) error {
	operations, err := o.client.operations(ctx, o.service)
	if err == nil {
		_, err = operations.CancelOperation(ctx, &operationv1.CancelOperationRequest{Id: o.id})
	}
	return err
}

// Pause asks the operation to write a checkpoint and end as PAUSED, and returns at once.
func (o *Operation) Pause(ctx context.Context) error {
	operations, err := o.client.operations(ctx, o.service)
	if err == nil {
		_, err = operations.PauseOperation(ctx, &operationv1.PauseOperationRequest{Id: o.id})
	}
	return err
}

// Resume lets a paused, cancelled or failed operation go on from its checkpoint.
func (o *Operation) Resume(ctx context.Context) error {
	operations, err := o.client.operations(ctx, o.service)
	if err == nil {
		_, err = operations.ResumeOperation(ctx, &operationv1.ResumeOperationRequest{Id: o.id})
	}
	return err
}

// Delete forgets an operation that has ended; its result stays in the store.
func (o *Operation) Delete(ctx context.Context) error {
	operations, err := o.client.operations(ctx, o.service)
	if err == nil {
		_, err = operations.DeleteOperation(ctx, &operationv1.DeleteOperationRequest{Id: o.id})
	}
	return err
}

func (c *Client) operations(ctx context.Context, service Service) (operationv1.OperationServiceClient, error) {
	conn, err := c.Conn(ctx, service)
	if err != nil {
		return nil, err
	}
	return operationv1.NewOperationServiceClient(conn), nil
}
