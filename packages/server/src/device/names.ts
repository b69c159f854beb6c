import { invariant } from '../invariant.ts';

const legal = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** A volume is flat: a name that could reach outside of it, or that an ordinary directory cannot hold, is a mistake of the caller. */
export function checkName(name: string): void {
  invariant(
    legal.test(name),
    `a file of a volume is called by letters, digits, '.', '_' and '-' only, not ${JSON.stringify(name)}`,
  );
}

/** The errors of a volume are system errors: this one says that no space is left (ENOSPC, or EDQUOT of a quota). */
export function isSpaceExhausted(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** True for the error of {@link Volume.open}, rename or remove when the name does not exist, and of any call when the volume itself is gone. */
export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

function errorCode(error: unknown): unknown {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** A system error as the real file system would give it, for the products that are not one. */
export function systemError(code: string, call: string, name: string): Error {
  return Object.assign(new Error(`${code}: ${call} '${name}'`), { code, syscall: call });
}
