/* All commands in one program, and the way from what was typed to an exit status. */
import { Command, CommanderError } from 'commander';
import { addAccountCommands } from './accounts.ts';
import { addressHelp } from './address.ts';
import { addAnnotateCommands } from './annotate.ts';
import { addBenchCommand } from './bench.ts';
import { addBucketCommands } from './buckets.ts';
import { addCheckCommands } from './checks.ts';
import { addClusterCommands } from './cluster.ts';
import type { Run, Services } from './command.ts';
import { addCompletionCommands } from './completion.ts';
import { type CommonOptions, Context } from './context.ts';
import { addCopyCommands } from './copy.ts';
import { addDoctorCommand } from './doctor.ts';
import { addEventCommands } from './events.ts';
import { exitCode, exitCodeHelp, verdictOf } from './exit.ts';
import { addInventoryCommands } from './inventory.ts';
import { addKeyCommands } from './keys.ts';
import { addKmsCommands } from './kms.ts';
import { addLifecycleCommands } from './lifecycle.ts';
import { addLimitCommands } from './limits.ts';
import { addListingCommands } from './listing.ts';
import { addMigrateCommand } from './migrate.ts';
import { addNotifyCommands } from './notify.ts';
import { addObjectCommands } from './object.ts';
import { addProfileCommands } from './profile.ts';
import { addQuotaCommands } from './quotas.ts';
import { addRedundancyCommands } from './redundancy.ts';
import { addReplicationCommands } from './replication.ts';
import { runServer, serverHelp } from './server.ts';
import { addSyncCommand } from './sync.ts';
import type { Terminal } from './terminal.ts';
import { addVersionCommand, version } from './version.ts';

const about = `
Endpoint and keys: --profile or DSOM_PROFILE, else DSOM_ENDPOINT, DSOM_ACCESS_KEY_ID and DSOM_SECRET_ACCESS_KEY,
else the profile in use (\`dsom profile use\`).

${addressHelp}

${exitCodeHelp}`;

/** Runs an action; keeps its exit status in `outcome`. */
function runner(outcome: { status: number }, terminal: Terminal): Run {
  return (action) =>
    async function (this: Command, ...received) {
      const parameters = received.slice(0, -2).flatMap((one) => (one === undefined ? [] : (one as string | string[])));
      const options = this.opts();
      const context = new Context(options as CommonOptions, terminal);
      const onInterrupt = () => {
        if (context.signal.aborted) process.exit(exitCode.interrupted);
        context.note('stopping; once more to stop at once');
        context.interrupt();
      };
      process.on('SIGINT', onInterrupt).on('SIGTERM', onInterrupt);
      try {
        await action(context, parameters, options as never);
        outcome.status = context.status;
      } catch (cause) {
        const interrupted = context.signal.aborted;
        if (interrupted) context.note('interrupted; run the same command again to go on');
        else context.report(cause);
        outcome.status = interrupted ? exitCode.interrupted : verdictOf(cause).exit;
      } finally {
        process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
      }
    };
}

function makeProgram(run: Run, services: Services, { stdout, stderr }: Terminal): Command {
  const program = new Command('dsom')
    .description('DSOM object store: the server, and everything one does with it')
    .version(version, '-V, --version', 'the version of this program')
    .helpCommand('help [command]', 'how to use a command')
    .addHelpText('after', about)
    .showHelpAfterError('(dsom --help lists the commands)')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) });
  program
    .command('server')
    .description('run the server')
    .helpOption(false)
    .allowUnknownOption()
    .action(async () => {
      stdout.write(await serverHelp(services));
    });
  addBucketCommands(program, run);
  addListingCommands(program, run);
  addNotifyCommands(program, run);
  addReplicationCommands(program, run);
  addEventCommands(program, run);
  addInventoryCommands(program, run);
  addCopyCommands(program, run);
  addSyncCommand(program, run);
  addMigrateCommand(program, run);
  addObjectCommands(program, run);
  addAnnotateCommands(program, run);
  addRedundancyCommands(program, run);
  addLifecycleCommands(program, run);
  addKeyCommands(program, run);
  addKmsCommands(program, run);
  addAccountCommands(program, run);
  addQuotaCommands(program, run);
  addLimitCommands(program, run);
  addClusterCommands(program, run);
  addDoctorCommand(program, run, services);
  addCheckCommands(program, run, services);
  addBenchCommand(program, run);
  addProfileCommands(program, run);
  addCompletionCommands(program, run, services);
  addVersionCommand(program, run);
  nameNearest(program);
  return program;
}

/** A group with a command of its own right takes a mistyped one for an argument of that: `dsom cluster stauts` is told of commands, as it is elsewhere. */
function nameNearest(group: Command): void {
  for (const command of group.commands) nameNearest(command);
  group.hook('preSubcommand', (_, chosen) => {
    const [typed] = group.args;
    if (typed === undefined || typed.startsWith('-') || chosen.registeredArguments.length > 0) return;
    const names = group.commands.flatMap((one) => [one.name(), ...one.aliases()]);
    if (!['help', ...names].includes(typed)) (group as unknown as { unknownCommand(): never }).unknownCommand();
  });
}

/** Runs a client command; resolves with the exit status. */
export async function runProgram(argv: readonly string[], services: Services, terminal: Terminal): Promise<number> {
  // Whoever reads our output may have had enough: `dsom ls | head`.
  terminal.stdout.on('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EPIPE') process.exit(exitCode.unread);
    throw cause;
  });
  if (argv[0] === 'help' && argv[1] === 'server') return runServer(['--help'], services, terminal);
  const outcome: { status: number } = { status: exitCode.ok };
  try {
    await makeProgram(runner(outcome, terminal), services, terminal).parseAsync([...argv], { from: 'user' });
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    // Help that was asked for is no failure.
    return cause.exitCode === 0 ? exitCode.ok : exitCode.usage;
  }
  return outcome.status;
}
