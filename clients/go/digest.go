package emloc

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	artifactv1 "emloc.dev/go/gen/emloc/artifact/v1"
)

// maxFiles is how many files a directory artifact may have.
const maxFiles = 10_000

// file is a file of an artifact.
type file struct {
	// entry is what the contract says of it.
	entry *artifactv1.FileEntry
	// place is where it lies here.
	place string
	// sum is its SHA-256, in hexadecimal.
	sum string
}

// artifact is a file or a directory of this machine, with the digest that the store knows it by.
type artifact struct {
	kind   artifactv1.ArtifactKind
	digest string
	files  []file
}

// readArtifact hashes a file or a directory. A link to a file counts as the file; other links are refused.
func readArtifact(path string) (*artifact, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errorf(codes.NotFound, "FILE_NOT_FOUND", "path", "%v", err).withMend("check the path")
	}
	a := &artifact{kind: artifactv1.ArtifactKind_ARTIFACT_KIND_FILE}
	if !info.IsDir() {
		a.files = []file{{entry: &artifactv1.FileEntry{Path: filepath.Base(path), ByteSize: info.Size()}, place: path}}
	} else {
		a.kind = artifactv1.ArtifactKind_ARTIFACT_KIND_DIRECTORY
		if a.files, err = filesOf(path); err != nil {
			return nil, err
		}
	}
	for i := range a.files {
		if err := a.files[i].hash(); err != nil {
			return nil, err
		}
	}
	a.digest = digestOf(a.kind, a.files)
	return a, nil
}

func filesOf(root string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := os.Stat(path) // follows links
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return errorf(codes.InvalidArgument, "NOT_A_REGULAR_FILE", "path", "%s is no regular file", path)
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(relative)
		files = append(files, file{entry: &artifactv1.FileEntry{Path: name, ByteSize: info.Size()}, place: path})
		if len(files) > maxFiles {
			return errorf(codes.InvalidArgument, "TOO_MANY_FILES", "path", "%s has more than %d files", root, maxFiles)
		}
		return nil
	})
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.entry.GetPath(), b.entry.GetPath()) })
	return files, err
}

func (f *file) hash() error {
	opened, err := os.Open(f.place)
	if err != nil {
		return err
	}
	defer opened.Close()
	sum := sha256.New()
	length, err := io.Copy(sum, opened)
	if err != nil {
		return err
	}
	f.entry.ByteSize, f.sum = length, hexOf(sum)
	return nil
}

// digestOf is the address of sorted files with their sums: of a file that of its bytes, of a directory that of a list.
func digestOf(kind artifactv1.ArtifactKind, files []file) string {
	if kind == artifactv1.ArtifactKind_ARTIFACT_KIND_FILE {
		return "sha256:" + files[0].sum
	}
	sum := sha256.New()
	fmt.Fprint(sum, "emloc.directory.v1\n")
	for _, f := range files {
		fmt.Fprintf(sum, "%s\x00%d\x00%s\n", f.entry.GetPath(), f.entry.GetByteSize(), f.sum)
	}
	return "sha256:" + hexOf(sum)
}

func hexOf(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }
