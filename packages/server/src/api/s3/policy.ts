import { accountOf, authorize, CompiledPolicy, isPublic, PolicyError, parsePolicy } from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import { publicAccessOf } from './bucket-rules.ts';
import { header, type S3Call } from './call.ts';

/*
 * What may become the policy of a bucket (https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html).
 */

/** Policies are for the account that owns the bucket, whoever it lets do what. @throws StoreError MethodNotAllowed, NoSuchBucket */
export function requireOwnAccount(call: S3Call): void {
  const { owner } = call.service.objects.bucket(call.bucket);
  if (accountOf(owner) !== call.authorization.identity.account)
    throw new StoreError('MethodNotAllowed', {
      message: 'The policy of a bucket is for identities of the account that owns it.',
      detail: { Method: call.exchange.request.method ?? '', ResourceType: 'BUCKETPOLICY' },
    });
}

/** Reads a policy for the bucket of a call. @throws StoreError MalformedPolicy */
function policyIn(call: S3Call, bytes: Buffer): CompiledPolicy {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return new CompiledPolicy(parsePolicy(text, { kind: 'resource', bucket: call.bucket }));
  } catch (cause) {
    const message =
      cause instanceof PolicyError ? `Not a policy for this bucket: ${cause.message}` : 'A policy is JSON in UTF-8.';
    throw new StoreError('MalformedPolicy', { message, cause });
  }
}

/** Whether whoever sets the policy could set another under it. */
function mayGoOn(call: S3Call, policy: CompiledPolicy): boolean {
  const { identity } = call.authorization;
  const account = accountOf(call.service.objects.bucket(call.bucket).owner);
  const resource = `arn:aws:s3:::${call.bucket}`;
  const context = call.authorization.contextOf('PutBucketPolicy', call.bucket);
  return authorize(identity, { action: 's3:PutBucketPolicy', resource, rules: { account, policy }, context }).allowed;
}

/**
 * Checks what shall be the policy of the bucket.
 * @throws StoreError MalformedPolicy; AccessDenied for a policy that is public where that is blocked, or that locks its author out
 */
export function screenPolicy(call: S3Call, bytes: Buffer): void {
  const compiled = policyIn(call, bytes);
  if (isPublic(compiled.policy) && publicAccessOf(call.service.objects, call.bucket).BlockPublicPolicy)
    throw new StoreError('AccessDenied', {
      message:
        'The policy is public, and BlockPublicPolicy is on for the bucket: name principals, or take the block of public access away first.',
    });
  const confirmed = header(call, 'x-amz-confirm-remove-self-bucket-access')?.toLowerCase() === 'true';
  if (!confirmed && !mayGoOn(call, compiled))
    throw new StoreError('AccessDenied', {
      message:
        'Under this policy you could not change it any more: allow yourself s3:PutBucketPolicy, or say x-amz-confirm-remove-self-bucket-access: true.',
    });
}
