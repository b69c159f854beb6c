/**
 * Cases in which DSOM does something else on purpose: "area: rule", and the row of "Differences" in docs/s3-compatibility.md that says so (its first
 * cell). A test checks that these cases differ, that no other does, and that the rows are there.
 */
export const differences: Readonly<Record<string, string>> = {
  'listing: ListObjects with encoding-type=url writes a space as a plus sign': '`encoding-type=url`',
  'listing: ListObjectsV2 with encoding-type=url writes a space as a plus sign': '`encoding-type=url`',
  'conditions of writes: PutObject with If-None-Match of an ETag is refused with NotImplemented: it expects *':
    'PutObject with `If-None-Match: "etag"`',
  'conditions of writes: CompleteMultipartUpload with If-None-Match of an ETag is refused with NotImplemented: it expects *':
    'PutObject with `If-None-Match: "etag"`',
  'checksums: an object that came without a checksum gets a CRC64NVME': 'an object without a checksum of its client',
  'named keys: the ETag of an object under a named key is not the MD5 of its bytes':
    'ETag of an object with a named key',
  'configurations: GetPublicAccessBlock of a new bucket answers BlockPublicAcls true, IgnorePublicAcls true, BlockPublicPolicy true, RestrictPublicBuckets true':
    'a bucket that is new, GetPublicAccessBlock',
};
