import type { Plant } from './plant.ts';

const policy = 'src/api/s3/policy.test.ts';

/** Who may: from policies of buckets to the requests that they decide. */
export const enforcementPlants: readonly Plant[] = [
  {
    name: 'enforcement: a policy that cannot be read says nothing',
    file: 'src/api/s3/bucket-rules.ts',
    find: '    return denial;',
    replace: '    return { compiled: new CompiledPolicy({ ...unreadable, statements: [] }), public: false };',
    tests: [policy],
  },
  {
    name: 'enforcement: a policy that was compiled counts for ever',
    file: 'src/api/s3/bucket-rules.ts',
    find: 'if (known && (known.bytes === bytes || known.bytes.equals(bytes))) return known.policy;',
    replace: 'if (known) return known.policy;',
    tests: [policy],
  },
  {
    name: 'enforcement: a public policy counts for everybody, restricted or not',
    file: 'src/api/s3/bucket-rules.ts',
    find: 'publicAccessOf(objects, name).RestrictPublicBuckets',
    replace: 'false',
    tests: [policy],
  },
  {
    name: 'enforcement: public policies are taken although they are blocked',
    file: 'src/api/s3/policy.ts',
    find: 'if (isPublic(compiled.policy) &&',
    replace: 'if (false &&',
    tests: [policy],
  },
  {
    name: 'enforcement: a blocking that cannot be read blocks nothing',
    file: 'src/api/s3/bucket-rules.ts',
    find: '    return everything;',
    replace: '    return nothing;',
    tests: [policy],
  },
  {
    name: 'enforcement: another account may change the policy',
    file: 'src/api/s3/policy.ts',
    find: 'if (accountOf(owner) !== call.authorization.identity.account)',
    replace: 'if (false)',
    tests: [policy],
  },
  {
    name: 'enforcement: an author locks himself out unasked',
    file: 'src/api/s3/policy.ts',
    find: 'if (!confirmed &&',
    replace: 'if (false &&',
    tests: [policy],
  },
  {
    name: 'enforcement: one question for all objects of a batch',
    file: 'src/api/s3/operations/delete-objects.ts',
    find: '(await may(item))',
    replace: '(await may(named[0]!))',
    tests: [policy],
  },
  {
    name: 'enforcement: who may not list is told which keys there are',
    file: 'src/api/s3/permission.ts',
    find: 'buckets.every((one) => authorization.mayList(one)) ? error',
    replace: 'buckets.length > 0 ? error',
    tests: [policy],
  },
  {
    name: 'enforcement: the tags of a source are not looked at',
    file: 'src/api/s3/permissions.ts',
    find: "tagged: one.target === 'source' ||",
    replace: 'tagged:',
    tests: ['src/api/s3/policy-conditions.test.ts'],
  },
  {
    name: 'enforcement: tags of a source go along unasked',
    file: 'src/api/s3/operations/copy-object.ts',
    find: 'if (!newTags) await requireCopiedTags(call, source);',
    replace: '',
    tests: [policy],
  },
  {
    name: 'enforcement: tags in a document are not asked about',
    file: 'src/api/s3/operations/put-object-tagging.ts',
    find: "await call.authorization.require('PutObjectTagging', { ...factsOf(call), said: { tags } });",
    replace: '',
    tests: ['src/api/s3/policy-conditions.test.ts'],
  },
  {
    name: 'enforcement: a narrow condition does not make a policy less public, and a wide one does',
    file: 'src/access/policy/public.ts',
    find: "if (ifExists || quantifier === 'ForAllValues') return false;",
    replace: '',
    tests: ['src/access/policy/public.test.ts'],
  },
];
