/** Bounds of named keys; a part of `limits`. Bytes unless the name says otherwise. */
export const kmsLimits = {
  kmsKeys: 1000,
  /** Of one key: each rotation adds one. */
  kmsKeyVersions: 100,
  /** Characters of a name. */
  kmsKeyNameChars: 64,
  /** An encryption context, as the JSON that it is. */
  kmsContextBytes: 1024,
  /** Versions of named keys that one thread keeps opened. */
  openKmsKeys: 1024,
} as const;
