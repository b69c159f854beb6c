import assert from 'node:assert/strict';
import { parseXml, type XmlElement } from '../../src/api/s3/xml/parser.ts';
import { element, s3Document } from '../../src/api/s3/xml/writer.ts';
import { StoreError } from '../../src/errors.ts';
import { limits } from '../../src/limits.ts';
import type { Target } from '../target.ts';

/* A document of a request. What is parsed keeps to its bounds, and written again it is parsed to the same. */

function written({ name, children, text }: XmlElement): string {
  return children.length > 0 ? `<${name}>${children.map(written).join('')}</${name}>` : element(name, text);
}

function bare({ name, children, text }: XmlElement): XmlElement {
  return { name, children: children.map(bare), text };
}

/** Elements, and levels of them. */
function measure(root: XmlElement): { count: number; depth: number } {
  let count = 1;
  let depth = 0;
  for (const child of root.children) {
    const below = measure(child);
    count += below.count;
    depth = Math.max(depth, below.depth);
  }
  return { count, depth: depth + 1 };
}

function parse(bytes: Buffer): XmlElement | undefined {
  try {
    return parseXml(bytes);
  } catch (error) {
    if (error instanceof StoreError && error.code === 'MalformedXML') return undefined;
    throw error;
  }
}

export const target: Target = {
  name: 'xml',
  maximum: 4096,
  words: [
    '<',
    '>',
    '/>',
    '</',
    '<Key>',
    '</Key>',
    '<Object>',
    '</Object>',
    '<a:b xmlns:a="c">',
    ' a="b"',
    " a='b'",
    '&amp;',
    '&lt;',
    '&#0;',
    '&#x1F511;',
    '&#xD800;',
    '&#13;',
    '&a;',
    '<![CDATA[',
    ']]>',
    '<!--',
    '-->',
    '<!DOCTYPE a [<!ENTITY b "c">]>',
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<?a?>',
    '\r\n',
    '\0',
    '\xef\xbb\xbf',
    '\xf0\x9f\x94\x91',
    '\xc3',
  ],
  check(input) {
    const root = parse(input);
    if (!root) return;
    const { count, depth } = measure(root);
    assert.ok(count <= limits.xmlElements && depth <= limits.xmlDepth);
    if (depth === limits.xmlDepth) return;
    const again = parse(Buffer.from(s3Document('Root', written(root))));
    assert.deepEqual(again && bare(again), { name: 'Root', children: [bare(root)], text: '' });
  },
};
