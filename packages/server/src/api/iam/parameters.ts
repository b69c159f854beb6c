import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';

/*
 * Parameters of the query protocol: a form, in which lists and structures are written as `Tags.member.1.Key=…`.
 * https://docs.aws.amazon.com/IAM/latest/APIReference/welcome.html
 */

export const invalid = (message: string): StoreError => new StoreError('ValidationError', { message });

/** How AWS words what does not fit a parameter. */
const constraint = (name: string, value: string | undefined, what: string): StoreError => {
  const shown = value === undefined ? 'null' : `'${value.slice(0, 128)}'`;
  const field = `${name[0]?.toLowerCase()}${name.slice(1)}`;
  return invalid(
    `1 validation error detected: Value ${shown} at '${field}' failed to satisfy constraint: Member must ${what}`,
  );
};

/** What a text may be. */
export interface TextRule {
  readonly min?: number;
  readonly max: number;
  readonly form?: RegExp;
}

const nameForm = /^[\w+=,.@-]+$/;
export const rules = {
  userName: { max: limits.userNameChars, form: nameForm },
  groupName: { max: limits.groupNameChars, form: nameForm },
  roleName: { max: limits.userNameChars, form: nameForm },
  policyName: { max: limits.groupNameChars, form: nameForm },
  path: { max: limits.identityPathChars, form: /^(?:\/|\/[\x21-\x7e]+\/)$/ },
  pathPrefix: { max: limits.identityPathChars, form: /^\/[\x21-\x7e]*$/ },
  arn: { min: 20, max: 2048 },
  description: { min: 0, max: limits.descriptionChars },
  document: { max: 131_072 },
  accessKeyId: { min: 3, max: 128, form: /^[\w-]+$/ },
  sessionName: { min: 2, max: 64, form: nameForm },
} as const satisfies Record<string, TextRule>;

export class Parameters {
  readonly #all = new Map<string, string>();

  /** @throws StoreError ValidationError at a parameter that comes twice, or too many; MalformedQueryString at what is no form */
  constructor(body: string) {
    for (const piece of body.split('&')) {
      if (piece === '') continue;
      const equals = piece.indexOf('=');
      const [name, value] = (equals < 0 ? [piece, ''] : [piece.slice(0, equals), piece.slice(equals + 1)]).map(
        (text) => {
          try {
            return decodeURIComponent(text.replaceAll('+', ' '));
          } catch {
            throw new StoreError('MalformedQueryString', {
              message: 'The body is no form: percent-encode its names and values as UTF-8.',
            });
          }
        },
      ) as [string, string];
      if (this.#all.has(name))
        throw invalid(`The parameter ${name.slice(0, 128)} is given more than once: give it once.`);
      this.#all.set(name, value);
      if (this.#all.size > limits.identityParameters)
        throw invalid(`The request has more than ${limits.identityParameters} parameters: send fewer at a time.`);
    }
  }

  /** As it was given, unchecked. */
  raw(name: string): string | undefined {
    return this.#all.get(name);
  }

  optional(name: string, rule: TextRule): string | undefined {
    const value = this.#all.get(name);
    if (value === undefined) return undefined;
    const least = rule.min ?? 1;
    if (value.length < least) throw constraint(name, value, `have length greater than or equal to ${least}`);
    if (value.length > rule.max) throw constraint(name, value, `have length less than or equal to ${rule.max}`);
    if (rule.form && !rule.form.test(value))
      throw constraint(name, value, `satisfy regular expression pattern: ${rule.form.source.replace(/^\^|\$$/g, '')}`);
    return value;
  }

  required(name: string, rule: TextRule): string {
    const value = this.optional(name, rule);
    if (value === undefined) throw constraint(name, undefined, 'not be null');
    return value;
  }

  choice<Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const value = this.#all.get(name);
    if (value === undefined) return undefined;
    if (!(values as readonly string[]).includes(value))
      throw constraint(name, value, `satisfy enum value set: [${values.join(', ')}]`);
    return value as Value;
  }

  number(name: string, least: number, most: number): number | undefined {
    const value = this.#all.get(name);
    if (value === undefined) return undefined;
    if (!/^-?\d{1,12}$/.test(value)) throw constraint(name, value, 'be a whole number');
    if (Number(value) < least) throw constraint(name, value, `have value greater than or equal to ${least}`);
    if (Number(value) > most) throw constraint(name, value, `have value less than or equal to ${most}`);
    return Number(value);
  }

  /** `NAME.member.1`, `NAME.member.2` …, as far as they go without a gap. */
  list(name: string, most: number): string[] {
    const found: string[] = [];
    for (let at = 1; ; at++) {
      const value = this.#all.get(`${name}.member.${at}`);
      if (value === undefined) return found;
      if (at > most) throw constraint(name, `[${most + 1} members]`, `have length less than or equal to ${most}`);
      found.push(value);
    }
  }

  /** Keys of tags, one at least. @throws StoreError ValidationError */
  tagKeys(): string[] {
    const keys = this.list('TagKeys', limits.identityTags);
    if (keys.length === 0) throw constraint('TagKeys', undefined, 'not be null');
    for (const [at, key] of keys.entries()) checkTag(`tagKeys.${at + 1}.member`, key, 1, limits.tagKeyChars);
    return keys;
  }

  /** {@link tags}, one at least. @throws StoreError ValidationError */
  someTags(): [string, string][] {
    const tags = this.tags();
    if (tags.length === 0) throw constraint('Tags', undefined, 'not be null');
    return tags;
  }

  /** `NAME.member.1.FIELD` … for each of the fields. */
  structures<Field extends string>(
    name: string,
    fields: readonly Field[],
    most: number,
  ): Partial<Record<Field, string>>[] {
    const found: Partial<Record<Field, string>>[] = [];
    for (let at = 1; ; at++) {
      const given: Partial<Record<Field, string>> = {};
      for (const field of fields) {
        const value = this.#all.get(`${name}.member.${at}.${field}`);
        if (value !== undefined) given[field] = value;
      }
      if (Object.keys(given).length === 0) return found;
      if (at > most) throw constraint(name, `[${most + 1} members]`, `have length less than or equal to ${most}`);
      found.push(given);
    }
  }

  /** Keys are unique whatever their case. @throws StoreError ValidationError */
  tags(name = 'Tags'): [string, string][] {
    const seen = new Set<string>();
    return this.structures(name, ['Key', 'Value'], limits.identityTags).map(({ Key, Value = '' }, at) => {
      const place = `${name}.${at + 1}.member`;
      checkTag(`${place}.key`, Key, 1, limits.tagKeyChars);
      checkTag(`${place}.value`, Value, 0, limits.tagValueChars);
      const key = Key as string;
      if (seen.has(key.toLowerCase()))
        throw new StoreError('InvalidInput', {
          message: 'Duplicate tag keys found. Please note that Tag keys are case insensitive.',
        });
      seen.add(key.toLowerCase());
      return [key, Value];
    });
  }
}

const tagForm = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;

function checkTag(place: string, text: string | undefined, least: number, most: number): void {
  if (text === undefined || text.length < least)
    throw constraint(place, text, `have length greater than or equal to ${least}`);
  if (text.length > most) throw constraint(place, text, `have length less than or equal to ${most}`);
  if (!tagForm.test(text)) throw constraint(place, text, `satisfy regular expression pattern: ${tagForm.source}`);
}
