export { accountOf, canonicalIdOf, firstAccount, ownerOf } from './account.ts';
export {
  encodeAcl,
  type Grant,
  type Grantee,
  type Group,
  granted,
  grantsOf,
  groups,
  isCanonicalId,
  isPublicAcl,
  type Permission,
  permissions,
  readableGrants,
} from './acl.ts';
export { createAuthenticator } from './authenticator.ts';
export {
  type Attempt,
  asksFor,
  authorize,
  isFree,
  isUndenied,
  mayAtAll,
  type ResourceRules,
  unowned,
} from './authorize.ts';
export * from './identities/index.ts';
export { type Identity, identityOf, type Standing } from './identity.ts';
export { KeyUses } from './key-uses.ts';
export { decodePayload, decodeWhole } from './payload.ts';
export * from './policy/index.ts';
export { type QuotaHolder, type QuotaStatus, Quotas } from './quotas.ts';
export * from './rates/index.ts';
export { scopeOf } from './scopes.ts';
export { type SigningKeys, signedHeaders, unsignedPayload } from './sign.ts';
export { parseTarget, parseWebsiteTarget, type Target, type WebsiteNames, websiteBucket } from './target.ts';
export type {
  Authenticated,
  AuthenticatedKey,
  Authenticator,
  CredentialKind,
  PayloadForm,
  Principal,
  SignedBy,
} from './types.ts';
