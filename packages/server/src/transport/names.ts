/*
 * How a certificate names a node: one subject alternative name, the URI `dsom-node:<id>`, and nothing beside it. The common name is for people.
 */

const pattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const subject = /^URI:dsom-node:([A-Za-z0-9][A-Za-z0-9._-]{0,63})$/;

/** Letters, digits, `.`, `_` and `-`, 64 characters at most. */
export function isNodeId(text: string): boolean {
  return pattern.test(text);
}

/** The subject alternative name of a node's certificate. */
export function nodeUri(node: string): string {
  return `dsom-node:${node}`;
}

/** @param subjectAltName as `X509Certificate.subjectAltName` of node:crypto prints it @returns undefined when it names no node, or anything else too */
export function nodeOf(subjectAltName: string | undefined): string | undefined {
  return subject.exec(subjectAltName ?? '')?.[1];
}
