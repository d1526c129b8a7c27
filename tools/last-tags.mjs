/** The releases that what lies on the disk is compared with: contracts and chart must not break what was released. */
import { spawnSync } from 'node:child_process';

/**
 * The last tag reachable from HEAD and, where that stands on HEAD itself (the tree may have changed since), the one
 * before; of those the ones that hold `path`.
 */
export function lastTags(path, repository) {
  const git = (...args) => spawnSync('git', args, { cwd: repository, encoding: 'utf8' });
  const nearest = (commit) => {
    const { status, stdout } = git('describe', '--tags', '--abbrev=0', commit);
    return status === 0 ? stdout.trim() : undefined;
  };
  const commitOf = (name) => git('rev-parse', '--verify', '--quiet', `${name}^{commit}`).stdout.trim();
  const last = nearest('HEAD');
  if (last === undefined) return [];
  const before = commitOf(last) === commitOf('HEAD') ? nearest('HEAD^') : undefined;
  return [last, before]
    .filter((tag) => tag !== undefined)
    .filter((tag) => git('cat-file', '-e', `${tag}:${path}`).status === 0);
}
