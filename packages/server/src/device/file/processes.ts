import { readFileSync, readlinkSync } from 'node:fs';

/** Tells one run of one program from every other, also after its number was given to another. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time as the kernel counts it. */
  readonly started: string;
  /** Changes with every boot of the machine. */
  readonly boot: string;
  /** The space in which `pid` has its meaning: containers have their own. */
  readonly space: string;
}

export interface Processes {
  readonly self: ProcessIdentity;
  /** Whether that very process still runs, as far as this one can see. */
  alive(other: ProcessIdentity): boolean;
}

function quietly(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}

/** Field 22 of /proc/PID/stat; the second field (the name) may hold spaces and brackets, so count from its closing one. */
function startOf(pid: number | 'self'): string {
  const text = quietly(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** The processes of this machine. Without /proc only the number can be checked, and a reused number then counts as alive. */
export function realProcesses(): Processes {
  const self: ProcessIdentity = {
    pid: process.pid,
    started: startOf('self'),
    boot: quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    space: quietly(() => readlinkSync('/proc/self/ns/pid')),
  };
  return {
    self,
    alive(other) {
      if (other.boot !== self.boot) return false;
      // A process of another container cannot be seen from here. A restarted container must not be locked out by its predecessor.
      if (other.space !== self.space) return false;
      if (self.started !== '') return startOf(other.pid) === other.started;
      try {
        process.kill(other.pid, 0);
        return true;
      } catch (error) {
        return (error as NodeJS.ErrnoException).code === 'EPERM';
      }
    },
  };
}
