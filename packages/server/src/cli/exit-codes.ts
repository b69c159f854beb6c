/** What the command's exit status says. */
export const exitCode = {
  ok: 0,
  /** Some items failed, or something failed that has no code of its own. */
  failed: 1,
  usage: 2,
  notFound: 3,
  accessDenied: 4,
  unreachable: 5,
  /** A condition did not hold: it exists already, it is not empty, it changed meanwhile. */
  conflict: 6,
  storageFull: 7,
  /** Stored bytes or metadata are damaged. */
  damaged: 8,
  interrupted: 130,
  /** Whoever read the output had enough of it: as of a program that SIGPIPE ends. */
  unread: 141,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];
