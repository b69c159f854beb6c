import type { Policy, Redundancy } from '@dsom/sdk';
import { UsageError } from './exit.ts';

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `1.5 MiB`: three significant digits. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(value >= 10 ? 1 : 2)} ${units[unit]}`;
}

/** Bytes of `10`, `10k`, `10MiB`, `1.5g`. Units are powers of 1,024. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?$/i.exec(text.trim());
  if (!match) throw new UsageError(`"${text}" is not a size: write it like 64MiB`);
  return Math.floor(Number(match[1]) * 1024 ** ['', 'k', 'm', 'g', 't', 'p'].indexOf(match[2]!.toLowerCase()));
}

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds of `90`, `90s`, `15m`, `1h30m`, `7d`. */
export function parseDuration(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([smhdw])/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text)
    throw new UsageError(`"${text}" is not a duration: write it like 90s, 15m, 1h30m or 7d`);
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * secondsOf[unit!]!, 0);
}

/** A whole number from `min` on. */
export function parseCount(text: string, min = 1): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < min)
    throw new UsageError(`"${text}" is not a whole number from ${min} on`);
  return value;
}

/** Local time to the second, as `ls` gives it. */
export function formatTime(time: Date | undefined): string {
  if (!time) return '-'.padEnd(19);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** Rows as aligned columns, two spaces apart. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

/** `name=value`, as in --metadata and --tag. */
export function parsePair(text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`"${text}" is not a pair: write it like name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

// Names come from whoever may write to a bucket: on a terminal they must not move the cursor or change colours.
const control = /\p{Cc}/gu;

/** A name as it may be shown: control characters become their escapes. */
export function printable(name: string): string {
  return name.replace(control, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** `3` copies, `8+3` data and parity fragments, or hot, cold and idle time as `2/8+3/7d`. */
export function parsePolicy(text: string): Policy {
  const [hot = '', cold, afterIdle, more] = text.split('/').map((part) => part.trim());
  if (cold === undefined) return parseRedundancy(text);
  if (afterIdle === undefined || more !== undefined || !/^[0-9]{1,6}(ms|s|m|h|d|w)$/.test(afterIdle))
    throw new UsageError(`"${text}" is not a redundancy: write it like 3, 8+3, or 2/8+3/7d`);
  return { hot: parseRedundancy(hot), cold: parseRedundancy(cold), afterIdle };
}

function parseRedundancy(given: string): Redundancy {
  const text = given.trim().replace(/^copies\s*=\s*/, '');
  const code = /^(\d+)\+(\d+)$/.exec(text.trim());
  return code ? { data: Number(code[1]), parity: Number(code[2]) } : { copies: parseCount(text) };
}

export function formatRedundancy(redundancy: Policy | undefined): string {
  if (!redundancy) return 'as many copies as the layout gives';
  if ('hot' in redundancy)
    return `${formatRedundancy(redundancy.hot)}; after ${redundancy.afterIdle} without use ${formatRedundancy(redundancy.cold)}`;
  if ('copies' in redundancy) return `${redundancy.copies} ${redundancy.copies === 1 ? 'copy' : 'copies'}`;
  return `${redundancy.data}+${redundancy.parity}: ${redundancy.data} data and ${redundancy.parity} parity fragments`;
}
