/*
 * Completion of the `dsom` command in the shells themselves: keys are typed on a terminal, and the words that the shell then makes of its line are
 * what counts, so that quoting is tested with it.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathOf, send } from '../src/request.ts';
import { bin, credentials } from '../src/server.ts';
import { openRig, type Rig } from './rig.ts';

const typist = path.join(import.meta.dirname, 'typed_shell.py');
let rig: Rig;
let home: string;

/** The environment of somebody who installed the command and keeps one profile. */
const environment = () => ({
  HOME: home,
  PATH: [path.join(home, 'bin'), path.dirname(process.execPath), process.env['PATH']].join(path.delimiter),
  LANG: 'C.UTF-8',
  ZDOTDIR: home,
});
const dsom = (...args: string[]) => rig.run(process.execPath, [bin, ...args], { env: environment() });

before(async () => {
  rig = await openRig('completion');
  home = path.join(rig.scratch, 'home');
  mkdirSync(path.join(home, 'bin'), { recursive: true });
  symlinkSync(bin, path.join(home, 'bin/dsom'));
  writeFileSync(path.join(home, 'local file.txt'), '');
  const keys = ['--access-key-id', credentials.accessKeyId, '--secret-access-key', credentials.secretAccessKey];
  await dsom('profile', 'add', 'lab', rig.server.endpoint, ...keys, '--use');
  await send(rig.server.endpoint, 'PUT', '/photos');
  for (const key of ['2026/a b.jpg', "2026/it's $5 & more.txt", 'x=1:2@3.txt', 'ünï.txt', 'star*.txt', '[odd] #~;.txt'])
    await send(rig.server.endpoint, 'PUT', pathOf('photos', key));
});
after(() => rig?.close());

interface Shell {
  readonly name: string;
  /** Prepares the home folder; answers how the shell is started. */
  set(script: string): readonly string[];
}

/** Prints the words that it is given: it is put before what was completed. */
const posixShow = `show() { printf '@@'; printf '<%s>' "$@"; printf '@@\\n'; }\n`;
const shells: readonly Shell[] = [
  {
    name: 'bash',
    set(script) {
      writeFileSync(path.join(home, 'script'), script);
      writeFileSync(path.join(home, '.bashrc'), `${posixShow}source "$HOME/script"\n`);
      return ['--rcfile', path.join(home, '.bashrc'), '-i'];
    },
  },
  {
    name: 'zsh',
    set(script) {
      mkdirSync(path.join(home, 'functions'), { recursive: true });
      writeFileSync(path.join(home, 'functions/_dsom'), script);
      const load = 'fpath=("$HOME/functions" $fpath)\nautoload -Uz compinit\ncompinit -u\n';
      writeFileSync(path.join(home, '.zshrc'), `${posixShow}${load}bindkey -e\n`);
      return ['-i'];
    },
  },
  {
    name: 'fish',
    set(script) {
      mkdirSync(path.join(home, '.config/fish/completions'), { recursive: true });
      writeFileSync(path.join(home, '.config/fish/completions/dsom.fish'), script);
      const show = `function show; printf '@@'; printf '<%s>' $argv; printf '@@\\n'; end\n`;
      writeFileSync(path.join(home, '.config/fish/config.fish'), show);
      return ['-i'];
    },
  },
];

/** What is typed before the tabulator, and the last word that must come of it. */
const cases = (): readonly [typed: string, word: string][] => [
  ['dsom prof', 'profile'],
  ['dsom ls --rec', '--recursive'],
  ['dsom server --scrub-d', '--scrub-days'],
  ['dsom profile use l', 'lab'],
  ['dsom ls --profile l', 'lab'],
  ['dsom ls --endpoint ht', rig.server.endpoint],
  ['dsom ls s3://pho', 's3://photos/'],
  ['dsom cp s3://photos/20', 's3://photos/2026/'],
  ['dsom cat s3://photos/2026/a', 's3://photos/2026/a b.jpg'],
  ['dsom cat s3://photos/2026/a\\ ', 's3://photos/2026/a b.jpg'],
  ['dsom cat "s3://photos/2026/a ', 's3://photos/2026/a b.jpg'],
  ['dsom cat s3://photos/2026/i', "s3://photos/2026/it's $5 & more.txt"],
  ['dsom cat s3://photos/x=1:', 's3://photos/x=1:2@3.txt'],
  ['dsom cat s3://lab@photos/ü', 's3://lab@photos/ünï.txt'],
  ['dsom cat s3://photos/star', 's3://photos/star\\*.txt'],
  ['dsom cat s3://photos/\\[', 's3://photos/[odd] #~;.txt'],
  ['dsom cp ./loc', './local file.txt'],
  ['dsom cp loc', 'local file.txt'],
];

for (const { name, set } of shells) {
  const [python, shell] = ['python3', name].map((program) => {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  const skip = shell ? (python ? false : 'python3 is not installed') : `${name} is not installed`;
  describe(`completion in ${name}`, { skip }, () => {
    test('completes commands, options, profiles, endpoints, addresses and files', { timeout: 5 * 60_000 }, async () => {
      const started = set(await dsom('completion', name));
      const texts = cases().map(([typed]) => `${typed}\t\x01show \n`);
      const printed = execFileSync('python3', [typist, '>@@', name, ...started], {
        cwd: home,
        env: environment(),
        input: JSON.stringify(texts),
        encoding: 'utf8',
      });
      const words = [...printed.matchAll(/@@<(.*?)>@@/g)].map(([, all]) => (all as string).split('><').at(-1));
      assert.deepEqual(
        cases().map(([typed], index) => [typed, words[index]]),
        cases(),
      );
    });
  });
}
