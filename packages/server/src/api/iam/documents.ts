import { PolicyError, type PolicyKind, parsePolicy } from '../../access/index.ts';
import { StoreError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { IdentityCall } from './call.ts';
import { rules } from './parameters.ts';

/** Characters that count towards the limits of IAM: white space does not. */
export const counted = (document: string): number => document.replace(/[\t\n\r ]/g, '').length;

/** @throws StoreError MalformedPolicyDocument, which says where and what to write instead */
export function checkDocument(document: string, kind: PolicyKind): void {
  try {
    parsePolicy(document, { kind });
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    throw new StoreError('MalformedPolicyDocument', { message: error.message });
  }
}

/** The document of a managed or inline policy that a request brings. */
export function identityDocument(call: IdentityCall): string {
  const document = call.parameters.required('PolicyDocument', rules.document);
  checkDocument(document, 'identity');
  return document;
}

export function managedDocument(call: IdentityCall): string {
  const document = identityDocument(call);
  if (counted(document) > limits.managedPolicyChars)
    throw new StoreError('LimitExceeded', {
      message: `Cannot exceed quota for PolicySize: ${limits.managedPolicyChars}`,
    });
  return document;
}

/** @param parameter `AssumeRolePolicyDocument` or `PolicyDocument` */
export function trustDocument(call: IdentityCall, parameter: string): string {
  const document = call.parameters.required(parameter, rules.document);
  checkDocument(document, 'trust');
  return document;
}
