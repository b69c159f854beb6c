/* `cluster features`: what the nodes of a cluster agree on, and who is a member of it. */
import type { Command } from 'commander';
import { clientCommand, type Run } from './command.ts';
import type { Context } from './context.ts';
import { formatTable, printable } from './format.ts';

type Line = Readonly<Record<string, unknown>>;

const isLine = (value: unknown): value is Line => typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): readonly Line[] => (Array.isArray(value) ? value.filter(isLine) : []);
const text = (value: unknown): string => (value === undefined || value === null ? '-' : printable(String(value)));

/** Who holds a feature back: `1a2b3c4d (version 0.1.0)`. */
const heldBack = (feature: Line): string =>
  list(feature['heldBackBy'])
    .map((one) => `${text(one['node']).slice(0, 8)} (version ${text(one['version'])})`)
    .join(', ');

/** A line of `cluster status` for each feature that is not on. */
export const featureLines = (features: unknown): string[] =>
  list(features).flatMap((feature) =>
    feature['on'] === true || heldBack(feature) === ''
      ? []
      : [`feature   ${text(feature['name'])} is off: held back by node ${heldBack(feature)}`],
  );

async function showFeatures(context: Context): Promise<void> {
  const features = list((await context.client().admin.cluster({ signal: context.signal }))['features']);
  context.succeed();
  if (context.options.json) for (const line of features) await context.result(line);
  else
    await context.result(
      undefined,
      formatTable([
        ['FEATURE', 'STATE', 'HELD BACK BY'],
        ...features.map((one) => [text(one['name']), one['on'] === true ? 'on' : 'off', heldBack(one) || '-']),
      ]),
    );
}

export function addMemberCommands(cluster: Command, run: Run): void {
  clientCommand(cluster, 'features', 'what came with newer versions: on, or held back by which node').action(
    run((context) => showFeatures(context)),
  );
}
