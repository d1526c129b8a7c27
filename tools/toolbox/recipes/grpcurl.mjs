import { goProgram } from '../go-program.mjs';

export default goProgram({
  module: 'github.com/fullstorydev/grpcurl',
  version: '1.9.3',
  package: 'github.com/fullstorydev/grpcurl/cmd/grpcurl',
  file: 'grpcurl',
});
