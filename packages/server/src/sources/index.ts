export { type NewSource, openedSource, type SourceSettings, shownSource, sourceDocument } from './settings.ts';
export { Source, type SourceTotals } from './source.ts';
export { createReadThrough } from './through.ts';
