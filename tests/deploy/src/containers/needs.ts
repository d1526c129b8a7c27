/** What this machine must have for containers without Docker; a test is skipped, and says why, where it has not. */
import { spawnSync } from 'node:child_process';

const commands = ['bwrap', 'mmdebstrap', 'unshare', 'nsenter', 'setpriv', 'ip', 'tar', 'npm'];

/** Why containers cannot be had here; undefined where they can. */
export function lackingForContainers(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return 'images are assembled on Linux x86-64 only';
  if (process.getuid?.() !== 0) return 'assembling a root file system needs root';
  const missing = commands.filter((command) => spawnSync('which', [command]).status !== 0);
  if (missing.length > 0)
    return `not installed: ${missing.join(', ')} (Debian: bubblewrap, mmdebstrap, iproute2)`;
  const { status, stderr } = spawnSync('unshare', ['--net', 'true'], { encoding: 'utf8' });
  return status === 0 ? undefined : `no network namespaces here: ${stderr.trim()}`;
}
