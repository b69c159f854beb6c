/* How the texts of conditions become numbers, times and bytes. What is not of the form has no value, and matches nothing. */

const decimal = /^[+-]?\d{1,40}(?:\.\d{1,20})?$/;

/** A decimal number without exponent. */
export function parseNumber(text: string): number | undefined {
  return decimal.test(text) ? Number(text) : undefined;
}

const time = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2}))?)?)?$/;

/**
 * Milliseconds since 1970 of a time in a profile of ISO 8601 (https://www.w3.org/TR/NOTE-datetime) or in seconds since 1970. Four digits
 * are a year.
 */
export function parseTime(text: string): number | undefined {
  if (/^\d{5,15}(?:\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  const parts = time.exec(text);
  if (!parts) return undefined;
  const [year, month, day, hour, minute, second] = parts
    .slice(1, 7)
    .map((part, i) => Number(part ?? (i < 3 ? 1 : 0))) as [number, number, number, number, number, number];
  const fraction = Number(`0.${parts[7] ?? 0}`) * 1000;
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  const read = new Date(at);
  // A day that the month does not have would silently be another day.
  const [readYear, readMonth, readDay] = [read.getUTCFullYear(), read.getUTCMonth(), read.getUTCDate()];
  if (readYear !== year || readMonth !== month - 1 || readDay !== day) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const zone = parts[8];
  if (zone === undefined || zone === 'Z') return at + fraction;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4))];
  if (hours > 23 || minutes > 59) return undefined;
  return at + fraction - (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Bytes in base64, in the one form that is equal for equal bytes. */
export function parseBinary(text: string): string | undefined {
  return base64.test(text) ? Buffer.from(text, 'base64').toString('base64') : undefined;
}

export function parseBoolean(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  return lower === 'true' ? true : lower === 'false' ? false : undefined;
}
