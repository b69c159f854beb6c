/* Which nodes run a member of etcd. */

/** Members that nodes run by themselves: more only where the loss of two of them would be one of two among many. */
export const membersWanted = (metadataNodes: number): number => (metadataNodes >= 5 ? 5 : 3);

/** A node, as far as it counts for where members of etcd run. */
export interface MemberSite {
  readonly id: string;
  readonly zone: string;
  /** Whether it could run a member now. */
  readonly able: boolean;
}

/**
 * The nodes whose turn it is to run a member: one after the other in the zone that has the fewest, so that the loss of a zone takes as few as can be.
 * @param sites all nodes, the same order at each of them
 * @param present whether a node has a member
 * @param room how many members there may be more
 */
export function nextMembers(
  sites: readonly MemberSite[],
  present: (id: string) => boolean,
  room: number,
): readonly string[] {
  const counts = new Map<string, number>();
  const countOf = ({ zone }: MemberSite): number => counts.get(zone) ?? 0;
  for (const site of sites) if (present(site.id)) counts.set(site.zone, countOf(site) + 1);
  let open = sites.filter(({ id, able }) => able && !present(id));
  const turns: string[] = [];
  while (turns.length < room && open.length > 0) {
    const next = open.reduce((best, site) => (countOf(site) < countOf(best) ? site : best));
    counts.set(next.zone, countOf(next) + 1);
    turns.push(next.id);
    open = open.filter((site) => site !== next);
  }
  return turns;
}
