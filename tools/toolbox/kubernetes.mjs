/** Kubernetes' own programs, of one version. */
import { goProgram } from './go-program.mjs';

const version = '1.36.3';

export function kubernetesProgram(file) {
  return goProgram({
    module: 'k8s.io/kubernetes',
    version,
    package: `k8s.io/kubernetes/cmd/${file}`,
    file,
    ldflags: () => {
      const [major, minor] = version.split('.');
      const set = { gitVersion: `v${version}`, gitMajor: major, gitMinor: minor };
      return Object.entries(set).flatMap(([name, value]) => [
        '-X',
        `k8s.io/component-base/version.${name}=${value}`,
      ]);
    },
  });
}
