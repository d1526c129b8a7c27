import { goProgram } from '../go-program.mjs';

export default goProgram({
  module: 'helm.sh/helm/v4',
  version: '4.3.1',
  package: 'helm.sh/helm/v4/cmd/helm',
  file: 'helm',
  ldflags: (version) => ['-X', `helm.sh/helm/v4/internal/version.version=v${version}`],
});
