export {
  type Authority,
  authorityHash,
  createAuthority,
  decodeAuthority,
  encodeAuthority,
  issueCertificate,
  issueMachineCertificate,
} from './authority.ts';
export { newKey, privatePem, publicDer } from './certificate.ts';
export { type CredentialsOptions, type Issued, isDue, type NodeCredentials, openCredentials } from './credentials.ts';
export { IdentityError, issuerOf, loadIdentity, type NodeIdentity, storeIdentity } from './identity.ts';
export {
  createInvitation,
  InvitationError,
  type InvitationRecord,
  type InvitationStore,
  memoryInvitations,
} from './invitation.ts';
export { type JoinClient, type Joined, type JoinServer, joinCluster, joinServer } from './join.ts';
