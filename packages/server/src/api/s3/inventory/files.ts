import { promisify } from 'node:util';
import type { Column, Value } from './row.ts';

/* The rows of an inventory as bytes of a file: CSV, compressed by gzip, or Parquet. */

const gzip = promisify(process.getBuiltinModule('node:zlib').gzip);

const plain = /[A-Za-z0-9\-._~/*]/;

/** Keys in CSV are URL-encoded. */
function encodedKey(key: string): string {
  let out = '';
  for (const byte of Buffer.from(key, 'utf8')) {
    const character = String.fromCharCode(byte);
    out += plain.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

function cell(value: Value, { name }: Column): string {
  if (value === undefined) return '""';
  const text = value instanceof Date ? value.toISOString() : String(value);
  return `"${(name === 'Key' ? encodedKey(text) : text).replaceAll('"', '""')}"`;
}

/** Rows as one member of a gzip file; members behind each other are one file. */
export function csvMember(columns: readonly Column[], rows: readonly (readonly Value[])[]): Promise<Buffer> {
  const text = rows.map((row) => `${row.map((value, at) => cell(value, columns[at] as Column)).join(',')}\n`).join('');
  return gzip(Buffer.from(text, 'utf8'));
}

/** What this uses of hyparquet-writer (https://github.com/hyparam/hyparquet-writer). */
interface ParquetWriter {
  parquetWriteBuffer(options: {
    readonly columnData: readonly {
      readonly name: string;
      readonly data: readonly unknown[];
      readonly type: string;
      readonly nullable: boolean;
    }[];
    readonly rowGroupSize: number;
    readonly createdBy: string;
  }): ArrayBuffer;
}

/** Loaded for the first inventory that is written so: no store pays for it that has none. */
const writerPackage = 'hyparquet-writer';

async function parquetWriter(): Promise<ParquetWriter> {
  try {
    return (await import(writerPackage)) as ParquetWriter;
  } catch (cause) {
    throw new Error(`the package ${writerPackage} is not installed: run npm install in the directory of the server`, {
      cause,
    });
  }
}

/** A whole file. */
export async function parquetFile(columns: readonly Column[], rows: readonly (readonly Value[])[]): Promise<Buffer> {
  const { parquetWriteBuffer } = await parquetWriter();
  const columnData = columns.map(({ snake, type, required }, at) => ({
    name: snake,
    type,
    nullable: !required,
    data: rows.map((row) => {
      const value = row[at];
      if (value === undefined) return null;
      return type === 'INT64' ? BigInt(value as number) : value;
    }),
  }));
  return Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 10_000, createdBy: 'DSOM' }));
}

const parquetTypes = {
  STRING: (name: string) => `binary ${name} (UTF8)`,
  BOOLEAN: (name: string) => `boolean ${name}`,
  INT64: (name: string) => `int64 ${name}`,
  TIMESTAMP: (name: string) => `int64 ${name} (TIMESTAMP_MILLIS)`,
} as const;

/** `fileSchema` of a manifest. */
export const fileSchema = (format: 'CSV' | 'Parquet', columns: readonly Column[]): string =>
  format === 'CSV'
    ? columns.map(({ name }) => name).join(', ')
    : `message s3.inventory { ${columns.map(({ snake, type, required }) => `${required ? 'required' : 'optional'} ${parquetTypes[type](snake)};`).join(' ')} }`;
