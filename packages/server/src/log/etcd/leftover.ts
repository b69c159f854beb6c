import { execFile } from 'node:child_process';
import * as fs from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Host } from '../../host/index.ts';
import { limits } from '../../limits.ts';

/*
 * A program that is killed leaves its member of etcd running, which has the ports and the directory. The next run ends it and starts its own:
 * one that was taken over could not be supervised, and may trust certificates of yesterday.
 *
 * It is known by the directory that it was given, never by a number alone: who was killed may not have written that down yet, and a number
 * goes to whoever comes next. Linux tells it by itself; minimal images have no `ps`.
 */

const processes = '/proc';

/** @param command of a process, with its arguments */
const worksOn = (command: readonly string[], data: string): boolean =>
  command.some((one, at) => one === data && command[at - 1] === '--data-dir');

/** The processes that work on a directory, where the system tells it as files; undefined where it does not. */
async function listed(data: string): Promise<readonly number[] | undefined> {
  const names = await fs.readdir(processes).catch(() => []);
  const numbers = names.filter((name) => /^\d+$/.test(name));
  if (numbers.length === 0) return undefined;
  const found: number[] = [];
  for (const number of numbers) {
    const command = await fs.readFile(path.join(processes, number, 'cmdline'), 'utf8').catch(() => '');
    if (worksOn(command.split('\0'), data)) found.push(Number(number));
  }
  return found;
}

/** The process whose number an earlier run wrote down, if it still works on the directory. */
async function written(pidFile: string, data: string): Promise<readonly number[]> {
  const pid = Number(await fs.readFile(pidFile, 'utf8').catch(() => ''));
  if (!Number.isSafeInteger(pid) || pid <= 1) return [];
  const { stdout } = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }));
  return stdout.includes(`--data-dir ${data}`) ? [pid] : [];
}

/**
 * Ends the members that earlier runs of this program left behind on a directory, and waits for their end.
 * @param data absolute, as they were given it
 * @param report told in words of each
 */
export async function endLeftovers(
  data: string,
  pidFile: string,
  host: Host,
  report: (message: string) => void,
): Promise<void> {
  const told = new Set<number>();
  const end = host.clock.monotonic() + limits.etcdStopMs;
  for (let signal: NodeJS.Signals = 'SIGTERM'; ; ) {
    const left = (await listed(data)) ?? (await written(pidFile, data));
    if (left.length === 0) return;
    for (const pid of left) {
      if (!told.has(pid))
        report(
          `an etcd member that an earlier run of this node left behind (process ${pid}) is ended, and started again`,
        );
      told.add(pid);
      try {
        process.kill(pid, signal);
      } catch (cause) {
        // What belongs to another user says by itself that it has the ports.
        if ((cause as NodeJS.ErrnoException).code === 'EPERM') return;
      }
    }
    await host.timers.sleep(limits.etcdRestartMs);
    if (host.clock.monotonic() > end) signal = 'SIGKILL';
  }
}
