package emloc

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	coordinatorv1 "emloc.dev/go/gen/emloc/coordinator/v1"
)

// Service is a service of the mesh.
type Service string

// The services of a mesh.
const (
	Coordinator Service = "coordinator"
	Calibration Service = "calibration"
	Compression Service = "compression"
	Training    Service = "training"
	Correction  Service = "correction"
	Inference   Service = "inference"
)

const (
	// Dead connections are noticed within the sum of these two, also where no data flows.
	keepaliveTime    = 20 * time.Second
	keepaliveTimeout = 10 * time.Second
	// A service that restarts is back within seconds; gRPC's own first wait is one second and grows to two minutes.
	firstReconnect = 100 * time.Millisecond
	maxReconnect   = 2 * time.Second
)

// Client calls one mesh.
type Client struct {
	options []grpc.DialOption

	mu sync.Mutex
	// Where each service is; what is not here is asked of the coordinator.
	addresses map[Service]string
	conns     map[string]*grpc.ClientConn
}

// Option is a choice of [NewClient].
type Option func(*settings)

type settings struct {
	credentials credentials.TransportCredentials
	tracing     []otelgrpc.Option
	addresses   map[Service]string
	dial        []grpc.DialOption
}

// WithTLS encrypts every connection. Default: plain text, as a mesh on one machine speaks it.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) { s.credentials = credentials.NewTLS(config) }
}

// WithTracerProvider makes a span of every call. Default: the program's own provider (otel.SetTracerProvider); where it
// has set none, there are no spans. The mesh's spans are their children in either case.
func WithTracerProvider(provider trace.TracerProvider) Option {
	return func(s *settings) { s.tracing = append(s.tracing, otelgrpc.WithTracerProvider(provider)) }
}

// WithAddress says where a service is, in place of what the coordinator says: for a mesh behind a proxy, whose own
// addresses are not to be reached from here.
func WithAddress(service Service, address string) Option {
	return func(s *settings) { s.addresses[service] = address }
}

// WithDialOptions adds options of gRPC to every connection, such as interceptors and credentials of calls.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// NewClient makes a client of the mesh whose coordinator is at an address (host:port, or any target of gRPC). It does
// no input or output: connections are made when they are first used.
func NewClient(coordinator string, options ...Option) (*Client, error) {
	s := settings{
		credentials: insecure.NewCredentials(),
		tracing:     []otelgrpc.Option{otelgrpc.WithPropagators(propagation.TraceContext{})},
		addresses:   map[Service]string{Coordinator: coordinator},
	}
	for _, option := range options {
		option(&s)
	}
	dial := []grpc.DialOption{
		grpc.WithTransportCredentials(s.credentials),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(s.tracing...)),
		grpc.WithChainUnaryInterceptor(unaryErrors),
		grpc.WithChainStreamInterceptor(streamErrors),
		grpc.WithDefaultServiceConfig(serviceConfig()),
		// The mesh's addresses are never behind the proxy that the environment names for the world outside.
		grpc.WithNoProxy(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: firstReconnect, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxReconnect},
			MinConnectTimeout: 5 * time.Second,
		}),
	}
	c := &Client{options: append(dial, s.dial...), addresses: s.addresses, conns: map[string]*grpc.ClientConn{}}
	// A bad address is told here, not by the first call.
	if _, err := c.Conn(context.Background(), Coordinator); err != nil {
		return nil, err
	}
	return c, nil
}

// Close ends every connection; what is in flight fails.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for address, conn := range c.conns {
		// Closing twice is gRPC's only complaint.
		_ = conn.Close()
		delete(c.conns, address)
	}
	return nil
}

// Conn is the connection to a service, for calls through the generated stubs:
//
//	conn, err := client.Conn(ctx, emloc.Training)
//	plan, err := trainingv1.NewTrainingServiceClient(conn).PlanTraining(ctx, request)
func (c *Client) Conn(ctx context.Context, service Service) (*grpc.ClientConn, error) {
	address, err := c.address(ctx, service)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn, ok := c.conns[address]; ok {
		return conn, nil
	}
	conn, err := grpc.NewClient(address, c.options...)
	if err != nil {
		return nil, errorf(codes.InvalidArgument, "BAD_ADDRESS", string(service), "%q: %v", address, err).
			withMend("give HOST:PORT")
	}
	c.conns[address] = conn
	return conn, nil
}

func (c *Client) address(ctx context.Context, service Service) (string, error) {
	c.mu.Lock()
	address, ok := c.addresses[service]
	c.mu.Unlock()
	if ok {
		return address, nil
	}
	mesh, err := c.Describe(ctx)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, found := range mesh.GetAddresses() {
		if _, given := c.addresses[Service(name)]; !given {
			c.addresses[Service(name)] = found
		}
	}
	if address, ok = c.addresses[service]; ok {
		return address, nil
	}
	var known []string
	for name := range c.addresses {
		known = append(known, string(name))
	}
	slices.Sort(known)
	return "", errorf(codes.NotFound, "SERVICE_UNKNOWN", "service", "the mesh has no service %q", service).
		withMend("choose one of " + strings.Join(known, ", "))
}

// Describe asks the coordinator for the mesh's version, the addresses of its services, and where paths may lie.
func (c *Client) Describe(ctx context.Context) (*coordinatorv1.DescribeMeshResponse, error) {
	conn, err := c.Conn(ctx, Coordinator)
	if err != nil {
		return nil, err
	}
	return coordinatorv1.NewMeshServiceClient(conn).DescribeMesh(ctx, &coordinatorv1.DescribeMeshRequest{})
}

// Ready waits until a service is connected and says that it serves, or the context ends.
func (c *Client) Ready(ctx context.Context, service Service) error {
	for {
		serving, err := c.serves(ctx, service)
		if serving {
			return nil
		}
		if err != nil && !isUnavailable(err) {
			return err
		}
		if err := sleep(ctx, firstReconnect); err != nil {
			return toError(err, string(service))
		}
	}
}

func (c *Client) serves(ctx context.Context, service Service) (bool, error) {
	conn, err := c.Conn(ctx, service)
	if err != nil {
		return false, err
	}
	reply, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	return reply.GetStatus() == healthpb.HealthCheckResponse_SERVING, err
}
