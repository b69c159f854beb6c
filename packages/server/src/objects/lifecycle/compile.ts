import type { Lifecycle, LifecycleRule } from './rules.ts';

/*
 * Rules made quick to ask: a pass asks for every version of a bucket. The rules whose prefix a key has are found by one binary search among the different
 * prefixes, whatever their number: those that a key has are one chain, each a prefix of the next.
 */

/** What is to be asked for keys below one prefix. */
export interface RuleSet {
  readonly rules: readonly LifecycleRule[];
  /** Rules of each kind, so that what no rule says costs nothing. */
  readonly expirations: readonly LifecycleRule[];
  readonly markers: readonly LifecycleRule[];
  readonly transitions: readonly LifecycleRule[];
  readonly noncurrent: readonly LifecycleRule[];
  readonly aborts: readonly LifecycleRule[];
}

interface Node extends RuleSet {
  readonly prefix: Buffer;
  /** The longest other prefix that is a prefix of this one. */
  readonly parent: Node | undefined;
}

export interface CompiledLifecycle {
  readonly lifecycle: Lifecycle;
  /** Rules that are enabled and whose prefix the key has; undefined: none. */
  at(key: Buffer): RuleSet | undefined;
  /** Whether any enabled rule is about versions, or uploads. */
  readonly ofVersions: boolean;
  readonly ofUploads: boolean;
}

const hasPrefix = (key: Buffer, prefix: Buffer): boolean =>
  key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;

const ofVersions = (rule: LifecycleRule): boolean =>
  (rule.expiration !== undefined && rule.expiration !== 'none') ||
  rule.transitions.length > 0 ||
  rule.noncurrentExpiration !== undefined ||
  rule.noncurrentTransitions.length > 0;

/** Objects that a marker can be among: it has neither tags nor a size. */
export const isOfMarkers = ({ filter }: LifecycleRule): boolean =>
  filter.tags.length === 0 && filter.sizeAbove === undefined && filter.sizeBelow === undefined;

/** @param order of the rules in the configuration: where nothing else decides, the first one counts */
function nodeOf(
  prefix: Buffer,
  parent: Node | undefined,
  own: readonly LifecycleRule[],
  order: ReadonlyMap<LifecycleRule, number>,
): Node {
  const rules = [...(parent?.rules ?? []), ...own].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
  return {
    prefix,
    parent,
    rules,
    expirations: rules.filter(({ expiration }) => typeof expiration === 'object'),
    markers: rules.filter((rule) => rule.expiration !== undefined && rule.expiration !== 'none' && isOfMarkers(rule)),
    transitions: rules.filter(({ transitions }) => transitions.length > 0),
    noncurrent: rules.filter(
      ({ noncurrentExpiration, noncurrentTransitions }) =>
        noncurrentExpiration !== undefined || noncurrentTransitions.length > 0,
    ),
    aborts: rules.filter(({ abortDays }) => abortDays !== undefined),
  };
}

export function compileLifecycle(lifecycle: Lifecycle): CompiledLifecycle {
  const enabled = lifecycle.rules.filter(({ enabled: on }) => on);
  const order = new Map(lifecycle.rules.map((rule, at) => [rule, at]));
  const byPrefix = new Map<string, LifecycleRule[]>();
  for (const rule of enabled) {
    const name = rule.filter.prefix.toString('latin1');
    const there = byPrefix.get(name);
    if (there) there.push(rule);
    else byPrefix.set(name, [rule]);
  }
  const nodes: Node[] = [];
  const sorted = [...byPrefix.values()].map((rules) => ({ prefix: rules[0]!.filter.prefix, rules }));
  sorted.sort((a, b) => Buffer.compare(a.prefix, b.prefix));
  for (const { prefix, rules } of sorted) {
    let parent = nodes.at(-1);
    while (parent && !hasPrefix(prefix, parent.prefix)) parent = parent.parent;
    nodes.push(nodeOf(prefix, parent, rules, order));
  }
  return {
    lifecycle,
    at(key) {
      let low = 0;
      let high = nodes.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (Buffer.compare(nodes[middle]!.prefix, key) <= 0) low = middle + 1;
        else high = middle;
      }
      let node = nodes[low - 1];
      while (node && !hasPrefix(key, node.prefix)) node = node.parent;
      return node;
    },
    ofVersions: enabled.some(ofVersions),
    ofUploads: enabled.some(({ abortDays }) => abortDays !== undefined),
  };
}
