/** `npm start`: installs what is missing, then runs the whole system; `npm start -- --no-demo` passes its options on. */
import { ensureInstalled, nodeFlags, nodePath, run } from './bootstrap.mjs';

ensureInstalled();
process.exitCode = await run(nodePath(), [...nodeFlags('up'), 'src/cli/main.ts', 'up', ...process.argv.slice(2)]);
