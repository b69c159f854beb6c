export { createAuthenticator } from './authenticator.ts';
export { decodePayload, decodeWhole } from './payload.ts';
export { permits } from './permits.ts';
export * from './policy/index.ts';
export { scopeOf } from './scopes.ts';
export { parseTarget, type Target } from './target.ts';
export type { AccessQuestion, Authenticator, CredentialKind, PayloadForm, Principal } from './types.ts';
