import { goProgram } from '../go-program.mjs';

export default goProgram({
  module: 'github.com/yannh/kubeconform',
  version: '0.8.0',
  package: 'github.com/yannh/kubeconform/cmd/kubeconform',
  file: 'kubeconform',
});
