export { type Config, ConfigError, type ConfigKey, configSchema, loadConfig } from './config.ts';
export { type RunningServer, startServer } from './server.ts';
export { version } from './version.ts';
