/** A user starts Holdfast, opens the printed link, and sees simulated payments decided, explained and labelled. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserRequirement, launchBrowser, lowContrast, openPage } from './browser.ts';
import { type RunningUp, startUp } from './up.ts';

const timeoutMs = 120_000;

describe.skipIf(!browserRequirement.met)('the console of a running Holdfast', { timeout: timeoutMs }, () => {
  let up: RunningUp;
  let browser: Browser;
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    up = await startUp({ demo: true });
    browser = await launchBrowser();
    ({ page, problems } = await openPage(browser));
    page.setDefaultTimeout(60_000);
  }, timeoutMs);
  afterAll(async () => {
    await browser.close();
    expect(await up.stop()).toBe(0);
  }, timeoutMs);

  it('the printed link signs in; decisions, numbers and the state of the service appear', async () => {
    await page.goto(up.consoleLink);
    await page.locator('#rows tr').nth(5).waitFor();
    await page.locator('#status', { hasText: 'Deciding' }).waitFor();
    await page.locator('#dependencies', { hasText: 'analytics' }).waitFor();
    await page.locator('#chart svg').waitFor();
    expect(new URL(page.url()).hash).toBe('');
  });

  it('a decision shows its payment, its features as they were used, and its release', async () => {
    await page.locator('.payment-link').first().click();
    await page.waitForSelector('.verdict');
    const shown = (await page.locator('#detail-body').textContent()) ?? '';
    expect(shown).toContain('customer.count.24h');
    expect(shown).toMatch(/[0-9a-f]{64}/);
    expect(await lowContrast(page)).toEqual([]);
  });

  it('a label that is given in the form stays with the decision and reaches the numbers', async () => {
    await page.locator('.label-form').getByText('fraud', { exact: true }).click();
    await page.click('.label-form button');
    await page.locator('.labels li', { hasText: 'fraud by analyst' }).waitFor();
    await page.reload();
    await page.locator('.labels li', { hasText: 'fraud by analyst' }).waitFor();
    await page.click('#detail-close');
    await page.locator('.tile', { hasText: 'labelled frauds: 1' }).waitFor();
  });

  it('nothing of the page was refused by the security policy, and no script failed', () => {
    expect(problems).toEqual([]);
  });
});
