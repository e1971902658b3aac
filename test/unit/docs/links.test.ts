import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** Anchors as GitHub makes them from headings, and those written out. */
function anchors(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  );
  return new Set([...headings, ...[...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = '']) => id)]);
}

describe('the documentation leads somewhere', () => {
  test.each(pages)('every link of %s into the repository has a target', (page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const links = [...text.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, target = '']) => target);
    const broken = links.filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchors(readFileSync(target, 'utf8')).has(anchor);
    });
    expect(broken).toEqual([]);
  });

  test('every page of docs/ can be reached from the README', () => {
    const seen = new Set<string>();
    const queue = ['README.md'];
    for (let page = queue.pop(); page !== undefined; page = queue.pop()) {
      if (seen.has(page)) continue;
      seen.add(page);
      const text = existsSync(join(root, page)) ? readFileSync(join(root, page), 'utf8') : '';
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#\s]+\.md)[^)]*\)/g))
        queue.push(join(dirname(page), target));
    }
    expect(pages.filter((page) => page.startsWith('docs') && !seen.has(page))).toEqual([]);
  });

  test('every command of the README and the quick start that names an npm script names one that exists', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const page of ['README.md', 'docs/quick-start.md', 'docs/development.md']) {
      const named = [...readFileSync(join(root, page), 'utf8').matchAll(/npm run ([a-z-]+)/g)].map(
        ([, name = '']) => name,
      );
      expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
    }
  });
});
