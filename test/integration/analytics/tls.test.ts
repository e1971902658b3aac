/** A ClickHouse server over https: trusted by the configured authority, and by no accident. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openServer } from '../../../src/adapters/clickhouse/server.ts';
import { createClickHouseStore } from '../../../src/adapters/clickhouse/store.ts';
import { type ClickHouseFront, startClickHouseFront } from '../../helpers/clickhouseFront.ts';

let directory: string;
let front: ClickHouseFront;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-tls-'));
  const files = { key: join(directory, 'key.pem'), cert: join(directory, 'cert.pem') };
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync(
    'openssl',
    [...args, '-subj', '/CN=front', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', files.key, '-out', files.cert],
    { stdio: 'ignore' },
  );
  front = await startClickHouseFront({ key: readFileSync(files.key, 'utf8'), cert: readFileSync(files.cert, 'utf8') });
}, 60_000);
afterAll(async () => {
  await front.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('ClickHouse over TLS', { timeout: 60_000 }, () => {
  it('answers with the authority given, and is unavailable without it', async () => {
    const trusted = openServer({ url: front.url, ...front.login, caFile: join(directory, 'cert.pem') });
    const store = createClickHouseStore(trusted.client, { database: trusted.database, place: 'server' });
    await store.migrate();
    expect((await store.summary('default', 0, 10, 10)).total).toBe(0);
    await store.close();
    const untrusting = openServer({ url: front.url, ...front.login });
    const refused = createClickHouseStore(untrusting.client, { database: untrusting.database, place: 'server' });
    await expect(refused.summary('default', 0, 10, 10)).rejects.toMatchObject({ name: 'AnalyticsUnavailable' });
    await refused.close();
  });

  it('login and database can be in the address, and give way to their own settings', async () => {
    const address = new URL(front.url);
    address.username = encodeURIComponent(front.login.user);
    address.password = encodeURIComponent(front.login.password);
    address.pathname = '/from_address';
    const caFile = join(directory, 'cert.pem');
    const opened = openServer({ url: address.href, caFile });
    expect(opened.database).toBe('from_address');
    expect((await opened.client.ping({ select: true })).success).toBe(true);
    await opened.client.close();
    const overruled = openServer({ url: address.href, caFile, password: 'wrong', database: 'other' });
    expect(overruled.database).toBe('other');
    expect((await overruled.client.ping({ select: true })).success).toBe(false);
    await overruled.client.close();
    expect(() => openServer({ url: 'ftp://secret@x' })).toThrow(/^CLICKHOUSE_URL is not an http\(s\) address$/);
  });
});
