import type { Command, Proposer } from '../metadata/index.ts';

function writtenBy(writer: string, command: Command): Command {
  switch (command.type) {
    case 'object.put':
    case 'object.share':
    case 'object.append':
    case 'object.annotate':
    case 'upload.create':
      return { ...command, writer };
    default:
      return command;
  }
}

/** A proposer whose new versions and uploads count for a user. What becomes of an upload counts for whom the upload does. */
export const writing = (proposer: Proposer, user: string): Proposer => ({
  propose: (command, request) => proposer.propose(writtenBy(user, command), request),
});
