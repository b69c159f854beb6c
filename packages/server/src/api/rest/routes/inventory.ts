import { z } from 'zod';
import { type Route, route } from '../route.ts';
import { sendNews } from './news.ts';

export const inventoryRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: 'admin/v1/inventory',
    id: 'runInventory',
    summary:
      'Writes an inventory of a bucket now, whatever its schedule; lines of JSON: progress, and a summary at the end',
    access: 'admin',
    query: z.strictObject({}),
    body: z.strictObject({ bucket: z.string().min(1).max(63), id: z.string().min(1).max(64) }),
    answer: { status: 200, body: 'lines' },
    async run(call) {
      await sendNews(call, 'inventory.news', await call.service.admin('inventory.start', call.body));
    },
  }),
];
