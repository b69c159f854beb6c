/** When an access key was used last, and for what. */
export interface KeyUse {
  /** ms since 1970. */
  readonly ms: number;
  /** As in the scope of a signature: `s3`, `iam`, `sts`. */
  readonly service: string;
  readonly region: string;
}
