/** The analytics process of a running Holdfast is killed: payments are decided all the same, and the lists catch up. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningUp, startUp } from './up.ts';

const timeoutMs = 120_000;

/** The analytics process among the children of `parent`, as the kernel lists them. */
function analyticsPid(parent: number): number | undefined {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const ppid = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1];
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      if (Number(ppid) === parent && command.includes('workers/analytics.ts')) return Number(name);
    } catch {
      // It ended while we looked.
    }
  }
  return undefined;
}

describe.skipIf(!existsSync('/proc/self/status'))('analytics away', { timeout: timeoutMs }, () => {
  let up: RunningUp;
  let origin: string;
  let headers: Record<string, string>;

  beforeAll(async () => {
    up = await startUp({ demo: false });
    const link = new URL(up.consoleLink);
    origin = link.origin;
    headers = { authorization: `Bearer ${link.hash.slice('#key='.length)}`, 'content-type': 'application/json' };
  }, timeoutMs);
  afterAll(async () => {
    expect(await up.stop()).toBe(0);
  }, timeoutMs);

  const decide = (paymentId: string): Promise<Response> =>
    fetch(`${origin}/v1/decisions`, {
      method: 'POST',
      headers: { ...headers, 'Holdfast-Deadline-Ms': '5000' },
      body: JSON.stringify({
        paymentId,
        occurredAt: new Date().toISOString(),
        amountMinor: 100,
        currency: 'EUR',
        customerId: 'C1',
      }),
    });
  const list = (): Promise<Response> => fetch(`${origin}/v1/decisions?customerId=C1`, { headers });
  const listed = async (): Promise<string[]> => {
    const response = await list();
    if (!response.ok) return [];
    const { items } = (await response.json()) as { items: { payment: { paymentId: string } }[] };
    return items.map((item) => item.payment.paymentId).sort();
  };
  async function until(condition: () => Promise<boolean>, what: string): Promise<void> {
    const endMs = performance.now() + timeoutMs / 2;
    while (!(await condition())) {
      if (performance.now() > endMs) throw new Error(`waited for: ${what}`);
      await delay(20);
    }
  }

  it('decisions go on, lists answer 503 with Retry-After, readiness stays, and every decision is listed once afterwards', async () => {
    expect((await decide('before')).status).toBe(200);
    await until(async () => (await listed()).length === 1, 'the first decision to be listed');
    const pid = analyticsPid(up.pid);
    expect(pid).toBeDefined();
    process.kill(pid ?? 0, 'SIGKILL');
    await until(async () => (await list()).status === 503, 'lists to be unavailable');
    const refused = await list();
    if (refused.status === 503) {
      expect(await refused.json()).toMatchObject({ code: 'analytics_unavailable' });
      expect(refused.headers.get('retry-after')).not.toBeNull();
    }
    for (let i = 0; i < 5; i += 1) expect((await decide(`during-${i}`)).status).toBe(200);
    expect((await fetch(`${origin}/readyz`)).status).toBe(200);
    await until(async () => (await listed()).length === 6, 'the sink to catch up');
    expect(await listed()).toEqual(['before', 'during-0', 'during-1', 'during-2', 'during-3', 'during-4']);
    expect(analyticsPid(up.pid)).not.toBe(pid);
  });
});
