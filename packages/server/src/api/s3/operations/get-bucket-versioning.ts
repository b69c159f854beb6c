import { answerXml, type S3Call } from '../call.ts';
import { s3Document } from '../xml/writer.ts';

/** Nothing is said of a bucket that never had versions. */
const states = { off: '', enabled: '<Status>Enabled</Status>', suspended: '<Status>Suspended</Status>' };

export function getBucketVersioning(call: S3Call): void {
  answerXml(call, s3Document('VersioningConfiguration', states[call.service.objects.bucket(call.bucket).versioning]));
}
