#!/usr/bin/env node
/** `npx holdfast …`: the command line on the right Node, whatever the machine's own is. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, latencyFlags, nodePath, root, run } from './bootstrap.mjs';

ensureInstalled();
const main = join(root, 'src', 'cli', 'main.ts');
const flags = ['up', 'serve'].includes(process.argv[2]) ? latencyFlags : [];
if (process.execPath === nodePath() && flags.length === 0) await import(pathToFileURL(main).href);
else process.exitCode = await run(nodePath(), [...flags, main, ...process.argv.slice(2)], { cwd: process.cwd() });
