import type { Announcement, Command, Proposer } from '../metadata/index.ts';

/** What is to be told of a change of a key, if anybody is. */
export type Announcer = (key: Buffer) => Announcement | undefined;

function announcedBy(announcer: Announcer, command: Command): Command {
  switch (command.type) {
    case 'object.put':
    case 'object.share':
    case 'object.append':
    case 'object.annotate':
    case 'object.restore':
    case 'rename.hold':
    case 'rename.commit':
    case 'upload.complete': {
      const announce = announcer(command.key);
      return announce ? { ...command, announce } : command;
    }
    case 'object.rename': {
      const [made, gone] = [announcer(command.key), announcer(command.source.key)];
      const source = gone ? { ...command.source, announce: gone } : command.source;
      return { ...command, source, ...(made && { announce: made }) };
    }
    case 'object.delete': {
      const items = command.items.map((item) => {
        const announce = announcer(item.key);
        return announce ? { ...item, announce } : item;
      });
      return { ...command, items };
    }
    default:
      return command;
  }
}

/** A proposer whose changes of objects say what is to be told of them. */
export const announcing = (proposer: Proposer, announcer: Announcer): Proposer => ({
  propose: (command, request) => proposer.propose(announcedBy(announcer, command), request),
});
