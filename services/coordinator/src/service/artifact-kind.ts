/** emloc.artifact.v1.ArtifactKind and the store's own words. */
export const artifactKinds = { ARTIFACT_KIND_FILE: 'file', ARTIFACT_KIND_DIRECTORY: 'directory' } as const;
export type Kind = (typeof artifactKinds)[keyof typeof artifactKinds];

export const toProtoKind = (kind: Kind): keyof typeof artifactKinds =>
  kind === 'file' ? 'ARTIFACT_KIND_FILE' : 'ARTIFACT_KIND_DIRECTORY';
