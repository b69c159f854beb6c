const KiB = 1024;

/** Bounds of what a bucket has configured; a part of `limits`. Bytes unless the name says otherwise. */
export const configurationLimits = {
  /** Document of one configuration, of whatever kind (metadata/machine/configurations.ts has a bound for each). */
  configurationBytes: 512 * KiB,
  /** Configurations that one thread keeps parsed, of each kind that requests look at. */
  parsedConfigurations: 256,
  /** Rules of a CORS configuration, characters of the ID of one, and names of headers that one preflight may ask for. */
  corsRules: 100,
  corsIdChars: 255,
  corsHeaders: 256,
  /** Configurations of one kind of which a bucket has many (metrics, analytics, intelligent tiering), those of one page of a list, and characters of an id. */
  listedConfigurations: 1000,
  listedConfigurationsPage: 100,
  configurationIdChars: 64,
} as const;
