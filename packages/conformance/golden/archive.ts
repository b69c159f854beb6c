/*
 * Data directories as one small file: a zstd stream of one line of JSON (files in order of name, each with its mode, size, and the runs of it that
 * are not zero) and then the bytes of those runs. The same directories give the same bytes, and nothing but Node is needed to unpack them.
 */
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';

interface PackedFile {
  readonly name: string;
  readonly mode: number;
  readonly size: number;
  /** Offset and length of each run. */
  readonly runs: readonly (readonly [number, number])[];
}

const blockBytes = 4096;
const level = 19;

/** What a start makes anew, and a machine has for itself. */
const isLeftOut = (name: string): boolean => /(^|\/)(ballast|lock\.mdb|pid)$/.test(name);

function filesBelow(folder: string, below = ''): string[] {
  return readdirSync(path.join(folder, below), { withFileTypes: true })
    .flatMap((entry) => {
      const name = path.posix.join(below, entry.name);
      if (entry.isDirectory()) return filesBelow(folder, name);
      return entry.isFile() && !isLeftOut(name) ? [name] : [];
    })
    .sort();
}

function runsOf(bytes: Buffer): (readonly [number, number])[] {
  const runs: (readonly [number, number])[] = [];
  const zeros = Buffer.alloc(blockBytes);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const end = Math.min(at + blockBytes, bytes.length);
    if (bytes.subarray(at, end).equals(zeros.subarray(0, end - at))) continue;
    const last = runs.at(-1);
    if (last && last[0] + last[1] === at) runs[runs.length - 1] = [last[0], end - last[0]];
    else runs.push([at, end - at]);
  }
  return runs;
}

/** Everything in `folder`, as a file is to hold it. */
export function packFolder(folder: string): Buffer {
  const files: PackedFile[] = [];
  const pieces: Buffer[] = [];
  for (const name of filesBelow(folder)) {
    const full = path.join(folder, name);
    const bytes = readFileSync(full);
    const runs = runsOf(bytes);
    files.push({ name, mode: statSync(full).mode & 0o777, size: bytes.length, runs });
    for (const [at, length] of runs) pieces.push(bytes.subarray(at, at + length));
  }
  const whole = Buffer.concat([Buffer.from(`${JSON.stringify(files)}\n`), ...pieces]);
  return zstdCompressSync(whole, { params: { [constants.ZSTD_c_compressionLevel]: level } });
}

/** Writes what was packed into `folder`, with holes where there were zeros. */
export function unpackFolder(packed: Uint8Array, folder: string): void {
  const whole = zstdDecompressSync(packed);
  const end = whole.indexOf(0x0a);
  let at = end + 1;
  for (const { name, mode, size, runs } of JSON.parse(whole.toString('utf8', 0, end)) as PackedFile[]) {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    const fd = openSync(file, 'wx');
    try {
      for (const [offset, length] of runs) {
        writeSync(fd, whole, at, length, offset);
        at += length;
      }
      ftruncateSync(fd, size);
    } finally {
      closeSync(fd);
    }
    chmodSync(file, mode);
  }
}
