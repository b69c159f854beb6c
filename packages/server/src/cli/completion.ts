/*
 * Shell completion. The scripts are small and ask the program itself what could stand at the cursor, so that commands, options, profiles, buckets and keys
 * are always those that there are.
 */
import type { Command } from 'commander';
import { formatRemote } from './address.ts';
import type { Run } from './command.ts';
import { type CommonOptions, Context } from './context.ts';
import { UsageError } from './exit.ts';
import { Profiles } from './profiles.ts';
import type { Terminal } from './terminal.ts';

const scripts: Readonly<Record<string, string>> = {
  bash: `# dsom completion bash >> ~/.bashrc
_dsom_complete() {
  local line="\${COMP_LINE:0:COMP_POINT}" words cur
  read -ra words <<< "$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  cur="\${words[\${#words[@]}-1]}"
  local IFS=$'\\n'
  COMPREPLY=($(dsom __complete "\${words[@]:1}" 2>/dev/null))
  [[ \${#COMPREPLY[@]} -eq 0 ]] && compopt -o default
  [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == */ ]] && compopt -o nospace
  # To bash a colon ends a word: it wants only what comes behind the last one.
  if [[ "$cur" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
    local before="\${cur%"\${cur##*:}"}"
    COMPREPLY=("\${COMPREPLY[@]#"$before"}")
  fi
}
complete -F _dsom_complete dsom
`,
  zsh: `#compdef dsom
# dsom completion zsh > "\${fpath[1]}/_dsom"
_dsom() {
  local -a found
  found=("\${(@f)$(dsom __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if (( \${#found} )); then
    compadd -Q -S '' -- \${(M)found:#*/}
    compadd -Q -- \${found:#*/}
  else
    _files
  fi
}
compdef _dsom dsom
`,
  fish: `# dsom completion fish > ~/.config/fish/completions/dsom.fish
complete -c dsom -a '(dsom __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
};

/** Commands whose parameters are addresses. */
const addressed = new Set([
  'ls',
  'cp',
  'mv',
  'rm',
  'cat',
  'stat',
  'sync',
  'du',
  'find',
  'tag',
  'versions',
  'presign',
  'rb',
]);
const answersMax = 200;

/** Buckets, or what is in the folder that was typed so far. */
async function addresses(context: Context, word: string): Promise<string[]> {
  const match = /^((?:s3|dsom):\/\/)(?:([^/@]+)@)?([^/]*)(\/.*)?$/.exec(word);
  if (!match) return ['s3://'].filter((one) => one.startsWith(word) && word !== '');
  const [, scheme = '', profile, bucket = '', path] = match;
  const address = (name: string, key: string) => formatRemote(name, key, profile).replace('s3://', scheme);
  const client = context.client({ profile });
  const found: string[] = [];
  if (path === undefined) {
    for await (const { name } of client.buckets.list({ timeoutMs: 2000 }))
      if (name.startsWith(bucket)) found.push(`${address(name, '')}/`);
    return found;
  }
  const page = await client.listPage(bucket, {
    prefix: path.slice(1),
    delimiter: '/',
    limit: answersMax,
    timeoutMs: 2000,
  });
  return page.entries.map((entry) => address(bucket, entry.kind === 'prefix' ? entry.prefix : entry.key));
}

/** What could stand where the last word is. */
async function candidates(program: Command, words: readonly string[], terminal: Terminal): Promise<string[]> {
  const word = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  let command = program;
  for (const one of before) command = command.commands.find((known) => known.name() === one) ?? command;
  const previous = before.at(-1);
  if (previous === '--profile' || (command.parent?.name() === 'profile' && ['use', 'remove'].includes(command.name())))
    return Object.keys(new Profiles(terminal.environment).read().profiles).filter((name) => name.startsWith(word));
  if (word.startsWith('-'))
    return command.options.flatMap((option) => option.long ?? []).filter((name) => name.startsWith(word));
  if (command.name() === 'completion') return Object.keys(scripts).filter((name) => name.startsWith(word));
  const names = command.commands
    .map((one) => one.name())
    .filter((name) => name.startsWith(word) && !name.startsWith('_'));
  if (names.length > 0 || !addressed.has(command.name())) return names;
  const at = before.indexOf('--profile');
  const options: CommonOptions = at === -1 ? {} : { profile: before[at + 1] ?? '' };
  return addresses(new Context(options, terminal), word);
}

export function addCompletionCommands(program: Command, run: Run): void {
  program
    .command('completion <shell>')
    .description('a script for completion in bash, zsh or fish')
    .action(
      run(async (context, [shell = '']) => {
        const script = scripts[shell];
        if (script === undefined) throw new UsageError(`there is no completion for "${shell}": bash, zsh or fish`);
        await context.write(script);
      }),
    );
  program
    .command('__complete [words...]', { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action(
      run(async (context, words) => {
        // A failure means no candidates, never a message in the middle of what is being typed.
        const found = await candidates(program, words, context.terminal).catch(() => []);
        if (found.length > 0) await context.write(`${found.join('\n')}\n`);
      }),
    );
}
