/** A headless chromium for the e2e tests, and what they ask of a page. */
import { readFileSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { requires } from '../helpers/requirements.ts';

export const browserRequirement = requires('chromium');

export async function launchBrowser(): Promise<Browser> {
  // In a container the tests may run as root, where chromium's own sandbox cannot.
  return chromium.launch({
    executablePath: browserRequirement.path,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

export interface PageOptions {
  readonly width?: number;
  readonly dark?: boolean;
}

/** A page of its own session; `problems` collects script errors and everything the security policy refused. */
export async function openPage(
  browser: Browser,
  options: PageOptions = {},
): Promise<{ page: Page; problems: string[] }> {
  const page = await browser.newPage({
    viewport: { width: options.width ?? 1280, height: 900 },
    colorScheme: options.dark === true ? 'dark' : 'light',
    locale: 'en-GB',
  });
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // A refused answer is what some tests want to see; chromium logs each as an error of its own.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      problems.push(message.text());
  });
  return { page, problems };
}

export interface Contrast {
  readonly text: string;
  readonly ratio: number;
}

const contrastProgram = readFileSync(new URL('contrast.page.js', import.meta.url), 'utf8');

/** Texts of the page whose contrast on their ground is under WCAG 2.2 AA. */
export function lowContrast(page: Page): Promise<Contrast[]> {
  return page.evaluate<Contrast[]>(contrastProgram);
}
