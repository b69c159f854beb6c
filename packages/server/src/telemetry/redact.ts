import { limits } from '../limits.ts';

const hidden = '[hidden]';

/** Names of fields whose values never reach a log. An access key id is no secret: it says who asked. */
const secretNames =
  /^(proxy-)?authorization$|cookie|secret|password|passphrase|credential|signature|token|signing.?key|private.?key|master.?key|wrapped.?key|customer-key($|[^-])|sealed/i;

/** Secrets inside text: what stands behind the first group goes. */
const secretText: readonly RegExp[] = [
  /((?:x-amz-)?(?:signature|security-token)=)[^&\s,"']+/gi,
  /(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}/gi,
  /(\bAWS\s+[^\s:]+:)[A-Za-z0-9+/=]+/g,
  /((?:secret[\w-]*|password|passphrase|customer-key|security-token|authorization)["']?\s*[:=]\s*["']?)(?!AWS4|Bearer|Basic)[^"'\s,;&}]+/gi,
  /(\/\/)[^/\s:@]+:[^/\s@]+(?=@)/g,
];

/** Takes secrets out of text. @param secrets exact values that must not appear, whatever stands around them */
function redactText(text: string, secrets: readonly string[]): string {
  let clean = text.length > limits.logTextChars * 4 ? text.slice(0, limits.logTextChars * 4) : text;
  for (const secret of secrets) if (secret.length > 0) clean = clean.replaceAll(secret, hidden);
  for (const pattern of secretText) clean = clean.replace(pattern, `$1${hidden}`);
  return clean.length > limits.logTextChars ? `${clean.slice(0, limits.logTextChars)}…` : clean;
}

/**
 * A copy of `value` that is fit for a JSON log: secrets hidden, bytes only as their number, errors with their causes, bounded in depth, width
 * and length.
 */
export function redact(value: unknown, secrets: readonly string[], depth = 0): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value, secrets);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return value.toString();
    case 'boolean':
      return value;
    case 'object':
      break;
    default:
      return undefined;
  }
  if (value === null) return null;
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`;
  if (depth >= limits.logDepth) return '…';
  if (Array.isArray(value)) {
    const items = value.slice(0, limits.logItems).map((item) => redact(item, secrets, depth + 1));
    if (value.length > limits.logItems) items.push(`… ${value.length - limits.logItems} more`);
    return items;
  }
  if (value instanceof Error) return redactFields(errorFields(value), secrets, depth);
  if (value instanceof Map) return redactFields(Object.fromEntries(value), secrets, depth);
  return redactFields(value as Record<string, unknown>, secrets, depth);
}

function redactFields(
  value: Readonly<Record<string, unknown>>,
  secrets: readonly string[],
  depth: number,
): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value).slice(0, limits.logItems)) {
    clean[redactText(name, secrets)] =
      secretNames.test(name) && field !== undefined ? hidden : redact(field, secrets, depth + 1);
  }
  return clean;
}

/** Name, message, stack and cause are no own enumerable fields of an error; the others (code, resource, errno…) are. */
const errorFields = (error: Error): Record<string, unknown> => ({
  ...Object.fromEntries(Object.entries(error)),
  name: error.name,
  message: error.message,
  stack: error.stack,
  cause: error.cause,
});
