import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../config.ts';

/*
 * What a node of a cluster keeps for itself, in `cluster/node` of its primary data directory (docs/formats/directory.md). Whether a directory has it
 * decides whether `dsom server --data DIR` starts a node of a cluster or a store of its own.
 */

const schema = z.strictObject({
  format: z.literal(1),
  cluster: z.string(),
  /** UUID of this node. */
  node: z.uuid(),
  store: z.uuid(),
  /** Whether it runs a member of etcd. */
  member: z.boolean(),
  /** Client addresses of etcd that were last known. */
  endpoints: z.array(z.string()),
  /** The node that let this one in; null for the one that began the cluster. */
  by: z.object({ node: z.uuid(), address: z.string() }).nullable(),
});

export type NodeFile = z.output<typeof schema>;

const nodeName = 'node';

/** Undefined: the directory is of no cluster. */
export function readNodeFile(folder: string): NodeFile | undefined {
  const file = path.join(folder, nodeName);
  if (!existsSync(file)) return undefined;
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    throw new ConfigError(
      `${file} cannot be read: restore it from a backup, or let this node join the cluster anew with an empty directory`,
      {
        cause,
      },
    );
  }
}

export const writeNodeFile = (folder: string, content: NodeFile): void =>
  writeWhole(folder, nodeName, `${JSON.stringify(content, undefined, 2)}\n`);

const addressName = 'address';

/** Where the other nodes reach this one since its last start; undefined: it is not known. */
export function readAddress(folder: string): string | undefined {
  const file = path.join(folder, addressName);
  return existsSync(file) ? readWhole(folder, addressName).toString('utf8').trim() : undefined;
}

export function writeAddress(folder: string, address: string): void {
  if (readAddress(folder) !== address) writeWhole(folder, addressName, `${address}\n`);
}

/** The cluster's certificate authority, sealed under the master key. */
const authorityName = 'authority.sealed';

export const readAuthority = (folder: string): Buffer => readWhole(folder, authorityName);
export const writeAuthority = (folder: string, sealed: Uint8Array): void => writeWhole(folder, authorityName, sealed);

function readWhole(folder: string, name: string): Buffer {
  const file = path.join(folder, name);
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new ConfigError(
      `${file} cannot be read: ${(cause as Error).message}. Restore it from a backup, or let this node join the cluster anew with an empty directory`,
      { cause },
    );
  }
}

/** Replaces a file whole; durable when it returns. */
export function writeWhole(folder: string, name: string, content: string | Uint8Array): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, name);
  const fd = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeFileSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${file}.new`, file);
  const directory = openSync(folder, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
