package emloc

import (
	"context"
	"errors"
	"io"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"

	artifactv1 "emloc.dev/go/gen/emloc/artifact/v1"
	"emloc.dev/go/internal/frames"
)

// The field of UploadArtifactRequest that holds the bytes of a file.
var uploadPath = frames.Path{3}

// Path is a file or directory that the mesh sees itself, by its absolute path there.
func Path(path string) *artifactv1.Source {
	return &artifactv1.Source{Source: &artifactv1.Source_Path{Path: path}}
}

// Artifact is what the mesh's store holds under a digest: a result, or what Upload gave.
func Artifact(digest string) *artifactv1.Source {
	reference := &artifactv1.ArtifactReference{Digest: digest}
	return &artifactv1.Source{Source: &artifactv1.Source_Artifact{Artifact: reference}}
}

// Upload brings a file or directory of this machine into the mesh's store and names it for a request. What the store
// holds already, by its digest, is not sent again.
func (c *Client) Upload(ctx context.Context, path string) (*artifactv1.Source, error) {
	a, err := readArtifact(path)
	if err != nil {
		return nil, err
	}
	conn, err := c.Conn(ctx, Coordinator)
	if err != nil {
		return nil, err
	}
	artifacts := artifactv1.NewArtifactServiceClient(conn)
	_, err = artifacts.GetArtifact(ctx, &artifactv1.GetArtifactRequest{Digest: a.digest})
	var missing *Error
	if errors.As(err, &missing) && missing.Code == codes.NotFound {
		err = a.send(ctx, conn)
	}
	if err != nil {
		return nil, err
	}
	return Artifact(a.digest), nil
}

func (a *artifact) send(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	desc := &grpc.StreamDesc{ClientStreams: true}
	method := artifactv1.ArtifactService_UploadArtifact_FullMethodName
	stream, err := conn.NewStream(ctx, desc, method, grpc.ForceCodecV2(frames.Codec{}))
	if err != nil {
		return err
	}
	err = stream.SendMsg(&artifactv1.UploadArtifactRequest{Step: &artifactv1.UploadArtifactRequest_Header{
		Header: &artifactv1.UploadHeader{Digest: a.digest, Kind: a.kind},
	}})
	for i := 0; err == nil && i < len(a.files); i++ {
		err = a.files[i].send(stream)
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err != nil && err != io.EOF {
		return err
	}
	// At the end of the sending, and where the service ended it (io.EOF), the answer says how it went.
	return stream.RecvMsg(&artifactv1.UploadArtifactResponse{})
}

func (f *file) send(stream grpc.ClientStream) error {
	err := stream.SendMsg(&artifactv1.UploadArtifactRequest{
		Step: &artifactv1.UploadArtifactRequest_File{File: f.entry},
	})
	if err != nil {
		return err
	}
	opened, err := os.Open(f.place)
	if err != nil {
		return err
	}
	defer opened.Close()
	// No more than was hashed, should the file have grown; the store refuses one that has shrunk.
	reader := io.LimitReader(opened, f.entry.GetByteSize())
	pool := mem.DefaultBufferPool()
	for {
		buffer := pool.Get(maxChunkBytes)
		length, err := io.ReadFull(reader, *buffer)
		if length > 0 {
			*buffer = (*buffer)[:length]
			if err := stream.SendMsg(&frames.Out{Path: uploadPath, Data: mem.NewBuffer(buffer, pool)}); err != nil {
				return err
			}
		} else {
			pool.Put(buffer)
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
