package emloc

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	artifactv1 "emloc.dev/go/gen/emloc/artifact/v1"
	"emloc.dev/go/internal/frames"
)

// The field of DownloadArtifactResponse that holds the bytes of a file.
var downloadPath = frames.Path{2}

// Download brings an artifact from the mesh's store to a path that must not exist yet; its folder must. It appears
// there whole and checked by its digest, or not at all.
func (c *Client) Download(ctx context.Context, reference *artifactv1.ArtifactReference, path string) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return errorf(codes.AlreadyExists, "OUTPUT_EXISTS", "path", "%s exists", path).withMend("choose another path")
	}
	conn, err := c.Conn(ctx, Coordinator)
	if err != nil {
		return err
	}
	described, err := artifactv1.NewArtifactServiceClient(conn).
		GetArtifact(ctx, &artifactv1.GetArtifactRequest{Digest: reference.GetDigest()})
	if err != nil {
		return err
	}
	draft, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(draft)
	d := &download{folder: filepath.Join(draft, "content"), kind: described.GetKind()}
	if err := os.Mkdir(d.folder, 0o777); err != nil {
		return err
	}
	if err := d.receive(ctx, conn, reference.GetDigest()); err != nil {
		return err
	}
	if d.kind == artifactv1.ArtifactKind_ARTIFACT_KIND_FILE && len(d.files) != 1 {
		return errorf(codes.DataLoss, "NOT_ONE_FILE", "digest", "%s came as %d files", reference.GetDigest(), len(d.files))
	}
	if found := digestOf(d.kind, d.files); found != reference.GetDigest() {
		return errorf(codes.DataLoss, "CHECKSUM_MISMATCH", "digest", "%s came as %s", reference.GetDigest(), found).
			withMend("download it again")
	}
	whole := d.folder
	if d.kind == artifactv1.ArtifactKind_ARTIFACT_KIND_FILE {
		whole = d.files[0].place
	}
	return os.Rename(whole, path)
}

// download is an artifact on its way into a folder.
type download struct {
	folder string
	kind   artifactv1.ArtifactKind
	files  []file

	open   *os.File
	writer *bufio.Writer
	sum    hash.Hash
	length int64
	// What went wrong with a chunk: gRPC would make a text of it.
	failed error
}

func (d *download) receive(ctx context.Context, conn *grpc.ClientConn, digest string) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	desc := &grpc.StreamDesc{ServerStreams: true}
	method := artifactv1.ArtifactService_DownloadArtifact_FullMethodName
	stream, err := conn.NewStream(ctx, desc, method, grpc.ForceCodecV2(frames.Codec{}))
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&artifactv1.DownloadArtifactRequest{Digest: digest}); err != nil && err != io.EOF {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.finishFile()) }()
	step := &artifactv1.DownloadArtifactResponse{}
	in := frames.In{Path: downloadPath, Other: step, Begin: d.begin, Piece: d.piece}
	for {
		if err := stream.RecvMsg(&in); err != nil {
			if d.failed != nil {
				return d.failed
			}
			if err == io.EOF {
				return nil
			}
			return err
		}
		if in.IsChunk {
			continue
		}
		if err := d.beginFile(step.GetFile()); err != nil {
			return err
		}
	}
}

func (d *download) beginFile(entry *artifactv1.FileEntry) error {
	if err := d.finishFile(); err != nil {
		return err
	}
	name := filepath.FromSlash(entry.GetPath())
	if !filepath.IsLocal(name) {
		return errorf(codes.DataLoss, "BAD_PATH", "file.path", "%q leads out of the artifact", name)
	}
	place := filepath.Join(d.folder, name)
	if err := os.MkdirAll(filepath.Dir(place), 0o777); err != nil {
		return err
	}
	opened, err := os.OpenFile(place, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	d.open, d.writer = opened, bufio.NewWriterSize(opened, maxChunkBytes)
	d.sum, d.length = sha256.New(), 0
	entry = &artifactv1.FileEntry{Path: entry.GetPath(), ByteSize: entry.GetByteSize()}
	d.files = append(d.files, file{entry: entry, place: place})
	return nil
}

func (d *download) begin(int) error {
	if d.open == nil {
		d.failed = errorf(codes.DataLoss, "DOWNLOAD_ORDER", "chunk", "bytes came before their file")
	}
	return d.failed
}

func (d *download) piece(bytes []byte) error {
	d.sum.Write(bytes)
	d.length += int64(len(bytes))
	_, d.failed = d.writer.Write(bytes)
	return d.failed
}

// finishFile closes the file that is open, on the disk before anything points at it.
func (d *download) finishFile() error {
	if d.open == nil {
		return nil
	}
	err := errors.Join(d.writer.Flush(), d.open.Sync(), d.open.Close())
	d.open = nil
	last := &d.files[len(d.files)-1]
	last.sum, last.entry.ByteSize = hexOf(d.sum), d.length
	return err
}
