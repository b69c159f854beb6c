import type { Answer } from './answer.ts';
import { type Code, statusOf } from './errors.ts';

/** A store does something else than the rule says. `observed` is what, in few words. */
export class Difference extends Error {
  readonly observed: string;
  constructor(message: string, observed: string) {
    super(message);
    this.observed = observed;
  }
}

/** Status, and the code of an error: what a table says of an answer. */
function summary(answer: Answer): string {
  const code = answer.status >= 300 ? answer.code : undefined;
  return code === undefined ? String(answer.status) : `${answer.status} ${code}`;
}

/** The answer has this status, 200 when left out. @returns the answer */
export function ok(answer: Answer, status = 200): Answer {
  if (answer.status !== status)
    throw new Difference(`${answer.what}: ${summary(answer)} in place of ${status} ${answer.message}`, summary(answer));
  return answer;
}

/**
 * The answer is the error that the documentation names: its status, its code; no body with HEAD. (What else an error has, the area of errors says.)
 * @param codes one, or all that the documentation leaves room for
 */
export function refused(answer: Answer, ...codes: readonly Code[]): Answer {
  const statuses = codes.map((code) => statusOf[code]);
  const head = answer.method === 'HEAD';
  const fits = codes.some((code) => answer.status === statusOf[code] && (head || answer.code === code));
  if (!fits)
    throw new Difference(
      `${answer.what}: ${summary(answer)} in place of ${codes.map((code, at) => `${statuses[at]} ${code}`).join(' or ')} ${answer.message}`,
      summary(answer),
    );
  if (head) return same(answer.body.length, 0, 'bytes behind the headers of HEAD', answer);
  return answer;
}

/** Two values are the same, compared as JSON. */
export function same(actual: unknown, expected: unknown, what: string, answer: Answer): Answer {
  const [is, be] = [JSON.stringify(actual) ?? 'undefined', JSON.stringify(expected) ?? 'undefined'];
  if (is !== be)
    throw new Difference(
      `${answer.what}: ${what} is ${is.slice(0, 600)} in place of ${be.slice(0, 600)}`,
      `${what}: ${is.length > 60 ? `${is.slice(0, 60)}…` : is}`,
    );
  return answer;
}

/** A header has this value; undefined: it is not there. */
export function header(answer: Answer, name: string, value: string | RegExp | undefined): Answer {
  const given = answer.headers[name.toLowerCase()] as string | undefined;
  const fits = value instanceof RegExp ? value.test(given ?? '') : given === value;
  if (fits) return answer;
  const observed = given === undefined ? `no ${name}` : `${name}: ${given.slice(0, 60)}`;
  throw new Difference(`${answer.what}: ${observed} in place of ${String(value)}`, observed);
}

/** Elements of the document's root that must be there, each with the form of its text. */
export function shape(answer: Answer, root: string, elements: Readonly<Record<string, string | RegExp>> = {}): Answer {
  same(answer.xml.name, root, 'root element', answer);
  for (const [name, form] of Object.entries(elements)) {
    const text = answer.text(name);
    const fits = text !== undefined && (typeof form === 'string' ? text === form : form.test(text));
    if (fits) continue;
    const observed = text === undefined ? `no ${name}` : `${name}: ${text.slice(0, 60)}`;
    throw new Difference(`${answer.what}: ${observed} in place of ${String(form)}`, observed);
  }
  return answer;
}

/** Says what is wrong in the words of the case. */
export function holds(condition: boolean, problem: string): void {
  if (!condition) throw new Difference(problem, problem);
}
