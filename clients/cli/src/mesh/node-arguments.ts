/** How a Node process of ours is started so that it runs TypeScript as it is. */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

export function nodeArguments(): string[] {
  const tsx = createRequire(import.meta.url).resolve('tsx');
  return ['--import', pathToFileURL(tsx).href];
}
