import type { MetadataReader } from '../metadata/index.ts';

/**
 * A setting that is a map, as JSON: parsed once, and again when it has changed.
 * @param name of the setting
 */
export function mapSetting<Value>(name: string): (reader: MetadataReader) => ReadonlyMap<string, Value> {
  const parsed = new WeakMap<MetadataReader, { readonly text: string; readonly map: ReadonlyMap<string, Value> }>();
  return (reader) => {
    const text = reader.setting(name) ?? '{}';
    const known = parsed.get(reader);
    if (known?.text === text) return known.map;
    const map = new Map(Object.entries(JSON.parse(text) as Record<string, Value>));
    parsed.set(reader, { text, map });
    return map;
  };
}
