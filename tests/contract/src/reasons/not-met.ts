/** Reasons of docs/reference/errors.md that no case provokes, and why. A reason is in a case or here, never in both. */

/** Whole sections that do not go over the wire, or only where something is broken that no call can break. */
export const sectionsNotMet: Readonly<Record<string, string>> = {
  'When a service starts': 'they end the start of a service; no call meets them',
  Engine: 'raised by a TensorFlow that is missing or broken, or by a fault of the software',
  'Downloads and imports': 'only the command line downloads and imports',
  'Command line': 'said by the command line about what was typed',
  Clients: 'said by a client itself; the tests of each know which of them it says',
};

/** Why → reasons. */
const why: Readonly<Record<string, readonly string[]>> = {
  'refused at the border already, by another reason: BAD_FIELD': ['OUT_OF_RANGE', 'PAGE_SIZE_INVALID'],
  'refused at the border already, by another reason: BAD_OPTION': ['BAD_BATCH_SIZE'],
  'refused at the border already, by another reason: FIELD_MISSING': ['NO_RATIOS', 'NO_STATISTICS'],
  'refused before by another reason: FILE_NOT_FOUND': ['MODEL_NOT_FOUND'],
  'refused before by another reason: NO_TOKENS, ROW_LENGTH, ROW_TOO_LONG': ['EMPTY_ROW', 'SEQUENCE_TOO_LONG'],
  'refused before by another reason: EMPTY_DATASET, SHARD_EMPTY': ['NO_ROWS', 'NO_SAMPLES'],
  'refused before by another reason: TOKEN_OUT_OF_RANGE, ROW_TOO_LONG; the command line reads files of choices':
    ['BAD_CHOICES'],
  'refused before by another reason: BAD_GRAM': ['NOT_POSITIVE_DEFINITE'],
  'contracts have no other options than their fields': ['UNKNOWN_OPTION'],
  'the services do it in another way: adapters on experts are run one after the other': ['ROUTED_ROWS'],
  'the services write to places of their own': ['OUTPUT_EXISTS'],
  'an operation goes on from its own checkpoint, of the same request': ['CHECKPOINT_MISMATCH'],
  'a file of the store has to be changed behind its back: in jobs.test.ts': ['ARTIFACT_DAMAGED'],
  'a service has to be started with a limit for its operations: in termination.test.ts': [
    'MEMORY_LIMIT_EXCEEDED',
  ],
  'a fault of the software': [
    ...['BAD_KEY', 'NOT_CANONICAL', 'EVENT_TOO_LARGE', 'FRAME_TOO_LARGE', 'INTERNAL', 'OPERATION_LOST'],
    ...['RESULT_MISSING', 'TENSOR_NOT_FOUND'],
  ],
  'a process or a service has to be ended, at a certain moment': [
    ...[
      'CALL_ENDED',
      'CALLER_GONE',
      'FRAME_STREAM_BROKEN',
      'LEASE_LOST',
      'OPERATION_RELEASED',
      'READER_GONE',
    ],
    ...['SERVICE_STOPPING', 'WORKER_CRASHED', 'WORKER_NOT_STARTED'],
  ],
  'a file has to become shorter while it is read, or its disk to fail': [
    ...['FILE_NOT_READABLE', 'FILE_SHRANK', 'MAPPED_FILE_SHRANK'],
  ],
  'a full disk, or too little memory': ['DISK_FULL', 'FILE_NOT_MAPPABLE', 'OUT_OF_MEMORY'],
  'two replicas at work on one operation': ['OPERATION_BUSY'],
  'a call between the wish to stop and its end, which may be a moment': ['JOB_STOPPING'],
  'calibration services that see other files, or break off': [
    ...['CALIBRATION_CUT_SHORT', 'MODEL_MISMATCH', 'SHARDS_DIFFER'],
  ],
  'half a minute of silence': ['STREAM_TOO_SLOW'],
  'a dependency that does not answer': ['CHECK_TOO_SLOW'],
  'said by a client of the services, in TypeScript': ['SERVICE_NOT_READY'],
  'said by a client when its own program cancels: in the tests of each': ['CALL_CANCELLED'],
};

export const reasonsNotMet: ReadonlyMap<string, string> = new Map(
  Object.entries(why).flatMap(([reason, names]) => names.map((name) => [name, reason] as const)),
);
