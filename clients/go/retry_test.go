package emloc_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"emloc.dev/go"
	compressionv1 "emloc.dev/go/gen/emloc/compression/v1"
)

// refusingServer refuses the first calls, whatever they are, then answers each with an empty message.
type refusingServer struct {
	mutex   sync.Mutex
	refuse  int
	code    codes.Code
	calls   []string
	address string
}

func startRefusingServer(t *testing.T) *refusingServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &refusingServer{address: listener.Addr().String()}
	server := grpc.NewServer(grpc.UnknownServiceHandler(s.serve))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return s
}

func (s *refusingServer) serve(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls = append(s.calls, method)
	if len(s.calls) <= s.refuse {
		return status.Error(s.code, "not now")
	}
	return stream.SendMsg(&emptypb.Empty{})
}

// seen is how many calls the server saw until one succeeded, or was given up.
func (s *refusingServer) seen(refuse int, code codes.Code, call func() error) (int, error) {
	s.mutex.Lock()
	s.refuse, s.code, s.calls = refuse, code, nil
	s.mutex.Unlock()
	err := call()
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.calls), err
}

func TestCallsAreRepeatedAsOftenAsTheServiceConfigSays(t *testing.T) {
	server, ctx := startRefusingServer(t), during(t)
	client, err := emloc.NewClient(server.address, emloc.WithAddress(emloc.Compression, server.address))
	must(t, err)
	t.Cleanup(func() { must(t, client.Close()) })
	get := func() error { _, err := client.Job("x").Get(ctx); return err }
	remove := func() error { return client.Job("x").Delete(ctx) }
	compress := func() error { return compressOnce(ctx, client) }
	for name, c := range map[string]struct {
		call          func() error
		refuse, calls int
		code, want    codes.Code
	}{
		"what is not refused is one call":               {get, 0, 1, codes.Unavailable, codes.OK},
		"the fourth try succeeds":                       {get, 3, 4, codes.Unavailable, codes.OK},
		"there is no fifth":                             {get, 4, 4, codes.Unavailable, codes.Unavailable},
		"what changes something is not repeated":        {remove, 1, 1, codes.Unavailable, codes.Unavailable},
		"what the client streams is not repeated":       {compress, 1, 1, codes.Unavailable, codes.Unavailable},
		"a refusal that is no absence is not repeated":  {get, 1, 1, codes.ResourceExhausted, codes.ResourceExhausted},
		"a fault of the service is not repeated either": {get, 1, 1, codes.Internal, codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			calls, err := server.seen(c.refuse, c.code, c.call)
			if calls != c.calls || status.Code(err) != c.want {
				t.Errorf("%d calls, %v", calls, err)
			}
			var e *emloc.Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("no error of ours: %v", err)
			}
		})
	}
}

func compressOnce(ctx context.Context, client *emloc.Client) error {
	weight := emloc.Matrix(make([]float32, 6), 2, 3)
	_, err := client.Compress(ctx, weight, nil, &compressionv1.CompressOptions{Rank: proto.Int32(1)})
	return err
}
