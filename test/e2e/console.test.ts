/** The console in a real browser, against an API whose answers the test decides: what it shows, and in which state. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { browserRequirement, launchBrowser, lowContrast, openPage, type PageOptions } from './browser.ts';
import { type StubApi, startStubApi, stubKey } from './stubApi.ts';
import { makeItem, makeWorld, respondFrom, type World } from './stubData.ts';

const timeoutMs = 60_000;

/** Texts of elements that reach beyond the card or the picture that they are in; what scrolls by itself may. */
const outsideProgram = `[...document.querySelectorAll('.part, svg')].flatMap((box) => {
  const { left, right } = box.getBoundingClientRect();
  return [...box.querySelectorAll('*')]
    .filter((node) => node.closest('.scroll, pre') === null)
    .filter((node) => {
      const own = node.getBoundingClientRect();
      return own.width > 0 && (own.right > right + 1 || own.left < left - 1);
    })
    .map((node) => node.textContent.slice(0, 60));
})`;

describe.skipIf(!browserRequirement.met)('console', { timeout: timeoutMs }, () => {
  let browser: Browser;
  let api: StubApi;
  let world: World;
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    browser = await launchBrowser();
  }, timeoutMs);
  afterAll(async () => {
    await browser.close();
  });
  beforeEach(async () => {
    world = makeWorld(130);
    api = await startStubApi(respondFrom(world));
  });
  afterEach(async () => {
    await page.close();
    await api.close();
    expect(problems).toEqual([]);
  });

  async function visit(path = `/#key=${stubKey}`, options: PageOptions = {}): Promise<void> {
    ({ page, problems } = await openPage(browser, options));
    await page.goto(api.origin + path);
  }
  const rows = (): Promise<number> => page.locator('#rows tr').count();
  const text = async (selector: string): Promise<string> => (await page.locator(selector).first().textContent()) ?? '';

  it('takes the key out of a printed link, keeps it in the tab, and shows the newest decisions first', async () => {
    await visit();
    await page.waitForSelector('#rows tr');
    expect(page.url()).toBe(`${api.origin}/`);
    expect(await page.evaluate("sessionStorage.getItem('holdfast.key')")).toBe(stubKey);
    expect(await page.evaluate('localStorage.length')).toBe(0);
    const ids = await page.locator('#rows .payment-link').allTextContents();
    expect(ids).toEqual(world.items.slice(0, 50).map((item) => item.decision.paymentId));
    expect(api.requests.some((request) => request.includes(stubKey))).toBe(false);
  });

  it('asks for a key, says why one was refused, and goes on with a good one; signing out forgets it', async () => {
    await visit('/');
    await page.fill('#key', 'wrong');
    await page.keyboard.press('Enter');
    await page.locator('#key-problem', { hasText: 'The API key is not known' }).waitFor();
    await page.fill('#key', stubKey);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#rows tr');
    await page.click('#sign-out');
    await page.waitForSelector('#sign-in:not([hidden])');
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
    expect(await rows()).toBe(0);
  });

  it('shows the numbers that the API gives, and those of another window when it is chosen', async () => {
    await visit();
    await page.locator('#tiles dd', { hasText: '4.2 ms' }).waitFor();
    expect(await text('#tiles')).toContain('83.3%');
    expect(await page.locator('#chart svg').getAttribute('aria-label')).toMatch(/^\d+ decisions, \d+ held/);
    expect(await page.locator('.rules li').count()).toBe(4);
    expect(await text('#dependencies')).toContain('analytics');
    await page.getByText('24 h').click();
    await expect.poll(() => api.requests.some((request) => request.includes('bucketMs=1200000'))).toBe(true);
  });

  it('no value becomes markup, in the table or in a decision, whatever it holds', async () => {
    await visit();
    const link = page.locator('.payment-link', { hasText: '<img src=x' });
    await link.click();
    await page.waitForSelector('.verdict');
    expect(await text('#detail-body')).toContain('<script>window.hacked=true</script>');
    expect(await page.locator('main img, #detail img, #detail script').count()).toBe(0);
    expect(await page.evaluate("'hacked' in window")).toBe(false);
  });

  it('new decisions appear at the top while live; paused, they are counted and wait', async () => {
    await visit();
    await page.waitForSelector('#rows tr');
    world.items.unshift(makeItem(900, Date.now()));
    await page.locator('#rows tr:first-child', { hasText: 'sim-00000900' }).waitFor();
    expect(await rows()).toBe(51);
    await page.click('#pause');
    world.items.unshift(makeItem(901, Date.now() + 5));
    await page.locator('#live-state', { hasText: 'Paused · 1 newer' }).waitFor();
    expect(await rows()).toBe(51);
    await page.click('#pause');
    await page.locator('#rows tr:first-child', { hasText: 'sim-00000901' }).waitFor();
  });

  it('a burst larger than a page starts the table anew: what it shows never has a gap', async () => {
    await visit();
    await page.waitForSelector('#rows tr');
    const nowMs = Date.now();
    world.items.unshift(...Array.from({ length: 120 }, (_, i) => makeItem(2_000 + i, nowMs - i)));
    await page.locator('#rows tr:first-child', { hasText: 'sim-00002000' }).waitFor();
    const ids = await page.locator('#rows .payment-link').allTextContents();
    expect(ids).toEqual(world.items.slice(0, 50).map((item) => item.decision.paymentId));
  });

  it('older pages follow without a gap or a repetition, to the last', async () => {
    await visit();
    await page.waitForSelector('#rows tr');
    for (const count of [100, 130]) {
      await page.click('#older');
      await expect.poll(rows).toBe(count);
    }
    await page.locator('#older').waitFor({ state: 'hidden' });
    const ids = await page.locator('#rows .payment-link').allTextContents();
    expect(ids).toEqual(world.items.map((item) => item.decision.paymentId));
  });

  it('filters by the form and by a click on a rule', async () => {
    await visit();
    await page.selectOption('[name=action]', 'hold');
    await page.click('#filters [type=submit]');
    const held = world.items.filter((item) => item.decision.action === 'hold').length;
    await expect.poll(rows).toBe(Math.min(held, 50));
    await page.click('#filters [type=reset]');
    await expect.poll(rows).toBe(50);
    await page.locator('.rules button').first().click();
    await expect.poll(() => api.requests.at(-1)).toContain('ruleId=R-0');
    await page.fill('[name=customerId]', 'nobody');
    await page.click('#filters [type=submit]');
    await page.locator('#rows-empty', { hasText: 'No decision matches this filter.' }).waitFor();
  });

  it('a decision is explained in full, reached and left by keyboard alone, and has an address', async () => {
    await visit();
    const held = world.items.find((item) => item.decision.rules.length > 0)?.decision;
    const link = page.locator('.payment-link', { hasText: held?.paymentId ?? '' });
    await link.focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('.verdict-hold');
    expect(page.url()).toContain(`#/decisions/${held?.paymentId}`);
    const shown = await text('#detail-body');
    for (const part of [
      held?.reasons[0]?.text,
      'card.count.10m',
      'saw 14',
      held?.releaseId,
      'customer.count.24h',
      'within 12',
      'missing',
      'Not labelled yet.',
    ]) {
      expect(shown).toContain(part);
    }
    await page.fill('.feature-search input', 'terminal.count');
    expect(await page.locator('.features tbody tr:visible').count()).toBe(4);
    // In a search box the first Escape empties it, as everywhere; the next closes the decision.
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.locator('#detail').waitFor({ state: 'hidden' });
    expect(await page.evaluate('document.activeElement?.textContent')).toBe(held?.paymentId);
    expect(page.url()).toBe(`${api.origin}/`);
    await page.goBack();
    await page.waitForSelector('.verdict-hold');
    await page.goto(`${api.origin}/#/decisions/nothing`);
    await page.locator('#detail-body', { hasText: 'There is no decision on this payment.' }).waitFor();
  });

  it('records a label from the form and shows it with the decision', async () => {
    await visit();
    await page.locator('.payment-link').first().click();
    await page.locator('.label-form').getByText('fraud', { exact: true }).click();
    await page.selectOption('[name=source]', 'chargeback');
    await page.click('.label-form button');
    await page.locator('.labels li', { hasText: 'fraud by chargeback' }).waitFor();
    const [label] = [...world.labels.values()].flat() as { label: string; source: string; labelledAt: string }[];
    expect(label).toMatchObject({ label: 'fraud', source: 'chargeback' });
    expect(Date.parse(label?.labelledAt ?? '')).toBeGreaterThan(Date.now() - 60_000);
  });

  it('says that there is nothing yet, and shows the first decision when it comes', async () => {
    world.items = [];
    await visit();
    await page.locator('#rows-empty', { hasText: 'No decisions yet.' }).waitFor();
    await page.locator('#chart', { hasText: 'No decisions in this window.' }).waitFor();
    world.items = [makeItem(1, Date.now())];
    await page.locator('#rows tr', { hasText: 'sim-00000001' }).waitFor();
  });

  it('says so when the numbers are not up to date, keeps what it has, and recovers by itself', async () => {
    await visit();
    await page.waitForSelector('#rows tr');
    world.failure = { status: 503, body: { title: 'Analytics is restarting' } };
    world.dependencies = [{ name: 'analytics', state: 'down', detail: 'ended (SIGKILL)' }];
    await page.locator('#decisions-problem', { hasText: 'Analytics is restarting' }).waitFor();
    await page.locator('#overview-problem', { hasText: 'Payments are still decided' }).waitFor();
    await page.locator('#dependencies', { hasText: 'SIGKILL' }).waitFor();
    expect(await rows()).toBe(50);
    world.failure = undefined;
    await page.locator('#decisions-problem').waitFor({ state: 'hidden' });
    await page.locator('#overview-problem').waitFor({ state: 'hidden' });
  });

  for (const width of [1280, 390]) {
    for (const dark of [false, true]) {
      it(`fits ${width} px, ${dark ? 'dark' : 'light'}: nothing is cut off, every text has AA contrast`, async () => {
        await visit(`/#key=${stubKey}`, { width, dark });
        await page.waitForSelector('.rules li');
        await page.waitForSelector('#rows tr');
        const overflow = (): Promise<number> => page.evaluate('document.documentElement.scrollWidth - innerWidth');
        expect(await overflow()).toBeLessThanOrEqual(0);
        expect(await lowContrast(page)).toEqual([]);
        const table = page.locator('.table-card');
        expect(await table.evaluate((node) => node.scrollWidth - node.clientWidth)).toBeLessThanOrEqual(0);
        await page
          .locator('tr', { has: page.locator('.badge-hold') })
          .locator('.payment-link')
          .first()
          .click();
        await page.waitForSelector('.verdict');
        expect(await lowContrast(page)).toEqual([]);
        const drawer = page.locator('#detail-body');
        expect(await drawer.evaluate((node) => node.scrollWidth - node.clientWidth)).toBeLessThanOrEqual(0);
        // Nothing sticks out of its card either, or of a chart's picture.
        expect(await page.evaluate<string[]>(outsideProgram)).toEqual([]);
      });
    }
  }
});
