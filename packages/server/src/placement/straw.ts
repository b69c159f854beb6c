/*
 * Weighted rendezvous ("straw2", Weil 2006 and Ceph's CRUSH): every candidate draws the straw ln(u) / weight, where u is a hash of the draw
 * and the candidate, and the longest straw wins. Changing one candidate's weight, or adding or removing one, changes only draws that it wins
 * or loses; nothing moves between the others. A chosen set is recorded in the log, so a later release may hash in another way.
 */

/** Uniform in (0, 1], the same on every machine for the same draw and name. */
function uniform(draw: number, name: string): number {
  let low = 0x811c9dc5 ^ draw;
  let high = 0x9e3779b9 + draw;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b);
    high = (high << 13) | (high >>> 19);
  }
  low = avalanche(low ^ (high >>> 7));
  high = avalanche(high ^ low);
  return ((high >>> 6) * 2 ** 27 + (low >>> 5) + 1) / 2 ** 53;
}

/** Murmur3's finaliser: every bit of the input changes about half of the output. */
function avalanche(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** Of all that are drawn for the same number, the candidate with the longest straw wins. Below 0. */
export const strawLength = (draw: number, name: string, weight: number): number =>
  Math.log(uniform(draw, name)) / weight;

/** Something that can be drawn; of weight 0 or less it never is. */
export interface Candidate {
  readonly name: string;
  readonly weight: number;
}

/**
 * The `count` candidates with the longest straws of this draw, longest first; fewer when there are not as many.
 * @param draw any whole number: each is an independent drawing
 */
export function drawStraws<C extends Candidate>(draw: number, candidates: readonly C[], count: number): C[] {
  const straws: { readonly candidate: C; readonly length: number }[] = [];
  for (const candidate of candidates) {
    if (!(candidate.weight > 0)) continue;
    straws.push({ candidate, length: strawLength(draw, candidate.name, candidate.weight) });
  }
  straws.sort((a, b) => b.length - a.length || (a.candidate.name < b.candidate.name ? -1 : 1));
  return straws.slice(0, count).map((straw) => straw.candidate);
}
