import { StoreError } from '../../../errors.ts';
import type { KmsChoice } from '../../../objects/index.ts';
import { answerEmpty, type S3Call } from '../call.ts';
import { requireDocument } from '../incoming.ts';
import { isKmsKeyArn } from '../kms.ts';
import { allowOnly, childOf, textOf, type XmlElement } from '../xml/parser.ts';

/* In the words of AWS (https://docs.aws.amazon.com/AmazonS3/latest/API/API_UpdateObjectEncryption.html). */
const invalid = (message: string): StoreError =>
  new StoreError('InvalidRequest', { message: `${message}, and then try again.` });

/** @throws StoreError InvalidRequest; MalformedXML */
function choiceOf(document: XmlElement): KmsChoice {
  const [type, ...others] = document.children.map(({ name }) => name);
  if (type !== undefined && ['DSSE-KMS', 'SSE-C'].includes(type))
    throw invalid(
      "The UpdateObjectEncryption operation doesn't support updating the encryption type to DSSE-KMS or SSE-C. Modify the request to specify SSE-KMS for the updated encryption type",
    );
  if (type !== 'SSE-KMS' || others.length > 0)
    throw invalid(
      'Requests that modify an object encryption configuration require a valid new encryption type. Valid values are SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type',
    );
  const named = childOf(document, 'SSE-KMS') as XmlElement;
  allowOnly(named, ['KMSKeyArn', 'BucketKeyEnabled']);
  const key = textOf(named, 'KMSKeyArn')?.trim();
  if (key === undefined || key === '')
    throw invalid(
      "Requests that modify an object's encryption type to SSE-KMS require an AWS KMS key Amazon Resource Name (ARN). Modify the request to specify a KMS key ARN",
    );
  if (!isKmsKeyArn(key))
    throw invalid(
      "Requests that modify an object's encryption type to SSE-KMS require a valid AWS KMS key Amazon Resource Name (ARN). Confirm that you have a correctly formatted KMS key ARN in your request",
    );
  const bucketKey = textOf(named, 'BucketKeyEnabled')?.trim() ?? 'false';
  if (bucketKey !== 'true' && bucketKey !== 'false')
    throw invalid(
      "The BucketKeyEnabled value isn't valid. Valid values are true or false. Modify the request to specify a valid value",
    );
  return { algorithm: 'aws:kms', key, context: Buffer.alloc(0), bucketKey: bucketKey === 'true' };
}

export async function updateObjectEncryption(call: S3Call): Promise<void> {
  const choice = choiceOf(await requireDocument(call, 'ObjectEncryption', 'required'));
  if (call.principal.kind === 'anonymous')
    throw invalid(
      'Requests that modify an object encryption configuration require AWS Signature Version 4. Modify the request to use AWS Signature Version 4',
    );
  const { bucket, key, query } = call;
  await call.service.objects.rewrap({ bucket, key, versionId: query.get('versionId') }, choice);
  answerEmpty(call, 200);
}
