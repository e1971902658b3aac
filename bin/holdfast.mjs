#!/usr/bin/env node
/** `npx holdfast …`: the command line on the right Node, whatever the machine's own is. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, nodePath, root, run } from './bootstrap.mjs';

ensureInstalled();
const main = join(root, 'src', 'cli', 'main.ts');
if (process.execPath === nodePath()) await import(pathToFileURL(main).href);
else process.exitCode = await run(nodePath(), [main, ...process.argv.slice(2)], { cwd: process.cwd() });
