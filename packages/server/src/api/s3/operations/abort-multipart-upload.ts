import { answerEmpty, type S3Call } from '../call.ts';
import { uploadIdOf } from '../multipart.ts';

export async function abortMultipartUpload(call: S3Call): Promise<void> {
  await call.service.objects.abortUpload(call.bucket, call.key, uploadIdOf(call));
  answerEmpty(call, 204);
}
