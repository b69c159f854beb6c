export { type Config, ConfigError, type ConfigKey, configSchema, loadConfig } from './config.ts';
export { type RunningServer, startServer, version } from './server.ts';
