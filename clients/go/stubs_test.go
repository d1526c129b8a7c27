package emloc_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The stubs are in the repository, as Go modules want it; this finds that proto/ went on without them.
func TestTheStubsAreThoseOfTheContracts(t *testing.T) {
	buf := filepath.Join(repository, "node_modules", ".bin", "buf")
	image, err := exec.Command(buf, "build", filepath.Join(repository, "proto"), "--exclude-source-info", "-o", "-").Output()
	must(t, err)
	var contracts descriptorpb.FileDescriptorSet
	must(t, proto.Unmarshal(image, &contracts))
	compared := 0
	for _, contract := range contracts.GetFile() {
		if !strings.HasPrefix(contract.GetPackage(), "emloc.") {
			continue
		}
		compared++
		generated, err := protoregistry.GlobalFiles.FindFileByPath(contract.GetName())
		if err != nil {
			t.Errorf("%s: %v; run: npx nx run @emloc/go-client:generate", contract.GetName(), err)
			continue
		}
		stub := protodesc.ToFileDescriptorProto(generated)
		stub.Options, contract.Options = nil, nil // Where Go's package is.
		contract.ProtoReflect().SetUnknown(nil)   // What buf adds.
		if !proto.Equal(stub, contract) {
			t.Errorf("%s has changed since its stub was generated; run: npx nx run @emloc/go-client:generate", contract.GetName())
		}
	}
	if compared < 10 {
		t.Errorf("only %d contracts were compared", compared)
	}
}
