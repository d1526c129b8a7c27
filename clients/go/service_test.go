package emloc_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"emloc.dev/go"
	compressionv1 "emloc.dev/go/gen/emloc/compression/v1"
)

// One service alone, with TLS on both sides and no roots for paths.
func TestMutualTLSAndAServiceThatGoesAwayAndComesBack(t *testing.T) {
	folder := t.TempDir()
	authority := newAuthority(t, folder)
	environment := []string{
		"EMLOC_HOME=" + folder, "EMLOC_MODEL_ROOTS=",
		"EMLOC_TLS_CA=" + authority.path, "EMLOC_TLS_MUTUAL=1",
		"EMLOC_TLS_CERT=" + authority.issue(t, "server").cert, "EMLOC_TLS_KEY=" + filepath.Join(folder, "server.key"),
	}
	service := startService(t, append(environment, "EMLOC_COMPRESSION_ADDRESS=127.0.0.1:0"))
	pair := authority.issue(t, "go")
	config := authority.clientConfig(t, pair)
	client, ctx := connect(t, emloc.WithTLS(config), emloc.WithAddress(emloc.Compression, service.address)), during(t)
	must(t, client.Ready(ctx, emloc.Compression))
	_, golden := readGolden(t)
	weight := golden[square+".weight"]
	options := &compressionv1.CompressOptions{
		Rank: proto.Int32(3), Method: compressionv1.CompressionMethod_COMPRESSION_METHOD_SVD,
	}
	factors, err := client.Compress(ctx, weight, nil, options)
	must(t, err)
	if factors.Rank != 3 {
		t.Errorf("rank %d", factors.Rank)
	}

	checkRefusal(t, refusal{"PATH_OUTSIDE_ROOTS", codes.PermissionDenied, "model.path", nil}, func() error {
		_, err := client.StartCompression(ctx, &compressionv1.StartCompressionRequest{
			OperationId: "outside", Model: emloc.Path(tinyLlama),
			Options: &compressionv1.CompressionOptions{Ratio: proto.Float64(0.5), Method: options.Method},
		})
		return err
	}())
	unreachable := refusal{"SERVICE_UNREACHABLE", codes.Unavailable, "", nil}
	for name, option := range map[string]emloc.Option{
		"plain text":          emloc.WithDialOptions(),
		"no certificate":      emloc.WithTLS(&tls.Config{RootCAs: config.RootCAs}),
		"another's authority": emloc.WithTLS(newAuthority(t, t.TempDir()).clientConfig(t, pair)),
	} {
		stranger := connect(t, option, emloc.WithAddress(emloc.Compression, service.address))
		if _, err := stranger.Compress(ctx, weight, nil, options); err == nil {
			t.Errorf("%s: let in", name)
		} else {
			checkRefusal(t, unreachable, err)
		}
	}

	service.stop(t)
	_, err = client.Compress(ctx, weight, nil, options)
	checkRefusal(t, unreachable, err)
	startService(t, append(environment, "EMLOC_COMPRESSION_ADDRESS="+service.address))
	must(t, client.Ready(ctx, emloc.Compression))
	_, err = client.Compress(ctx, weight, nil, options)
	must(t, err)
}

type runningService struct {
	command *exec.Cmd
	address string
}

func startService(t *testing.T, environment []string) *runningService {
	t.Helper()
	command := exec.CommandContext(during(t), "node", "--import", "tsx", filepath.Join("services", "compression", "src", "main.ts"))
	command.Dir = repository
	command.Env, command.Stderr = append(os.Environ(), environment...), t.Output()
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	s := &runningService{command: command}
	t.Cleanup(func() { s.stop(t) })
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		var said struct{ Address string }
		if json.Unmarshal(lines.Bytes(), &said) == nil && said.Address != "" {
			s.address = said.Address
			return s
		}
	}
	t.Fatal("the service did not come up")
	return nil
}

func (s *runningService) stop(t *testing.T) {
	if s.command.ProcessState != nil {
		return
	}
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	_ = s.command.Wait()
}

// authority signs certificates for localhost.
type authority struct {
	folder, path string
	cert         *x509.Certificate
	key          *ecdsa.PrivateKey
}

type pair struct{ cert, key string }

func newAuthority(t *testing.T, folder string) *authority {
	t.Helper()
	a := &authority{folder: folder, path: filepath.Join(folder, "ca.pem")}
	var err error
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := templateOf("test authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	bytes, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	must(t, err)
	a.cert, err = x509.ParseCertificate(bytes)
	must(t, err)
	writePEM(t, a.path, "CERTIFICATE", bytes)
	return a
}

func (a *authority) issue(t *testing.T, name string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := templateOf(name)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	bytes, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	issued := pair{filepath.Join(a.folder, name+".pem"), filepath.Join(a.folder, name+".key")}
	writePEM(t, issued.cert, "CERTIFICATE", bytes)
	writePEM(t, issued.key, "PRIVATE KEY", secret)
	return issued
}

func (a *authority) clientConfig(t *testing.T, own pair) *tls.Config {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(own.cert, own.key)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}, ServerName: "localhost"}
}

func templateOf(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
}

func writePEM(t *testing.T, path, kind string, bytes []byte) {
	t.Helper()
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600))
}
