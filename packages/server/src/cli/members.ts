/* `cluster features`, `invite`, `invitations`, `authority`: what the nodes of a cluster agree on, and who becomes one of them. */
import type { Command } from 'commander';
import { type Line, list, short, text } from './answer.ts';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { formatTable } from './format.ts';

/** Who holds a feature back: `1a2b3c4d (version 0.1.0)`. */
const heldBack = (feature: Line): string =>
  list(feature['heldBackBy'])
    .map((one) => `${short(one['node'])} (version ${text(one['version'])})`)
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

async function invite(context: Context, options: CommonOptions & { readonly expires?: string }): Promise<void> {
  const seconds = options.expires === undefined ? undefined : Number(options.expires);
  if (seconds !== undefined && !(Number.isInteger(seconds) && seconds >= 60))
    throw new UsageError('--expires is a whole number of seconds, 60 or more');
  const found = await context.client().admin.invite(seconds, { signal: context.signal });
  context.succeed();
  await context.result(found, [`dsom server --data DIR --join ${text(found['line'])}`]);
  context.note(
    `The line is good for one node, until ${text(found['expiresAt'])}. Run it there, with a --data of that machine.`,
  );
}

async function showInvitations(context: Context): Promise<void> {
  const open = await context.client().admin.invitations({ signal: context.signal });
  context.succeed();
  if (context.options.json) for (const line of open) await context.result(line);
  else
    await context.result(
      undefined,
      formatTable([
        ['INVITATION', 'EXPIRES', 'MADE', 'BY'],
        ...open.map((one) => [
          text(one['id']).slice(0, 8),
          text(one['expiresAt']),
          text(one['createdAt']),
          text(one['by']).slice(0, 8),
        ]),
      ]),
    );
}

async function revoke(context: Context, id: string): Promise<void> {
  const found = await context.client().admin.revokeInvitation(id, { signal: context.signal });
  context.succeed();
  await context.result(found, [`invitation ${text(found['id'])} is revoked`]);
}

const stateTexts: Readonly<Record<string, string>> = {
  trusted: 'every node comes to trust the new one beside the old one',
  issuing: 'every node gets a certificate of the new one',
  only: 'the old one is trusted no more',
};

function authorityLines(found: Line): string[] {
  const state = text(found['state']);
  const waits = Array.isArray(found['waitsFor']) ? found['waitsFor'].map((id) => text(id).slice(0, 8)) : [];
  const first = found['number'] === 0;
  return [
    `authority  ${first ? 'the first one of this cluster' : `number ${text(found['number'])} after the first`}, valid until ${text(found['validUntil'])}`,
    ...(first || (state === 'only' && waits.length === 0)
      ? ['change     none under way']
      : [`change     ${stateTexts[state] ?? state}`]),
    ...(waits.length > 0 ? [`waits for  node ${waits.join(', ')}`] : []),
  ];
}

/** @param wait until the change has ended */
async function authority(context: Context, first: () => Promise<Line>, wait: boolean): Promise<void> {
  let found = await first();
  const ended = (): boolean => found['state'] === 'only' && (found['waitsFor'] as readonly unknown[]).length === 0;
  while (wait && !ended()) {
    await context.host.timers.sleep(1000, context.signal);
    found = await context.client().admin.authority({ signal: context.signal });
  }
  context.succeed();
  await context.result(found, authorityLines(found));
}

export function addMemberCommands(cluster: Command, run: Run): void {
  clientCommand(cluster, 'features', 'what came with newer versions: on, or held back by which node').action(
    run((context) => showFeatures(context)),
  );
  clientCommand(cluster, 'invite', 'make a line that one further node joins with')
    .option('--expires <seconds>', 'for how long it is good; an hour when not given')
    .action(run((context, _, options: CommonOptions & { expires?: string }) => invite(context, options)));
  const invitations = cluster.command('invitations').description('lines that a node can join with');
  clientCommand(invitations, 'list', 'those that can be used still', { isDefault: true }).action(
    run((context) => showInvitations(context)),
  );
  clientCommand(invitations, 'revoke <invitation>', 'nobody joins with it any more').action(
    run((context, [id = '']) => revoke(context, id)),
  );
  type Waiting = CommonOptions & { readonly wait?: boolean };
  clientCommand(cluster, 'authority', 'whose certificates the nodes trust, and how far a change of that is')
    .option('--wait', 'until no change is under way')
    .action(
      run((context, _, options: Waiting) =>
        authority(context, () => context.client().admin.authority({ signal: context.signal }), options.wait === true),
      ),
    );
  clientCommand(
    cluster,
    'rotate-authority',
    'make a new authority and give every node a certificate of it, without a stop',
  )
    .option('--wait', 'until the old one is trusted no more')
    .action(
      run((context, _, options: Waiting) =>
        authority(
          context,
          () => context.client().admin.rotateAuthority({ signal: context.signal }),
          options.wait === true,
        ),
      ),
    );
}
