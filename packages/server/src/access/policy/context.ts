/*
 * What a request knows about itself, asked key by key while a policy is evaluated: most policies ask for few, and some values
 * (the tags of an object) cost a look-up.
 */

export interface RequestContext {
  /**
   * @param key in lower case: `s3:prefix`, `aws:principaltag/team`
   * @returns undefined when the request has no such key; never an empty list
   */
  values(key: string): string | readonly string[] | undefined;
}

/** A context of fixed values, by name in any case. A list without values counts as an absent key. */
export function contextOf(entries: Iterable<readonly [string, string | readonly string[]]>): RequestContext {
  const held = new Map<string, string | readonly string[]>();
  for (const [key, value] of entries)
    if (value.length > 0 || typeof value === 'string') held.set(key.toLowerCase(), value);
  return { values: (key) => held.get(key) };
}
