/* Answers of the server as commands show them: JSON whose fields may be missing, for a server may be older than its client. */
import { formatSize, printable } from './format.ts';

export type Line = Readonly<Record<string, unknown>>;

export const isLine = (value: unknown): value is Line =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The object in a field; an empty one where there is none. */
export const part = (line: Line, name: string): Line => (isLine(line[name]) ? line[name] : {});

/** The objects of a list; none where it is no list. */
export const list = (value: unknown): readonly Line[] => (Array.isArray(value) ? value.filter(isLine) : []);

/** A value for people; `-` where there is none. */
export const text = (value: unknown): string =>
  value === undefined || value === null ? '-' : printable(String(value));

/** Bytes for people; `-` where there are none. */
export const size = (value: unknown): string => (typeof value === 'number' ? formatSize(value) : '-');

/** As much of an id as tells nodes and devices apart. */
export const short = (value: unknown): string => text(value).slice(0, 8);
