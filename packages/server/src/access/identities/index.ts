export {
  Administration,
  type AdministrationOptions,
  type IdentityDraft,
  type MadeKey,
  noSuchEntity,
} from './administration.ts';
export { groupArn, readPolicyArn, readRoleArn, roleArn, rootArn, sessionArn, userArn } from './arns.ts';
export { type BuiltInPolicy, builtInPolicies, builtInPolicy, isBuiltIn } from './built-in.ts';
export { Directory } from './directory.ts';
export { type Session, SessionTokens } from './session.ts';
