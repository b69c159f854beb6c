import { z } from 'zod';
import type { Opaque, Route } from './route.ts';

const mediaTypes: Readonly<Record<Exclude<Opaque, 'none'>, object>> = {
  bytes: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
  lines: { 'application/x-ndjson': { schema: { type: 'string' } } },
};

function content(body: z.ZodType | Opaque, io: 'input' | 'output'): object | undefined {
  if (body === 'none') return undefined;
  if (body === 'bytes' || body === 'lines') return mediaTypes[body];
  return { 'application/json': { schema: schemaOf(body, io) } };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Record<string, unknown>;
  return rest;
}

function parameters(route: Route): object[] {
  const inPath = [...route.path.matchAll(/\{(\w+)(\.\.\.)?\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const query = schemaOf(route.query, 'input') as { properties?: Record<string, object>; required?: string[] };
  const inQuery = Object.entries(query.properties ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: query.required?.includes(name) ?? false,
    schema,
  }));
  return [...inPath, ...inQuery];
}

function operation(route: Route): object {
  const json = content(route.body, 'input');
  const request = route.bodyType === undefined ? json : { ...json, [route.bodyType]: Object.values(json ?? {})[0] };
  const answer = content(route.answer.body, 'output');
  return {
    operationId: route.id,
    summary: route.summary,
    parameters: parameters(route),
    ...(request && { requestBody: { content: request } }),
    responses: {
      [route.answer.status]: { description: 'done', ...(answer && { content: answer }) },
      default: {
        description: 'an error (RFC 9457)',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
}

/** The OpenAPI 3.1 document of the routes: made from the same table that dispatches them, so that it cannot lag behind. */
export function openApiDocument(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = `/-/${route.path.replace('...}', '}')}`;
    (paths[path] ??= {})[route.method.toLowerCase()] = operation(route);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'DSOM native API', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    security: [{ bearer: [] }, { signature: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: '<access key id>.<secret access key>' },
        signature: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'AWS Signature Version 4, service s3',
        },
      },
      schemas: {
        Problem: {
          type: 'object',
          required: ['type', 'title', 'status', 'detail', 'code', 'instance'],
          properties: {
            type: { type: 'string' },
            title: { type: 'string' },
            status: { type: 'integer' },
            detail: { type: 'string' },
            code: { type: 'string' },
            instance: { type: 'string' },
            context: { type: 'object' },
          },
        },
      },
    },
  };
}
