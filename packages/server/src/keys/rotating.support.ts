import type { Keyring } from './index.ts';

/** All steps of a rotation at once, as on a machine that is alone and has one thread. */
export async function rotated(keyring: Keyring): Promise<void> {
  const key = await keyring.prepare();
  await keyring.take(key);
  await keyring.activate(key.number);
}
