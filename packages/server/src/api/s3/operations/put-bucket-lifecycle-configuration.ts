import { StoreError } from '../../../errors.ts';
import { configurationBytes } from '../../../metadata/index.ts';
import { type LifecycleRule, transitionClasses, waterfallRank } from '../../../objects/index.ts';
import { answerEmpty, answerHeaders, header, type S3Call } from '../call.ts';
import { documentOf } from '../configurations/form.ts';
import { lifecycleForm, minimumHeader, minimumOf, parseRules } from '../configurations/lifecycle.ts';
import { requireDocument } from '../incoming.ts';
import { malformed } from '../xml/parser.ts';

/** @throws StoreError MalformedXML at a class that nobody knows; InvalidStorageClass at one of S3 that stands for nothing here */
function checkClasses(call: S3Call, rules: readonly LifecycleRule[]): void {
  const known = call.service.objects.storageClasses();
  for (const { transitions, noncurrentTransitions } of rules)
    for (const { storageClass } of [...transitions, ...noncurrentTransitions]) {
      if (known.includes(storageClass)) continue;
      if (!transitionClasses.includes(storageClass)) throw malformed(`There is no storage class ${storageClass}.`);
      throw new StoreError('InvalidStorageClass', {
        message: `The storage class ${storageClass} stands for nothing here: define it with \`dsom policy set ${storageClass} …\`, or move objects to one of ${known.filter((name) => waterfallRank(name) !== 0).join(', ')}.`,
        detail: { StorageClass: storageClass },
      });
    }
}

export async function putBucketLifecycleConfiguration(call: S3Call): Promise<void> {
  const minimum = minimumOf(header(call, minimumHeader));
  const { kind, root, digest } = lifecycleForm;
  const rules = parseRules((await requireDocument(call, root, digest, configurationBytes(kind))).children);
  checkClasses(call, rules);
  await call.service.objects.configure(call.bucket, kind, documentOf(lifecycleForm, { minimum, rules }));
  const headers = answerHeaders(call);
  headers.push(minimumHeader, minimum);
  answerEmpty(call, 200, headers);
}
