import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Keeps a result in `results/`, when `DSOM_NEMESES_SAVE` is set: date, title, how long it took, and the command that repeats it. */
export function keepResult(name: string, title: string, began: Date, result: string, command: string): void {
  if (process.env['DSOM_NEMESES_SAVE'] === undefined) return;
  const folder = path.join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const minutes = ((Date.now() - began.getTime()) / 60_000).toFixed(1);
  writeFileSync(
    path.join(folder, `${began.toISOString().slice(0, 10)}-${name}.md`),
    `# ${title}, ${began.toISOString().slice(0, 16).replace('T', ' ')} UTC\n\n${result}.\n\nNode ${process.version}, ${minutes} minutes: \`${command}\`.\n`,
  );
}
