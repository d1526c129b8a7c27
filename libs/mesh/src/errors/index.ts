export { errorDomain, toStatusMessage, type StatusMessage } from './to-status.ts';
export { fromStatusMessage } from './from-status.ts';
