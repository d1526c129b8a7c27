/** grpc-js prints to stderr what it also reports as an error; only the latter is wanted, unless GRPC_VERBOSITY asks. */
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

if (process.env['GRPC_VERBOSITY'] === undefined) setLogVerbosity(logVerbosity.NONE);
