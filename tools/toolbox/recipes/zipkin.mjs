/** Zipkin's server, of Maven's central repository: `java -jar` runs it. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';

const version = '3.5.1';

export default {
  version,
  file: 'zipkin.jar',
  needs: ['java', 'mvn'],
  make: async ({ directory, run }) => {
    const artifact = `io.zipkin:zipkin-server:${version}:jar:exec`;
    const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy';
    await run('mvn', ['-q', '-B', goal, `-Dartifact=${artifact}`, `-DoutputDirectory=${directory}`]);
    renameSync(join(directory, `zipkin-server-${version}-exec.jar`), join(directory, 'zipkin.jar'));
  },
};
