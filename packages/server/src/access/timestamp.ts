const basic = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;
const httpDate = /^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

/** `yyyyMMddTHHmmssZ`: the form of time in signatures. */
export function formatTimestamp(milliseconds: number): string {
  const date = new Date(milliseconds);
  const day = `${date.getUTCFullYear()}${two(date.getUTCMonth() + 1)}${two(date.getUTCDate())}`;
  return `${day}T${two(date.getUTCHours())}${two(date.getUTCMinutes())}${two(date.getUTCSeconds())}Z`;
}

/** The last text that was parsed: requests of the same second share it. */
let recentText = '';
let recentMs = 0;

/** Milliseconds since 1970, or undefined when the text is not this form or no such moment exists. */
export function parseTimestamp(text: string): number | undefined {
  if (text === recentText && text !== '') return recentMs;
  const part = basic.exec(text);
  if (!part) return undefined;
  const [year, month, day, hour, minute, second] = part.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  if (formatTimestamp(time) !== text) return undefined;
  recentText = text;
  recentMs = time;
  return time;
}

/** The Date header (RFC 9110, section 5.6.7, the preferred form) as a timestamp, or undefined. */
export function timestampOfHttpDate(text: string): string | undefined {
  const part = httpDate.exec(text);
  if (!part) return undefined;
  const [, day, month, year, hour, minute, second] = part as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const timestamp = `${year}${two(months.indexOf(month) + 1)}${day}T${hour}${minute}${second}Z`;
  return parseTimestamp(timestamp) === undefined ? undefined : timestamp;
}
