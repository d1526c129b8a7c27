/** What the services share: requests read and checked, operations served, processes started. */
export * from './operations/events.ts';
export * from './operations/operation-service.ts';
export * from './operations/to-proto.ts';
export * from './requests/fields.ts';
export * from './requests/filter.ts';
export * from './requests/pages.ts';
export * from './requests/resource-names.ts';
export * from './requests/sources.ts';
export * from './requests/stage-fields.ts';
export * from './service/announce.ts';
export * from './service/call-pieces.ts';
export * from './service/directories.ts';
export * from './service/environment.ts';
export * from './service/start-stage-service.ts';
