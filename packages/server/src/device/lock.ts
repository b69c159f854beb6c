import type { Host } from '../host/index.ts';
import type { Processes, ProcessIdentity } from './file/processes.ts';
import { isMissing } from './names.ts';
import { DeviceRefused } from './refused.ts';
import type { Volume } from './types.ts';

const lockName = 'lock';
const maximumBytes = 4096;

/** The lock, or the draft of one that a crash left behind. */
export function isLockFile(name: string): boolean {
  return name === lockName || name.startsWith(`${lockName}.`);
}

interface Lock extends ProcessIdentity {
  /** Tells two takers of the same process apart. */
  readonly nonce: string;
}

/** Nothing where there is no lock, or one that a crash cut off. */
async function readLock(volume: Volume): Promise<Lock | undefined> {
  let text: string;
  try {
    const file = await volume.open(lockName, 'read');
    try {
      const bytes = Buffer.alloc(maximumBytes);
      text = bytes.toString('utf8', 0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const lock = JSON.parse(text) as Partial<Lock> | null;
    const { pid, started, boot, space, nonce } = lock ?? {};
    if (!Number.isInteger(pid) || [started, boot, space, nonce].some((field) => typeof field !== 'string'))
      return undefined;
    return lock as Lock;
  } catch {
    return undefined;
  }
}

/**
 * Takes the volume for this process: a file that names the process which has it. A process that was killed leaves the file behind;
 * it is then replaced, because nobody with that number, start time and boot runs any more. (Node has no advisory file locks.)
 * @returns lets go of it; does nothing when the lock is no longer ours
 * @throws DeviceRefused 'busy'
 */
export async function takeLock(volume: Volume, host: Host, processes: Processes): Promise<() => Promise<void>> {
  const refuse = (holder: Lock): never => {
    throw new DeviceRefused(
      'busy',
      `This device is in use by process ${holder.pid}. Stop that process first; if you are sure that it does not use this directory, remove the file "${lockName}".`,
    );
  };
  const before = await readLock(volume);
  if (before && processes.alive(before)) refuse(before);

  for (const name of await volume.list()) if (isLockFile(name) && name !== lockName) await volume.remove(name);

  const nonce = host.entropy.bytes(8).toString('hex');
  const draft = `${lockName}.${nonce}`;
  const file = await volume.open(draft, 'create');
  try {
    await file.write([Buffer.from(JSON.stringify({ format: 1, ...processes.self, nonce }))], 0);
  } finally {
    await file.close();
  }
  await volume.rename(draft, lockName);
  await volume.syncDirectory();
  // Of two that started at the same moment, the later rename wins.
  const now = await readLock(volume);
  if (now && now.nonce !== nonce) refuse(now);

  return async () => {
    if ((await readLock(volume))?.nonce === nonce) await volume.remove(lockName);
  };
}
