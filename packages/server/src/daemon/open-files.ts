import { readFileSync } from 'node:fs';
import { limits } from '../limits.ts';

/*
 * Connections are open files, and so is all that the store has: the log, slabs, indexes, links to other nodes. Where connections have taken all that a
 * process may have, the system drops new ones without a word, and a slab that must be opened cannot be. So they get a share of them, and who comes when that is
 * used up is dealt with as ever: an idle connection gives way, and what is refused is counted.
 */

/** How many files this process may have open. Node has raised it as far as it may when it started. Undefined: as many as it likes, or the system does not say. */
export function openFilesLimit(): number | undefined {
  try {
    return softLimitOf(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param text of `/proc/PID/limits` */
export function softLimitOf(text: string): number | undefined {
  const found = /^Max open files +(\d+)/m.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Connections of one thread: those that are served, and those that were broken off for others and are not closed yet. */
export interface ConnectionShare {
  readonly most: number;
  readonly ending: number;
}

/** @param files as {@link openFilesLimit} says @param serving threads that serve */
export function connectionShare(files: number | undefined, serving: number): ConnectionShare {
  const { connections: most, connectionsEnding: ending } = limits;
  const whole = most + ending;
  const free = files === undefined ? Number.POSITIVE_INFINITY : files - limits.ownFiles;
  const share = Math.floor((free * limits.connectionFilesPercent) / 100 / serving);
  if (share >= whole) return { most, ending };
  const served = Math.max(limits.connectionsLeast, Math.floor((share * most) / whole));
  return { most: served, ending: Math.max(1, share - served) };
}

/** What an operator should know where the limit leaves fewer connections than there could be; undefined where it does not. */
export function fewFilesText(files: number | undefined, serving: number): string | undefined {
  const { most } = connectionShare(files, serving);
  if (files === undefined || most >= limits.connections) return undefined;
  const needed = Math.ceil(
    ((limits.connections + limits.connectionsEnding) * serving * 100) / limits.connectionFilesPercent + limits.ownFiles,
  );
  return `${files} open files are allowed: at most ${most * serving} connections at once have a place, instead of ${limits.connections * serving}. Allow ${needed} or more (LimitNOFILE of systemd, --ulimit nofile of containers, ulimit -Hn of a shell)`;
}
