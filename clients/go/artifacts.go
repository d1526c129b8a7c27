package emloc

import (
	"context"
	"iter"

	artifactv1 "emloc.dev/go/gen/emloc/artifact/v1"
)

// Artifacts gives what the mesh's store holds, by digest; a filter that is not empty lets through what it says, such as
// kind = DIRECTORY AND byte_size > 1000000.
func (c *Client) Artifacts(ctx context.Context, filter string) iter.Seq2[*artifactv1.Artifact, error] {
	return paged(func(token string) ([]*artifactv1.Artifact, string, error) {
		conn, err := c.Conn(ctx, Coordinator)
		if err != nil {
			return nil, "", err
		}
		page, err := artifactv1.NewArtifactServiceClient(conn).
			ListArtifacts(ctx, &artifactv1.ListArtifactsRequest{Filter: filter, PageToken: token})
		return page.GetArtifacts(), page.GetNextPageToken(), err
	})
}
