import assert from 'node:assert/strict';
import { createAuthority, InvitationError, joinServer } from '../../src/certificates/index.ts';
import { formatInvitation, parseInvitation, secretHash } from '../../src/certificates/invitation.ts';
import { joinRequest } from '../../src/certificates/join.ts';
import { StoreError } from '../../src/errors.ts';
import { manualHost } from '../../src/host/index.ts';
import type { Target } from '../target.ts';

/*
 * What somebody without a certificate sends to join, and the line that a person copies, behind a byte that says which. Nobody is let in but with
 * the request of the seed itself; a line is read as what it is, or refused.
 */

const host = manualHost();
const authority = createAuthority(host);
const invitation = {
  address: 'node-1:7400',
  authorityHash: host.entropy.bytes(32),
  id: host.entropy.bytes(16),
  secret: host.entropy.bytes(32),
  untilMs: host.clock.now() - (host.clock.now() % 1000) + 3_600_000,
};
const { request } = joinRequest(host, invitation, 'node-2');
const record = {
  id: invitation.id.toString('hex'),
  secretHash: secretHash(invitation.secret),
  untilMs: invitation.untilMs,
};
let admitted = 0;
const join = joinServer({
  host,
  invitations: { add: async () => {}, find: async () => record, take: async () => true },
  authority: async () => authority,
  authorities: () => [authority.certificate],
  admit: async () => {
    admitted++;
    return Buffer.alloc(0);
  },
});

export const target: Target = {
  name: 'join',
  maximum: 2048,
  words: ['dsom-join:1/', '/', 'node-2', '\x01', '\xff\xff\xff\x7f', '0*\x30\x05\x06\x03\x2b\x65\x70'],
  seeds: () => [
    Buffer.concat([Buffer.from([0]), request]),
    Buffer.concat([Buffer.from([1]), Buffer.from(formatInvitation(invitation))]),
  ],
  async check(input) {
    const bytes = input.subarray(1);
    if (((input[0] ?? 0) & 1) === 1) {
      try {
        const read = parseInvitation(bytes.toString());
        assert.equal(formatInvitation(read), bytes.toString().trim());
      } catch (error) {
        assert.ok(error instanceof InvitationError, String(error));
      }
      return;
    }
    const before = admitted;
    try {
      await join({
        method: 'join',
        head: bytes,
        body: Buffer.alloc(0),
        node: '',
        signal: new AbortController().signal,
      });
      assert.ok(bytes.equals(request), 'another request was let in');
    } catch (error) {
      assert.ok(error instanceof StoreError && error.code === 'AccessDenied', String(error));
      assert.equal(admitted, before, 'who was refused was admitted');
    }
  },
};
