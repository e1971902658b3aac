#!/usr/bin/env node
/** `npx holdfast …`: the command line on the right Node, whatever the machine's own is. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, nodeFlags, nodePath, root, run } from './bootstrap.mjs';

ensureInstalled();
const main = join(root, 'src', 'cli', 'main.ts');
const flags = nodeFlags(process.argv[2]);
if (process.execPath === nodePath() && flags.length === 0) await import(pathToFileURL(main).href);
else process.exitCode = await run(nodePath(), [...flags, main, ...process.argv.slice(2)], { cwd: process.cwd() });
