/**
 * What must happen sometimes. A run over many seeds in which one of these never did has not tested what it says (FoundationDB calls
 * them sometimes assertions). Whoever sees one tells {@link Coverage}; a name that is not here is an error.
 */
export const sometimes = [
  'a client got an answer after its process was killed and started again',
  'a client never learned what became of its write',
  'a client saw a write whose answer was lost',
  'a write was refused for its condition',
  'a write was refused because the storage is full',
  'a list was cut at its page',
  'an upload was completed',
  'an upload was aborted',
  'a part borrowed the bytes of an object',
  'a part was copied from an object',
  'a body broke off',
  'a slow read ended after its version was deleted',
  'an old version was read by its id',
  'an old version was deleted for good',
  'a version was locked',
  'a locked version was not deleted',
  'governance gave way to who bypasses it',
  'a legal hold was taken away',
  'a lifecycle took an object away',
  'a lifecycle took away what is not locked',
  'a lifecycle left what is locked',
  'a write was refused for its quota',
  'a second claim of a key was refused',
  'the power was lost',
  'a process was killed',
  'a process was paused',
  'the wall clock went back',
  'the wall clock went ahead',
  'a sync failed',
  'a start failed and was tried again',
  'a node was started anew because it had stopped itself',
  'a node was closed in order and started again',
  'entries were replayed at a start',
  'the log was trimmed',
  'fragments were found again from their headers',
  'a fragment whose seal had not ended was found',
  'an index was lost',
  'an index was made anew from the slabs',
  'a stripe was written with a copy missing',
  'a missing copy was written by the mender',
  'a reader met a bad copy',
  'a reader met a bad copy and it was repaired',
  'a scrub repaired a copy',
  'the collector removed fragments',
  'the collector waited for an open read',
  'a job failed and tried again',
  'a session read at the causal level',
  'a node began to lead',
  'the log was taken away from its owner',
  'a node was cut off from another',
  'a node was cut off from the log alone',
  'a node lost its metadata',
  'a snapshot was installed',
  'a write was decided in an object shard',
  'a list was merged over shards',
  'bytes were copied from one shard to another',
  'an object was renamed between shards',
  'recovery finished a rename',
  'recovery aborted a rename',
  'an object shard changed its owner',
  'an object shard was left to the node that should own it',
  'the log of an object shard was taken away from its owner',
  'the log of an object shard was trimmed',
  'a snapshot of an object shard was installed',
  'a redundancy was changed while clients worked',
  'stripes were kept in another way',
  'a node joined the cluster',
  'a node was drained and removed',
  'a drain was given up',
  'a device was retired',
  'the groups were evened out',
  'all nodes of a zone lost their power',
  'all nodes of a zone were cut off',
  'a node was put into another zone',
  'all was read while a whole zone was lost',
  'a further object shard was opened while the node ran',
  'a further object shard came into use',
  'a bucket got more shards because somebody asked for it',
  'a bucket got more shards by itself',
  'a key was made in a shard that its bucket was given',
  'an upload was begun before its bucket got more shards, and completed after',
  'a disk gave an error on a read',
  'a disk gave an error on a read at a start',
  'a disk gave an error on a write',
  'a disk was full',
  'a disk flipped a bit',
  'a disk tore a write',
  'a disk lost a write',
  'a disk misdirected a write',
  'a disk gave a stale read',
  'a disk was slow',
] as const;

export type Sometimes = (typeof sometimes)[number];

/** Counts what happened, by name. */
export class Coverage {
  readonly counts = new Map<Sometimes, number>();

  hit(name: Sometimes): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  add(other: Iterable<readonly [Sometimes, number]>): void {
    for (const [name, count] of other) this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  /** What happened less often than that, and how often it did. */
  below(times: number): (readonly [Sometimes, number])[] {
    return sometimes.map((name) => [name, this.counts.get(name) ?? 0] as const).filter(([, count]) => count < times);
  }
}
