import { goProgram } from '../go-program.mjs';

export default goProgram({
  module: 'sigs.k8s.io/kustomize/kustomize/v5',
  version: '5.8.1',
  file: 'kustomize',
});
