const KiB = 1024;

/** Bounds of access policies: who may do what. Part of `limits`. Bytes unless the name says otherwise. */
export const policyLimits = {
  /** Text of the policy of a bucket (S3: 20 KB). */
  bucketPolicyBytes: 20 * KiB,
  /** Of an identity, a boundary or a session (IAM: 6144 managed, 10,240 inline in a role). */
  identityPolicyBytes: 10 * KiB,
  /** Of who may take a role (IAM: 4096 at most). */
  trustPolicyBytes: 4 * KiB,
  policyStatements: 256,
  /** Values in one list of a policy. */
  policyValues: 1024,
  /** Levels of nesting; the language needs five. */
  policyDepth: 8,
  /** Characters of a Sid. */
  policySidChars: 128,
  /** Actions whose statements one compiled policy remembers. */
  policyActionsKept: 128,
  /** Addresses of clients that a thread keeps as numbers. */
  policyAddressesKept: 1024,
  /** Roles and buckets of access keys that are kept as compiled policies. */
  scopesCompiled: 1024,
  /** Grants of an access control list (S3: 100). */
  aclGrants: 100,
  /** Of an access control list as it is kept. */
  aclBytes: 16 * KiB,
  /** Policies of buckets that a thread keeps compiled. */
  bucketPolicies: 256,
  /** A form but for the bytes of its file (S3: 20 KB). */
  formBytes: 20_000,
  /** Conditions of the policy of a form. */
  formConditions: 200,
} as const;
