/** The programs that the image can be, by its first argument. */
import { serviceNames } from '@emloc/mesh/services';

const at = (path) => new URL(`../../${path}`, import.meta.url);

export const programs = {
  ...Object.fromEntries(serviceNames.map((name) => [name, at(`services/${name}/src/main.ts`)])),
  migrate: at('services/coordinator/src/migrate-main.ts'),
  check: at('services/coordinator/src/check-main.ts'),
  emloc: at('clients/cli/src/main.ts'),
};
