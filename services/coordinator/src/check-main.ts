/** Looks whether every service of a mesh is reached under its address and says that it serves; fails with those that do not. */
import { EmlocError } from '@emloc/errors';
import {
  connect,
  createLogger,
  loadConfig,
  serviceContracts,
  serviceNames,
  type ServiceName,
} from '@emloc/mesh';

const withinMs = 60_000;

const { addresses, tls, log } = loadConfig();
const logger = createLogger({ name: 'check', ...log });

const failures = await Promise.all(serviceNames.map(check));
process.exitCode = failures.some((error) => error !== undefined) ? 1 : 0;

async function check(name: ServiceName): Promise<EmlocError | undefined> {
  const connection = connect({
    address: addresses[name],
    package: `emloc.${name}.v1`,
    service: serviceContracts[name],
    tls,
  });
  try {
    await connection.ready(withinMs);
    logger.info({ service: name, address: addresses[name] }, 'serves');
    return undefined;
  } catch (thrown) {
    const error = EmlocError.from(thrown);
    logger.error({ service: name, address: addresses[name] }, error.describe());
    return error;
  } finally {
    connection.close();
  }
}
