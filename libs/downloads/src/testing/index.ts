/** For tests of other packages, too. */
export * from './hub-server/hub-server.ts';
export * from './hub-server/repository.ts';
