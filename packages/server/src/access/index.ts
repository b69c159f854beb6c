export { accountOf, firstAccount } from './account.ts';
export { createAuthenticator } from './authenticator.ts';
export { authorize, isFree, mayAtAll, type ResourceRules, unowned } from './authorize.ts';
export { type Identity, identityOf, type Standing } from './identity.ts';
export { decodePayload, decodeWhole } from './payload.ts';
export * from './policy/index.ts';
export { scopeOf } from './scopes.ts';
export { parseTarget, type Target } from './target.ts';
export type { Authenticator, CredentialKind, PayloadForm, Principal, SignedBy } from './types.ts';
