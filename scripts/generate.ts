/**
 * `npm run generate`: writes every file that is made from code. `--check` writes nothing and fails when one is not as it would be written.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { documentDocs } from './generated/documents.ts';
import { environmentDocs, environmentExample } from './generated/environment.ts';
import { errorDocs } from './generated/errors.ts';
import { openApiDocument } from './generated/openapi.ts';

interface GeneratedFile {
  readonly path: string;
  readonly make: () => string | Promise<string>;
}

const root = resolve(import.meta.dirname, '..');
const files: readonly GeneratedFile[] = [
  { path: '.env.example', make: environmentExample },
  { path: 'docs/documents.md', make: documentDocs },
  { path: 'docs/environment.md', make: environmentDocs },
  { path: 'docs/errors.md', make: errorDocs },
  { path: 'docs/openapi.json', make: openApiDocument },
];

function current(path: string): string | undefined {
  try {
    return readFileSync(resolve(root, path), 'utf8');
  } catch {
    return undefined;
  }
}

const checkOnly = process.argv.includes('--check');
const stale: string[] = [];
for (const file of files) {
  const text = await file.make();
  if (current(file.path) === text) continue;
  stale.push(file.path);
  if (!checkOnly) writeFileSync(resolve(root, file.path), text);
}
if (checkOnly && stale.length > 0) {
  console.error(`not current: ${stale.join(', ')}; run \`npm run generate\` and commit the result`);
  process.exitCode = 1;
} else console.error(stale.length === 0 ? 'all generated files are current' : `written: ${stale.join(', ')}`);
