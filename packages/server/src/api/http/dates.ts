const dayMs = 86_400_000;
const twoDigits: readonly string[] = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, '0'));

/*
 * Both written forms are on hot paths: one date for every read, a thousand for every page of a listing. `toUTCString` and
 * `toISOString` would be the largest single cost there. Most dates of an answer are of one day, so its text is kept.
 */
let lastDay = Number.NaN;
let httpDay = '';
let isoDay = '';

/** Seconds since the beginning of the day, whose texts are then in `httpDay` and `isoDay`. */
function secondOfDay(milliseconds: number): number {
  const day = Math.floor(milliseconds / dayMs);
  if (day !== lastDay) {
    const date = new Date(day * dayMs);
    httpDay = date.toUTCString().slice(0, -12);
    isoDay = date.toISOString().slice(0, -13);
    lastDay = day;
  }
  return Math.floor((milliseconds - day * dayMs) / 1000);
}

function clock(second: number): string {
  return `${twoDigits[Math.floor(second / 3600)]}:${twoDigits[Math.floor(second / 60) % 60]}:${twoDigits[second % 60]}`;
}

/** `Tue, 14 Nov 2023 22:13:20 GMT`: the form of HTTP headers (RFC 9110 §5.6.7). */
export function httpDate(milliseconds: number): string {
  const second = secondOfDay(milliseconds);
  return `${httpDay}${clock(second)} GMT`;
}

/** `2023-11-14T22:13:20.000Z`: the form of S3's XML, which shows whole seconds. */
export function isoDate(milliseconds: number): string {
  const second = secondOfDay(milliseconds);
  return `${isoDay}${clock(second)}.000Z`;
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
/** IMF-fixdate; the weekday is not compared, as elsewhere. */
const imf = /^[a-z]{3,9}, (\d{1,2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) (?:gmt|utc|\+0000)$/i;
/** The obsolete form of RFC 850, with two digits of the year. */
const rfc850 = /^[a-z]{6,9}, (\d{2})-([a-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) gmt$/i;
/** The obsolete form of C's asctime(). */
const asctime = /^[a-z]{3} ([a-z]{3}) ( \d|\d{2}) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/i;
const iso = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})?Z$/;

/** @param month 0 to 11; -1 when its name is not known @param clock hour, minute and second as written */
function moment(year: number, month: number, day: string, clock: readonly (string | undefined)[]): number | undefined {
  const [hour, minute, second] = clock.map(Number) as [number, number, number];
  if (month < 0 || month > 11 || hour > 23 || minute > 59 || second > 60) return undefined;
  const value = Date.UTC(year, month, Number(day), hour, minute, second);
  return new Date(value).getUTCDate() === Number(day) || second === 60 ? value : undefined;
}

const monthNamed = (name: string): number => months.indexOf(name.toLowerCase());

/**
 * Reads the three date forms that RFC 9110 asks for, and ISO 8601, which some S3 clients send.
 * @returns milliseconds since 1970, or undefined when the text is no date
 */
export function parseDate(text: string): number | undefined {
  let found = imf.exec(text);
  if (found) {
    const [, day, month, year, ...clock] = found;
    return moment(Number(year), monthNamed(month!), day!, clock);
  }
  found = iso.exec(text);
  if (found) {
    const [, year, month, day, ...clock] = found;
    return moment(Number(year), Number(month) - 1, day!, clock);
  }
  found = rfc850.exec(text);
  if (found) {
    const [, day, month, short, ...clock] = found;
    // A two-digit year means the one of this century up to 2069, else the last one (RFC 9110 leaves fifty years ahead).
    const year = Number(short) < 70 ? 2000 + Number(short) : 1900 + Number(short);
    return moment(year, monthNamed(month!), day!, clock);
  }
  found = asctime.exec(text);
  if (!found) return undefined;
  const [, month, day, hour, minute, second, year] = found;
  return moment(Number(year), monthNamed(month!), day!, [hour, minute, second]);
}
