import { StoreError } from '../errors.ts';
import { limits } from '../limits.ts';

const label = /^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])$/;
const address = /^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$/;
const reservedStarts = ['xn--', 'sthree-', 'amzn-s3-demo-'];
const reservedEnds = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3'];

/**
 * The rules for names of general purpose buckets
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html).
 * @returns the rule that is broken, as a sentence; undefined when the name is good
 */
export function bucketNameFault(name: string): string | undefined {
  if (name.length < limits.bucketNameMin || name.length > limits.bucketNameMax) {
    return `A bucket name has ${limits.bucketNameMin} to ${limits.bucketNameMax} characters.`;
  }
  if (!label.test(name)) {
    return 'A bucket name has lower-case letters, digits, dots and hyphens, and begins and ends with a letter or digit.';
  }
  if (name.includes('..')) return 'A bucket name has no two dots in a row.';
  if (address.test(name)) return 'A bucket name does not look like an IP address.';
  if (reservedStarts.some((start) => name.startsWith(start)) || reservedEnds.some((end) => name.endsWith(end))) {
    return 'The bucket name begins or ends with a reserved word.';
  }
  return undefined;
}

/** @throws StoreError InvalidBucketName */
export function checkBucketName(name: string): void {
  const fault = bucketNameFault(name);
  if (fault) throw new StoreError('InvalidBucketName', { message: fault, detail: { BucketName: name.slice(0, 128) } });
}
