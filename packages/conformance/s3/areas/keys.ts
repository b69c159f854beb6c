import { area } from '../case.ts';
import { pathOf } from '../client.ts';
import { ok, refused, same } from '../expect.ts';
import type { Steps } from '../steps.ts';

const { cases, rule } = area('keys', 'userguide/object-keys');

const bucketOf = (t: Steps) => t.shared('a bucket for keys', (keeper) => keeper.bucket());

/* A key is "a sequence of Unicode characters with UTF-8 encoding of up to 1,024 bytes": nothing of it is a direction. */
const keys: readonly (readonly [string, string])[] = [
  ['of one character', 'a'],
  ['with letters, digits and the safe characters', "0aZ!-_.*'()"],
  ['that is a space', ' '],
  ['with a space at its end', 'ends '],
  ['with two spaces side by side', 'two  spaces'],
  ['with a plus sign', 'a+b'],
  ['with a percent sign', '100%'],
  ['that looks percent-encoded', 'a%2Fb%20c'],
  ['that looks percent-encoded twice', 'a%252Fb'],
  ['with an ampersand', 'a&b'],
  ['with an equals sign', 'a=b'],
  ['with a question mark', 'a?b=c'],
  ['with a number sign', 'a#b'],
  ['with a semicolon', 'a;b'],
  ['with a colon', 'a:b'],
  ['with a comma', 'a,b'],
  ['with an at sign', 'a@b'],
  ['with a dollar sign', 'a$b'],
  ['with a backslash', 'a\\b'],
  ['with braces', '{a}'],
  ['with brackets', '[a]'],
  ['with a caret', 'a^b'],
  ['with a backtick', 'a`b'],
  ['with a tilde', 'a~b'],
  ['with a bar', 'a|b'],
  ['with quotes', '"a"'],
  ['with an apostrophe', "a'b"],
  ['with angle brackets', '<a>'],
  ['with an entity of XML', '&amp;&#65;'],
  ['with a tab', 'a\tb'],
  ['with a line feed', 'a\nb'],
  ['with a carriage return', 'a\rb'],
  ['with a slash at its end', 'folder/'],
  ['with a slash at its beginning', '/rooted'],
  ['with two slashes side by side', 'a//b'],
  ['that is slashes only', '///'],
  ['with periods', 'a.b..c'],
  ['that is a period within a path', 'a/./b'],
  ['that is two periods within a path', 'a/../b'],
  ['that ends with two periods', 'a/..'],
  ['with an umlaut', 'größe'],
  ['with a combining character', 'e\u0301'],
  ['with Greek letters', 'αβγ'],
  ['with Chinese characters', '对象存储'],
  ['with Arabic letters', 'كائن'],
  ['with an emoji', 'key-🔑'],
  ['with a character of four bytes', '𐍈'],
  ['with a soft hyphen', 'soft\u00adhyphen'],
  ['with a zero width joiner', 'a\u200db'],
  ['that is a name of JavaScript', '__proto__'],
  ['that looks like a number', '007'],
  ['that looks like a subresource', 'acl'],
  ['that looks like the path of a system', 'etc/passwd'],
];
for (const [what, key] of keys)
  rule(`a key ${what} is written, read, listed and deleted`, async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, key, key);
    same(ok(await t.get(bucket, key)).body.toString(), key, 'content', ok(await t.head(bucket, key)));
    const listed = ok(await t.get(bucket, '', { query: { 'list-type': '2', 'encoding-type': 'url' } }));
    same(
      listed.texts('Key').map((text) => decodeURIComponent(text.replaceAll('+', ' '))),
      [key],
      'listed keys',
      listed,
    );
    ok(await t.remove(bucket, key), 204);
    refused(await t.get(bucket, key), 'NoSuchKey');
  });

