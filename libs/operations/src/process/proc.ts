/** What Linux tells of a process in /proc; elsewhere nothing is known and nothing is guessed. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface Memory {
  readonly peakRssBytes: number;
  readonly rssAnonBytes: number;
}

/** undefined where there is no such process, or no /proc. */
export function memoryOf(pid: number | 'self'): Memory | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'latin1');
    const kilobytes = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
    return {
      peakRssBytes: kilobytes('VmHWM') * 1024,
      rssAnonBytes: (kilobytes('RssAnon') + kilobytes('RssShmem')) * 1024,
    };
  } catch {
    return undefined;
  }
}

/** In clock ticks since boot, as text: with the process id it names a process for good. undefined: there is none. */
export function startTimeOf(pid: number): string | undefined {
  try {
    // The command in parentheses may hold anything; fields count from behind it.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie waits for a parent that may never look; it does nothing any more.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return process.platform === 'linux' ? undefined : aliveElsewhere(pid);
  }
}

function aliveElsewhere(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch {
    return undefined;
  }
}

/** Host name and process-id namespace: containers may share the one, never both. */
export function machine(): string {
  try {
    return `${hostname()}/${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
