package emloc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"emloc.dev/go"
)

// reasonCase is one of tests/contract/src/reasons: how a reason of docs/reference/errors.md is provoked.
type reasonCase struct {
	Name, Reason, Code string
	Field, Value       *string
	Mend, Retry, Alone bool
	Before, After      []reasonCall
	Call               *reasonCall
	Wait               *struct {
		Service emloc.Service
		ID      string
	}
	Skip string
}

type reasonCall struct {
	Service        emloc.Service
	RPC            string
	Requests       []json.RawMessage
	Metadata       map[string]string
	TimeoutSeconds float64
	Address        string
	Until          *struct {
		Path  []string
		Value string
	}
}

// So many at once: those that start a process take a second or two.
const reasonWorkers = 4

func TestEveryReasonThatACallerCanMeetIsTold(t *testing.T) {
	client := connect(t)
	// Dozens of processes are started: a loaded machine takes its time.
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cases := reasonCases(t)
	outcomes := make([]error, len(cases))
	var group sync.WaitGroup
	room := make(chan struct{}, reasonWorkers)
	for i, c := range cases {
		if c.Alone || c.Skip != "" {
			continue
		}
		group.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			outcomes[i] = provoke(ctx, client, c)
		})
	}
	group.Wait()
	for i, c := range cases {
		if c.Alone {
			outcomes[i] = provoke(ctx, client, c)
		}
	}
	for i, c := range cases {
		t.Run(c.Name, func(t *testing.T) { checkReason(t, c, outcomes[i]) })
	}
}

// reasonCases makes them and their files, where the mesh may read.
func reasonCases(t *testing.T) []reasonCase {
	t.Helper()
	program := filepath.Join(repository, "tests", "contract", "src", "reasons", "main.ts")
	command := exec.Command("node", "--import", "tsx", program, filepath.Join(home, "reasons"))
	command.Dir, command.Stderr = repository, os.Stderr
	lines, err := command.Output()
	must(t, err)
	var cases []reasonCase
	for line := range bytes.Lines(lines) {
		var c reasonCase
		must(t, json.Unmarshal(line, &c))
		cases = append(cases, c)
	}
	return cases
}

func checkReason(t *testing.T, c reasonCase, err error) {
	if c.Skip != "" {
		t.Skip(c.Skip)
	}
	var e *emloc.Error
	if !errors.As(err, &e) {
		t.Fatalf("no error of ours: %v", err)
	}
	var code codes.Code
	must(t, code.UnmarshalJSON([]byte(`"`+c.Code+`"`)))
	if e.Reason != c.Reason || e.Code != code || e.Field != text(c.Field) || c.Value != nil && e.Value != *c.Value {
		t.Errorf("%s, %s, field %q, value %q: %v; not %s, %s, %q, %q",
			e.Reason, e.Code, e.Field, e.Value, e, c.Reason, code, text(c.Field), text(c.Value))
	}
	if (e.Mend != "") != c.Mend || (e.RetryDelay > 0) != c.Retry || e.Message == "" {
		t.Errorf("message %q, mend %q, retry after %s", e.Message, e.Mend, e.RetryDelay)
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// provoke gives the error of the case, or of a call around it that should have succeeded.
func provoke(ctx context.Context, client *emloc.Client, c reasonCase) (err error) {
	for _, call := range c.Before {
		if err := call.make(ctx, client); err != nil {
			return fmt.Errorf("before: %s", err)
		}
	}
	defer func() {
		for _, call := range c.After {
			if after := call.make(ctx, client); after != nil {
				err = fmt.Errorf("after %v: %s", err, after)
			}
		}
	}()
	if c.Call != nil {
		err = c.Call.make(ctx, client)
	}
	if err == nil && c.Wait != nil && c.Wait.Service == emloc.Coordinator {
		_, err = client.Job(c.Wait.ID).Wait(ctx)
	} else if err == nil && c.Wait != nil {
		_, err = client.Operation(c.Wait.Service, c.Wait.ID).Wait(ctx)
	}
	return err
}

// make calls, again and again where it says until when.
func (c reasonCall) make(ctx context.Context, client *emloc.Client) error {
	if c.Address != "" {
		other, err := emloc.NewClient(os.Getenv("EMLOC_ADDRESS"), emloc.WithAddress(c.Service, c.Address))
		if err != nil {
			return err
		}
		defer other.Close()
		client = other
	}
	for {
		answer, err := c.once(ctx, client)
		if err != nil || c.Until == nil {
			return err
		}
		if found := valueAt(answer, c.Until.Path); found == c.Until.Value {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// once gives the last message of the answer.
func (c reasonCall) once(ctx context.Context, client *emloc.Client) (proto.Message, error) {
	if c.TimeoutSeconds > 0 {
		short, cancel := context.WithTimeout(ctx, time.Duration(c.TimeoutSeconds*float64(time.Second)))
		defer cancel()
		ctx = short
	}
	conn, err := client.Conn(ctx, c.Service)
	if err != nil {
		return nil, err
	}
	service, name := filepath.Split(c.RPC)
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service[:len(service)-1] + "." + name))
	if err != nil {
		return nil, err
	}
	method := descriptor.(protoreflect.MethodDescriptor)
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(c.Metadata))
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{
		ClientStreams: method.IsStreamingClient(), ServerStreams: method.IsStreamingServer(),
	}, "/"+c.RPC)
	if err != nil {
		return nil, err
	}
	for _, text := range c.Requests {
		request, err := newMessage(method.Input())
		if err == nil {
			err = protojson.Unmarshal(text, request)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.RPC, err)
		}
		// A server that has refused already says why to who receives.
		if err := stream.SendMsg(request); err != nil && err != io.EOF {
			return nil, err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	answer, err := newMessage(method.Output())
	for err == nil {
		err = stream.RecvMsg(answer)
		if err == nil && !method.IsStreamingServer() {
			return answer, nil
		}
	}
	if err == io.EOF {
		return answer, nil
	}
	return nil, err
}

func newMessage(descriptor protoreflect.MessageDescriptor) (proto.Message, error) {
	found, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	if err != nil {
		return nil, err
	}
	return found.New().Interface(), nil
}

// valueAt is the text at a path of names as the contract has them.
func valueAt(message proto.Message, path []string) string {
	told, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		return err.Error()
	}
	var at any
	if err := json.Unmarshal(told, &at); err != nil {
		return err.Error()
	}
	for _, name := range path {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	found, _ := at.(string)
	return found
}
