/** A command as the root of its trace, where telemetry is configured; where it is not, nothing of it is loaded. */

const variables = /^(OTEL_.*|EMLOC_TRACE_FILE)$/;

/** `name`: such as `finetune` or `jobs resume`. A TRACEPARENT in the environment is continued: a pipeline has one trace. */
export async function traced<T>(
  name: string,
  environment: NodeJS.ProcessEnv,
  work: () => Promise<T>,
): Promise<T> {
  // A mesh that stays is no piece of work: it has the traces of those who use it.
  if (name === 'up') return work();
  if (!Object.keys(environment).some((key) => variables.test(key) && environment[key])) return work();
  const { runWithTraceparent, startTelemetry, withSpan } = await import('@emloc/mesh/telemetry');
  const telemetry = await startTelemetry({ service: 'emloc-cli', env: environment, metrics: false });
  try {
    return await runWithTraceparent(environment['TRACEPARENT'], () => withSpan(`emloc ${name}`, {}, work));
  } finally {
    await telemetry.shutdown();
  }
}
