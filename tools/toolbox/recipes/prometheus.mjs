/** Prometheus and its promtool, of Debian's package, unpacked and not installed: no root is needed. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Debian's, of the release that this machine has: a distribution keeps one version. */
const version = 'debian';

export default {
  version,
  file: 'usr/bin/prometheus',
  needs: ['apt-get', 'dpkg-deb'],
  make: async ({ directory, run, say }) => {
    await run('apt-get', ['download', 'prometheus']).catch(async () => {
      say('the lists of packages are old or missing: apt-get update');
      await run('apt-get', ['update']);
      await run('apt-get', ['download', 'prometheus']);
    });
    const archive = readdirSync(directory).find((name) => name.endsWith('.deb'));
    await run('dpkg-deb', ['--extract', archive, '.']);
    rmSync(join(directory, archive));
    for (const name of ['etc', 'lib', 'usr/share', 'var']) {
      rmSync(join(directory, name), { recursive: true, force: true });
    }
  },
};
