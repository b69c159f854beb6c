import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Device, slabName } from '../device/index.ts';
import { CorruptionError } from '../errors.ts';
import {
  IndexDamaged,
  lostSlabs,
  type OpenFragmentOwner,
  openFragmentOwner,
  type RebuildOptions,
  type RebuildProgress,
  type RebuildReport,
} from '../fragments/index.ts';
import type { Host } from '../host/index.ts';
import { type KvLook, openKv, type SharedKv } from '../kv/index.ts';
import { putAside } from './aside.ts';
import { closeAll, writing } from './closing.ts';
import { ConfigError } from './config.ts';
import { type LostSlabs, lostOf } from './lost-slabs.ts';
import { type DeviceSite, indexFolder, openSite } from './sites.ts';

/*
 * The fragment index of a device. It is derived: what it says stands in the headers of the fragments too, and which of them are published
 * stands in the metadata. So an index that is gone or that cannot be read stops no start: it is put aside and made anew from the slabs,
 * which takes one reading of the device, and is told loudly. An index of another device, or of another version of the program, is refused:
 * there somebody has to look.
 */

/** What happens to an index, for the operator. */
export type IndexEvent = { readonly device: string } & (
  | { readonly state: 'put aside'; readonly reason: string; readonly kept: string }
  | ({ readonly state: 'searching' } & RebuildProgress)
  | ({ readonly state: 'rebuilt' } & RebuildReport)
  /** Lives before this one ended without order, so the structure of its file is read first. */
  | ({ readonly state: 'looking' } & KvLook)
  | ({ readonly state: 'slabs are gone or cut short' } & LostSlabs)
);

export interface IndexOptions {
  readonly host: Host;
  readonly known: Omit<RebuildOptions, 'onProgress'>;
  /** Make it anew although it can be read. */
  readonly rebuild: boolean;
  readonly onIndex: (event: IndexEvent) => void;
}

export interface OpenIndex {
  readonly owner: OpenFragmentOwner;
  /** This thread's: where it stops, the fragments of the thread must know. */
  readonly device: Device;
  readonly lost: LostSlabs | undefined;
  /** Of its commits: tell the readers in other threads, and in this one, what they may keep. */
  readonly counts: SharedKv['counts'];
  /** As {@link SharedKv.checkFile}. */
  readonly checkFile: SharedKv['checkFile'];
  /** Checkpoints and closes the owner, the index and the device. */
  close(): Promise<void>;
}

function putIndexAside(site: DeviceSite, reason: string, onIndex: IndexOptions['onIndex']): void {
  const kept = putAside(indexFolder(site.folder));
  if (kept !== undefined) onIndex({ device: site.identity.device, state: 'put aside', reason, kept });
}

/**
 * Opens the fragments of a device for this process; makes a lost index anew.
 * @throws ConfigError when the index is not this device's, or not of this version
 */
export async function openIndex(site: DeviceSite, options: IndexOptions): Promise<OpenIndex> {
  const { host, known, onIndex } = options;
  const { device: identity } = site.identity;
  const folder = indexFolder(site.folder);
  if (options.rebuild) putIndexAside(site, 'it shall be made anew', onIndex);
  const device = await openSite(site, host);
  const open = async (): Promise<OpenIndex> => {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    let kv: SharedKv;
    try {
      const onLook = (look: KvLook) => onIndex({ device: identity, state: 'looking', ...look });
      kv = await openKv({ directory: folder, host, onLook });
    } catch (cause) {
      throw cause instanceof CorruptionError ? new IndexDamaged(cause.message, { cause }) : cause;
    }
    try {
      // Before the owner opens, which makes the first one again: it has the list of open windows.
      const there = await device.slabs();
      const sizes = new Map(there.map((slab) => [slab, statSync(path.join(site.folder, slabName(slab))).size]));
      const { gone, short } = lostSlabs(device.slabBytes, kv, sizes);
      const lost = lostOf(gone, short);
      if (lost) onIndex({ device: identity, state: 'slabs are gone or cut short', ...lost });
      const onProgress = (progress: RebuildProgress) => onIndex({ device: identity, state: 'searching', ...progress });
      const owner = await openFragmentOwner({ device, kv, host, rebuild: { ...known, onProgress } });
      const { rebuilt } = owner.recovery;
      if (rebuilt) onIndex({ device: identity, state: 'rebuilt', ...rebuilt });
      return {
        owner,
        device,
        lost,
        counts: kv.counts,
        checkFile: (step) => kv.checkFile(step),
        close() {
          const mark = `a checkpoint of the fragment index of ${site.folder}`;
          return closeAll([() => device.close(), writing(mark, () => kv.close()), writing(mark, () => owner.close())]);
        },
      };
    } catch (cause) {
      await kv.close().catch(() => {});
      throw cause;
    }
  };
  try {
    return await open().catch((cause: unknown) => {
      if (!(cause instanceof IndexDamaged)) throw cause;
      putIndexAside(site, cause.message, onIndex);
      return open();
    });
  } catch (cause) {
    await device.close().catch(() => {});
    if (!(cause instanceof CorruptionError)) throw cause;
    throw new ConfigError(`the fragments in ${site.folder} cannot be opened: ${cause.message}`, { cause });
  }
}

/** What an operator should know of an index that was made anew, as a sentence. */
export function rebuiltText(device: string, { fragments, damaged, heldBytes, unreadableBytes }: RebuildReport): string {
  const bad = [
    ...(damaged > 0 ? [`${damaged} of them have damaged bytes`] : []),
    ...(unreadableBytes > 0 ? [`${unreadableBytes} bytes of the device could not be read`] : []),
    ...(heldBytes > 0 ? [`${heldBytes} bytes are kept out of use until they can be`] : []),
  ];
  const found = `the index of device ${device} was lost and has been made anew from its slabs: ${fragments} fragments`;
  return `${[found, ...bad].join(', ')}; \`dsom scrub\` and \`dsom fsck\` tell whether any is missing`;
}
