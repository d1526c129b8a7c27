export { cachedRepositories, cachedSnapshot, repositoryOfSnapshot } from './cache.ts';
export type { HubFile } from './download-file.ts';
export { pushFiles, type Pushed, type PushedFile, type PushOptions } from './push.ts';
export { isCommit, parseHubReference, referenceText, type HubReference } from './reference.ts';
export { hubSettings, type HubSettings } from './settings.ts';
export { fetchFiles, openRevision, rememberRevision, type HubOptions, type HubRevision } from './snapshot.ts';
