import { goProgram } from '../go-program.mjs';

/** `docker-compose config` reads and checks a compose file as Docker does, and needs no Docker for it. */
export default goProgram({
  module: 'github.com/docker/compose/v5',
  version: '5.6.0',
  package: 'github.com/docker/compose/v5/cmd',
  file: 'docker-compose',
});
