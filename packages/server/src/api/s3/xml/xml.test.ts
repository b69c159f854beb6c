import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { StoreError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { allowOnly, childOf, parseXml, textOf, type XmlElement } from './parser.ts';
import { element, encodeUrl, escapeXml, keyText, s3Document } from './writer.ts';

const parse = (text: string) => parseXml(Buffer.from(text));
const refused = (text: string | Buffer) =>
  assert.throws(
    () => parseXml(Buffer.from(text as string)),
    (error: unknown) => error instanceof StoreError && error.code === 'MalformedXML',
    text.toString().slice(0, 80),
  );

describe('the XML parser', () => {
  it('reads elements, text, attributes, entities, CDATA and comments', () => {
    const root = parse(
      '\ufeff<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<!-- hi -->\n<s3:Delete xmlns:s3="http://x/" a=\'1\'>\n <Object><Key> a&amp;b&lt;&#x1F511;&#33;<![CDATA[<c>&]]>\r\nd </Key></Object><Quiet/><!-- > --> </s3:Delete>\n',
    );
    assert.equal(root.name, 'Delete');
    assert.deepEqual(
      root.children.map((child) => child.name),
      ['Object', 'Quiet'],
    );
    assert.equal(textOf(root.children[0]!, 'Key'), ' a&b<🔑!<c>&\nd ');
    assert.equal(textOf(root, 'Quiet'), '');
    assert.equal(textOf(root, 'Nothing'), undefined);
  });

  it('refuses document types, and with them every entity bomb', () => {
    refused('<!DOCTYPE Delete [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Delete>&b;</Delete>');
    refused('<!DOCTYPE Delete SYSTEM "file:///etc/passwd"><Delete/>');
    refused('<Delete><!ENTITY a "b"></Delete>');
    refused('<Delete>&a;</Delete>');
    refused('<Delete>&amp</Delete>');
    refused('<Delete>& </Delete>');
    refused('<?xml version="1.0"?><?xml-stylesheet href="x"?><Delete/>');
    refused('<Delete><?php x ?></Delete>');
  });

  it('refuses what is not well formed', () => {
    for (const bad of [
      '',
      ' ',
      'text',
      '<',
      '<a',
      '<a>',
      '<a></b>',
      '<a/><b/>',
      '<a/>text',
      'text<a/>',
      '</a>',
      '<a b></a>',
      '<a b=c/>',
      '<a b="1" b="2"/>',
      '<a b="<"/>',
      '<1/>',
      '<a><b></a></b>',
      '<a>]]></a>',
      '<a><!-- -- --></a>',
      '<a><!-- </a>',
      '<a><![CDATA[</a>',
      '<![CDATA[x]]>',
      '<a>&#0;</a>',
      '<a>&#xD800;</a>',
      '<a>&#xFFFF;</a>',
      '<a>&#99999999;</a>',
      '<a>\u0001</a>',
      '<a>x<b/></a>',
      '<?xml version="2.0"?><a/>',
      '<?xml version="1.0" encoding="UTF-16"?><a/>',
      '<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
      ' <?xml version="1.0"?><a/>',
      '<a:b:c/>',
      '<a / >',
      '< a/>',
    ])
      refused(bad);
    refused(Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]));
    refused(Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('<a/>', 'utf16le')]));
  });

  it('bounds depth, elements, attributes and size', () => {
    refused('<a>'.repeat(1_000_000 / 4));
    assert.equal(parse('<a>'.repeat(limits.xmlDepth) + '</a>'.repeat(limits.xmlDepth)).name, 'a');
    refused('<a>'.repeat(limits.xmlDepth + 1) + '</a>'.repeat(limits.xmlDepth + 1));
    refused(`<r>${'<a/>'.repeat(limits.xmlElements)}</r>`);
    refused(`<r ${Array.from({ length: 100 }, (_, i) => `a${i}="x"`).join(' ')}/>`);
    refused(`<r>${'x'.repeat(limits.documentBytes)}</r>`);
  });

  it('takes no longer than its input is long', () => {
    const started = process.cpuUsage().user;
    for (const bad of [
      `<a ${' '.repeat(1_000_000)}`,
      `<a ${'b'.repeat(1_000_000)}`,
      `<${'a'.repeat(1_000_000)}`,
      `<a>${'&'.repeat(1_000_000)}`,
      `<a>${'<!---->'.repeat(200_000)}`,
      `<a b="${'x'.repeat(1_000_000)}`,
      `<a>${'\r'.repeat(1_000_000)}</a><`,
    ])
      refused(bad);
    assert.ok(process.cpuUsage().user - started < 2_000_000);
  });

  it('finds duplicates and strangers', () => {
    const root = parse('<a><b/><b/><c><d/></c></a>');
    assert.throws(() => childOf(root, 'b'), /more than once/);
    assert.throws(() => textOf(root, 'c'), /text only/);
    assert.throws(() => allowOnly(root, ['b']), /element c/);
    allowOnly(root, ['b', 'c']);
  });

  it('gives back what the writer wrote', () => {
    const text = fc
      .string({ unit: 'grapheme', maxLength: 30 })
      .map((s) => s.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '').toWellFormed());
    const tree: fc.Arbitrary<XmlElement> = fc.letrec<{ node: XmlElement }>((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        text.map((value) => ({ name: 'Leaf', children: [], text: value })),
        fc.array(tie('node'), { minLength: 1, maxLength: 3 }).map((children) => ({ name: 'Node', children, text: '' })),
      ),
    })).node;
    const write = ({ name, children, text: value }: XmlElement): string =>
      children.length > 0 ? `<${name}>${children.map(write).join('')}</${name}>` : element(name, value);
    const bare = ({ name, children, text: value }: XmlElement): XmlElement => ({
      name,
      children: children.map(bare),
      text: value,
    });
    fc.assert(
      fc.property(tree, (value) => {
        const root = parse(s3Document('Root', write(value)));
        assert.deepEqual(bare(root.children[0]!), value);
      }),
      { numRuns: 300 },
    );
  });

  it('survives any bytes: it parses, or answers MalformedXML', () => {
    const pieces = fc.array(
      fc.constantFrom(
        '<',
        '>',
        '/',
        'a',
        'Key',
        '="',
        '"',
        '&',
        ';',
        '#',
        'x',
        '<![CDATA[',
        ']]>',
        '<!--',
        '-->',
        '<?xml',
        '?>',
        ' ',
        '\0',
        'é',
        '<!DOCTYPE',
        '</a>',
        '<a>',
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
          pieces.map((list) => Buffer.from(list.join(''))),
        ),
        (bytes) => {
          try {
            parseXml(bytes);
          } catch (error) {
            assert.ok(error instanceof StoreError && error.code === 'MalformedXML');
          }
        },
      ),
      { numRuns: 5000 },
    );
  });
});

describe('the XML writer', () => {
  it('escapes markup, and control characters as references', () => {
    assert.equal(escapeXml(`<a&'b'">`), '&lt;a&amp;&apos;b&apos;&quot;&gt;');
    assert.equal(escapeXml('a\u0001\r\n\t'), 'a&#x1;&#xD;&#xA;&#x9;');
    assert.equal(element('Prefix', ''), '<Prefix/>');
    assert.equal(element('Size', 0), '<Size>0</Size>');
    assert.equal(element('Marker', undefined), '');
  });

  it('encodes keys for encoding-type=url so that both kinds of decoder read them', () => {
    assert.equal(encodeUrl(Buffer.from('foo+1/bar')), 'foo%2B1/bar');
    assert.equal(encodeUrl(Buffer.from('quux ab/thud')), 'quux%20ab/thud');
    assert.equal(keyText(Buffer.from('a<\u0001'), false), 'a&lt;&#x1;');
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed()),
        (key) => assert.equal(decodeURIComponent(encodeUrl(Buffer.from(key))), key),
      ),
    );
  });
});
