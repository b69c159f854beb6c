const KiB = 1024;

/**
 * Bounds of accounts, identities, sessions and named keys; a part of `limits`. Figures are the quotas of IAM and STS where they have one
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html). Bytes unless the name says otherwise.
 */
export const identityLimits = {
  accounts: 1000,
  /** Buckets and tenants whose quotas are in the metrics. */
  quotaSeries: 200,
  /** Over several shards: a quota is near when it leaves room for fewer writes like the one to be decided; how many of those of one tenant may wait in a shard to be decided one by one, and for how long, ms: less than whoever asked the owner waits for him. */
  quotaNearWrites: 1000,
  quotaNearWaiting: 4096,
  quotaNearMs: 4000,
  /** Of all accounts together. */
  accessKeys: 10_000,
  /** Of one account. */
  users: 5000,
  userGroups: 500,
  roles: 1000,
  managedPolicies: 1500,
  /** Access keys whose uses one thread has noted and not written; how often it writes, and how often the use of one key at most. */
  keyUsesNoted: 1024,
  keyUseWriteMs: 60_000,
  keyUseEveryMs: 15 * 60_000,
  /** How long a server that stops waits for the last of them. */
  keyUseCloseMs: 1000,
  /** Characters of the names of a user, role or account, and of a group or policy; of a path; of a description. */
  userNameChars: 64,
  groupNameChars: 128,
  identityPathChars: 512,
  descriptionChars: 1000,
  emailChars: 320,
  /** Managed policies that one user, group or role has; groups that a user is in; tags; access keys of a user. */
  attachedPolicies: 20,
  groupsOfUser: 10,
  identityTags: 50,
  userAccessKeys: 2,
  /** Versions of a managed policy. */
  policyVersions: 5,
  /** Characters of a managed policy, and of all inline policies together of a user, group and role (white space is not counted). */
  managedPolicyChars: 6144,
  inlineChars: { user: 2048, group: 5120, role: 10_240 },
  inlinePolicies: 64,
  /** One identity as it is kept. */
  identityBytes: 64 * KiB,
  /** Body of a request to IAM or STS, which is taken whole before its signature can be checked; parameters in it, and items on one page of an answer. */
  identityRequestBytes: 64 * KiB,
  identityParameters: 400,
  identityPage: 1000,
  /** Users and roles that one thread keeps with their policies compiled, and sessions that it keeps opened. */
  identitiesCompiled: 1024,
  sessionsOpened: 1024,
  /** A session token as it is sent. */
  sessionTokenBytes: 8 * KiB,
  /** Characters of a session policy; managed policies and tags that a session is given. */
  sessionPolicyChars: 2048,
  sessionPolicyArns: 10,
  /** Seconds that a session lasts: least, most of a role, and most of a session of a user and of root. */
  sessionSecondsMin: 900,
  roleSessionSecondsMax: 12 * 3600,
  chainedSessionSeconds: 3600,
  userSessionSecondsMax: 36 * 3600,
  /** Times that a change of an identity is tried again when somebody else changed it meanwhile. */
  identityRetries: 8,
  /** Named keys (SSE-KMS) of the store, versions of one, characters of a name. */
  kmsKeys: 1000,
  kmsKeyVersions: 100,
  kmsKeyNameChars: 64,
  /** An encryption context, as the JSON that it is. */
  kmsContextBytes: KiB,
  /** Versions of named keys that one thread keeps opened. */
  openKmsKeys: 1024,
} as const;
