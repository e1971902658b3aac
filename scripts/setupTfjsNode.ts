/**
 * `npm run setup:tfjs-node`: installs TF.js's native backend into .services/tfjs-node, where `holdfast train` and the model backend
 * `tfjs-node` look for it. The package's own download of the C library may not be to be had; this takes the library from the
 * Python package of the same version and builds the binding here. A second run finds it ready.
 */
import { installTfjsNode, tfjsNodeReady, TfjsNodeUnavailable } from './tfjsNode/install.ts';

const say = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

try {
  const ready = tfjsNodeReady();
  if (!ready) await installTfjsNode(say);
  say(ready ? 'tfjs-node is installed' : 'tfjs-node is installed and answers');
} catch (error) {
  if (!(error instanceof TfjsNodeUnavailable)) throw error;
  say(error.message);
  process.exitCode = 1;
}
