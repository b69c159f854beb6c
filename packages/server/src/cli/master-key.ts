import type { Command } from 'commander';
import { clientCommand, type Run } from './command.ts';
import type { CommonOptions, Context } from './context.ts';

type Status = Awaited<ReturnType<ReturnType<Context['client']>['kms']['masterKey']>>;

const stateTexts: Readonly<Record<string, string>> = {
  spreading: 'every server gets the new key',
  sealing: 'every server begins to seal with the new key',
  resealing: 'what older keys sealed is sealed anew',
  sealed: 'none under way',
  removing: 'every server removes the older keys',
};

const kindTexts: Readonly<Record<string, string>> = {
  bucket: 'keys of buckets',
  accessKey: 'secrets of access keys',
  namedKey: 'versions of named keys',
  target: 'targets of notifications',
  source: 'sources of buckets',
  authority: 'the authority',
};

function lines({ number, state, oldest, hanging, waitsFor, removableAt }: Status, now: number): string[] {
  const kinds = Object.entries(hanging).filter(([kind, count]) => kind !== 'total' && count > 0);
  const parts = kinds.map(([kind, count]) => `${count} ${kindTexts[kind] ?? kind}`);
  const older = oldest === number - 1 ? `number ${oldest}` : `numbers ${oldest} to ${number - 1}`;
  return [
    `master key  number ${number}`,
    `rotation    ${stateTexts[state] ?? state}`,
    `older keys  ${oldest === number ? 'none' : older}`,
    `hanging     ${hanging.total === 0 ? 'nothing hangs on older keys' : parts.join(', ')}`,
    ...(waitsFor.length > 0 ? [`waits for   node ${waitsFor.map((id) => id.slice(0, 8)).join(', ')}`] : []),
    ...(removableAt === undefined
      ? []
      : [
          removableAt.getTime() <= now
            ? 'removable   now: dsom key master remove'
            : `removable   from ${removableAt.toISOString()} on, when sessions have ended that older keys sealed`,
        ]),
  ];
}

interface WaitOptions extends CommonOptions {
  readonly wait?: boolean;
}

/** @param wait until no rotation is under way */
async function show(context: Context, first: () => Promise<Status>, wait: boolean): Promise<void> {
  let found = await first();
  for (let told = ''; wait && !(found.state === 'sealed' && found.waitsFor.length === 0); ) {
    const [, rotation, , hanging, waits] = lines(found, 0);
    const text = [rotation, hanging, ...(found.waitsFor.length > 0 ? [waits] : [])].join('; ');
    if (text !== told) context.note(text);
    told = text;
    await context.host.timers.sleep(1000, context.signal);
    found = await context.client().kms.masterKey({ signal: context.signal });
  }
  context.succeed();
  await context.result(found, lines(found, context.host.clock.now()));
}

/** @param key the command `key` */
export function addMasterKeyCommands(key: Command, run: Run): void {
  const master = key.command('master').description('the master key, which seals the keys of buckets and all secrets');
  const kms = (context: Context) => context.client().kms;
  clientCommand(master, 'status', 'which one it is, how far a rotation is, and what hangs on older ones')
    .option('--wait', 'until no rotation is under way')
    .action(
      run((context, _, options: WaitOptions) =>
        show(context, () => kms(context).masterKey({ signal: context.signal }), options.wait === true),
      ),
    );
  clientCommand(master, 'rotate', 'make a new one, and seal anew with it what the present one sealed')
    .option('--wait', 'until nothing hangs on the present one any more')
    .action(
      run((context, _, options: WaitOptions) =>
        show(context, () => kms(context).rotateMasterKey({ signal: context.signal }), options.wait === true),
      ),
    );
  clientCommand(master, 'remove', 'remove the older ones, on which nothing hangs any more')
    .option('--end-sessions', 'also while temporary credentials may be good that they sealed: those end')
    .option('--wait', 'until every server has removed them')
    .action(
      run((context, _, options: WaitOptions & { readonly endSessions?: boolean }) =>
        show(
          context,
          () =>
            kms(context).removeOldMasterKeys({ endSessions: options.endSessions === true }, { signal: context.signal }),
          options.wait === true,
        ),
      ),
    );
}