rule('keys that differ in case are different keys', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'CASE', 'upper');
  await t.put(bucket, 'case', 'lower');
  const answer = ok(await t.get(bucket, 'CASE'));
  same(answer.body.toString(), 'upper', 'content', answer);
});
rule('keys are not normalised: composed and decomposed characters are different keys', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'u\u0308', 'decomposed');
  refused(await t.get(bucket, '\u00fc'), 'NoSuchKey');
});
rule('a key and the same key with a slash behind it are different keys', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'folder', 'file');
  refused(await t.get(bucket, 'folder/'), 'NoSuchKey');
});
rule('two slashes side by side are not one', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'one/slash', 'x');
  refused(await t.get(bucket, 'one//slash'), 'NoSuchKey');
});
rule('two periods do not lead up', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'up/target', 'x');
  refused(await t.get(bucket, 'up/below/../target'), 'NoSuchKey');
});
rule(
  'an escaped slash in a path is a slash of the key',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'escaped/slash', 'x');
    const spoil = (sent: { target: string }) => {
      sent.target = sent.target.replace('escaped/slash', 'escaped%2Fslash');
    };
    ok(await t.get(bucket, 'escaped/slash', { signing: { spoil } }));
  },
  { source: 'API/sig-v4-header-based-auth' },
);
rule(
  'an escaped letter in a path is that letter',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'letter', 'x');
    // What is signed is the key, encoded as the documentation says; what is sent is another form of it.
    const spoil = (sent: { target: string }) => {
      sent.target = sent.target.replace('letter', '%6Cetter');
    };
    ok(await t.get(bucket, 'letter', { signing: { spoil } }));
  },
  { source: 'API/sig-v4-header-based-auth' },
);
rule('a plus sign in a path is a plus sign, not a space', async (t) => {
  const bucket = await bucketOf(t);
  await t.put(bucket, 'plus+plus', 'plus');
  await t.put(bucket, 'plus plus', 'space');
  const answer = ok(await t.get(bucket, 'plus+plus'));
  same(answer.body.toString(), 'plus', 'content', answer);
});
for (const [what, key] of [
  ['1,024 letters', 'k'.repeat(1024)],
  ['512 letters of two bytes', 'ä'.repeat(512)],
  ['256 characters of four bytes', '🔑'.repeat(256)],
  ['1,024 bytes of short segments', `${'ab/'.repeat(341)}c`],
] as const)
  rule(`a key may have 1,024 bytes: ${what}`, async (t) => {
    const bucket = await t.bucket();
    await t.put(bucket, key, 'x');
    ok(await t.get(bucket, key));
  });
for (const [what, key] of [
  ['1,025 letters', 'k'.repeat(1025)],
  ['513 letters of two bytes', 'ä'.repeat(513)],
  ['2,000 letters', 'k'.repeat(2000)],
] as const) {
  for (const method of ['PUT', 'GET', 'DELETE'] as const)
    rule(
      `${method} of a key of more than 1,024 bytes is refused with KeyTooLongError: ${what}`,
      async (t) => {
        refused(await t.send(method, await bucketOf(t), key), 'KeyTooLongError');
      },
      { source: 'API/ErrorResponses' },
    );
}
rule(
  'KeyTooLongError says how long the key is and may be',
  async (t) => {
    const answer = refused(await t.send('PUT', await bucketOf(t), 'k'.repeat(1030)), 'KeyTooLongError');
    same([answer.text('Size'), answer.text('MaxSizeAllowed')], ['1030', '1024'], 'Size and MaxSizeAllowed', answer);
  },
  { source: 'API/ErrorResponses' },
);
rule(
  'a key of CreateMultipartUpload of more than 1,024 bytes is refused with KeyTooLongError',
  async (t) => {
    refused(await t.send('POST', await bucketOf(t), 'k'.repeat(1025), { query: { uploads: '' } }), 'KeyTooLongError');
  },
  { source: 'API/ErrorResponses' },
);
rule(
  'a key of CopyObject of more than 1,024 bytes is refused with KeyTooLongError',
  async (t) => {
    const bucket = await bucketOf(t);
    await t.put(bucket, 'short', 'x');
    const headers = { 'x-amz-copy-source': pathOf(bucket, 'short') };
    refused(await t.send('PUT', bucket, 'k'.repeat(1025), { headers }), 'KeyTooLongError');
  },
  { source: 'API/ErrorResponses' },
);
for (const [what, path] of [
  ['that ends within an escape', 'cut%4'],
  ['with an escape of no hexadecimal digits', 'not%ZZhex'],
] as const)
  rule(
    `a path ${what} is refused with InvalidURI`,
    async (t) => {
      refused(await t.at('GET', `/${await bucketOf(t)}/${path}`), 'InvalidURI');
    },
    { source: 'API/ErrorResponses' },
  );

export const keyCases = cases;
