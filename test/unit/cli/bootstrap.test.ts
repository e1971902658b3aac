import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
// @ts-expect-error plain JavaScript without types: it runs before anything is installed
import { missingPackages } from '../../../bin/bootstrap.mjs';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-bootstrap-'));
afterAll(() => rmSync(directory, { recursive: true }));
mkdirSync(join(directory, 'node_modules'));

const wanted = {
  '': { name: 'x' },
  'node_modules/a': { version: '1.0.0' },
  'node_modules/b': { version: '2.0.0', dev: true },
  'node_modules/b-darwin': { version: '2.0.0', optional: true },
};
writeFileSync(join(directory, 'package-lock.json'), JSON.stringify({ packages: wanted }));
const installed = (packages: unknown): void =>
  writeFileSync(join(directory, 'node_modules', '.package-lock.json'), JSON.stringify({ packages }));

describe('npm start and npm test install exactly when something is missing', () => {
  test('a fresh clone, and an install that was interrupted before npm wrote its own list, miss everything', () => {
    expect(missingPackages(directory)).toEqual(['node_modules']);
  });

  test('nothing is missing when every package that is not for another platform is there in its version', () => {
    installed({
      'node_modules/a': { version: '1.0.0' },
      'node_modules/b': { version: '2.0.0' },
      'node_modules/more': { version: '1.0.0' },
    });
    expect(missingPackages(directory)).toEqual([]);
  });

  test('a changed lock file names what changed', () => {
    installed({ 'node_modules/a': { version: '0.9.0' } });
    expect(missingPackages(directory)).toEqual(['node_modules/a', 'node_modules/b']);
  });
});

describe('the lock file is one that npm ci takes on every machine', () => {
  const { packages } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../../package-lock.json'), 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }>;
  };

  test('every optional platform package is in it (npm leaves out what it could not see; `npm run lock` adds it)', () => {
    const optional = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    expect(
      optional.filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`))),
    ).toEqual([]);
  });

  test('it names no registry host', () => {
    expect(Object.values(packages).filter((entry) => entry.resolved !== undefined)).toEqual([]);
  });
});
