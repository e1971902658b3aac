/**
 * Gets tfjs-node into a directory of its own: the package by npm, the C library out of PyPI's wheel, the binding by the compiler. Not by node-gyp, which
 * downloads Node's headers from where no registry is: of these the binding uses Node-API alone, and npm has it.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { installPrograms, ServiceUnavailable } from '../services/install.ts';

const run = promisify(execFile);
const packageVersion = '4.22.0';
/** The last release whose C interface the binding was written against and whose wheel has all of it. */
const libraryVersion = '2.15.1';
const headersVersion = '1.9.0';
const napiVersion = 8;
const npmMsMax = 300_000;
const wheelMsMax = 300_000;
const buildMsMax = 300_000;
const verifyMsMax = 60_000;
const outputBytesMax = 16 * 1024 * 1024;

const cacheDirectory = resolve(import.meta.dirname, '../../.services');
const goal = join(cacheDirectory, 'tfjs-node');
const packagePath = (directory: string): string => join(directory, 'node_modules/@tensorflow/tfjs-node');
const bindingPath = (directory: string): string =>
  join(packagePath(directory), `lib/napi-v${napiVersion}/tfjs_binding.node`);

/** It cannot be installed here; the message says why and what would help. */
export class TfjsNodeUnavailable extends Error {
  override readonly name = 'TfjsNodeUnavailable';
}

function lastLine(error: unknown): string {
  const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message: string };
  return (stderr || stdout || message).trim().split('\n').at(-1) ?? message;
}

/** One step of the installation, or why it failed. */
async function step(
  what: string,
  command: string,
  args: readonly string[],
  cwd: string,
  timeout: number,
): Promise<void> {
  try {
    await run(command, [...args], { cwd, timeout, maxBuffer: outputBytesMax });
  } catch (error) {
    throw new TfjsNodeUnavailable(`${what} failed: ${lastLine(error)}`);
  }
}

/** Multiplies two matrices in a process of its own: a library that does not fit ends that process, not this one. */
const verification = `
const util = require('node:util');
if (!util.isNullOrUndefined) util.isNullOrUndefined = (value) => value === null || value === undefined;
const tf = require(process.argv[1]);
const product = tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync()[0];
process.exit(tf.getBackend() === 'tensorflow' && product === 11 ? 0 : 1);
`;

function verified(directory: string): boolean {
  try {
    execFileSync(process.execPath, ['-e', verification, packagePath(directory)], {
      timeout: verifyMsMax,
      stdio: 'ignore',
      env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '2' },
    });
    return true;
  } catch {
    return false;
  }
}

/** Whether it is installed and answers. */
export const tfjsNodeReady = (): boolean => existsSync(bindingPath(goal)) && verified(goal);

/** A wheel is a zip; Python, which is needed for pip anyway, reads it. Only what the binding needs comes out. */
const unpack = `
import sys, zipfile, glob, os, shutil
wheel, deps = glob.glob(sys.argv[1])[0], sys.argv[2]
archive = zipfile.ZipFile(wheel)
for name in archive.namelist():
    if name.startswith('tensorflow/include/'):
        to = os.path.join(deps, 'include', name[len('tensorflow/include/'):])
    elif name in ('tensorflow/libtensorflow_cc.so.2', 'tensorflow/libtensorflow_framework.so.2'):
        to = os.path.join(deps, 'lib', os.path.basename(name))
    else:
        continue
    if name.endswith('/'): continue
    os.makedirs(os.path.dirname(to), exist_ok=True)
    with archive.open(name) as source, open(to, 'wb') as target: shutil.copyfileobj(source, target)
`;

const wheelArguments = [
  ...['-m', 'pip', 'download', '-q', '--no-deps', '--disable-pip-version-check', '--only-binary', ':all:'],
  ...['--implementation', 'cp', '--python-version', '311'],
  ...['--platform', 'manylinux_2_17_x86_64', '--platform', 'manylinux2014_x86_64', '-d', 'wheel'],
];

async function fetchLibrary(directory: string): Promise<void> {
  await step(
    `pip download tensorflow-cpu==${libraryVersion} (python3 with pip is needed)`,
    'python3',
    [...wheelArguments, `tensorflow-cpu==${libraryVersion}`],
    directory,
    wheelMsMax,
  );
  const deps = join(packagePath(directory), 'deps');
  await step('unpacking the library', 'python3', ['-c', unpack, 'wheel/*.whl', deps], directory, wheelMsMax);
  rmSync(join(directory, 'wheel'), { recursive: true, force: true });
  // The names the linker looks for.
  symlinkSync('libtensorflow_cc.so.2', join(deps, 'lib/libtensorflow.so'));
  symlinkSync('libtensorflow_cc.so.2', join(deps, 'lib/libtensorflow.so.2'));
  symlinkSync('libtensorflow_framework.so.2', join(deps, 'lib/libtensorflow_framework.so'));
}

/** As the package's binding.gyp has it for Linux. */
async function buildBinding(directory: string): Promise<void> {
  const binding = bindingPath(directory);
  mkdirSync(dirname(binding), { recursive: true });
  const headers = join(directory, 'node_modules/node-api-headers/include');
  const options = ['-std=c++17', '-O2', '-fPIC', '-shared', '-pthread', '-w', `-DNAPI_VERSION=${napiVersion}`];
  const sources = ['binding/tfjs_backend.cc', 'binding/tfjs_binding.cc'];
  const libraries = ['-Ldeps/lib', '-ltensorflow', '-ltensorflow_framework', '-Wl,-rpath,$ORIGIN/../../deps/lib'];
  await step(
    'building the binding',
    'g++',
    [...options, '-I..', '-Ideps/include', `-I${headers}`, ...sources, ...libraries, '-o', binding],
    packagePath(directory),
    buildMsMax,
  );
}

/** @throws TfjsNodeUnavailable */
export async function installTfjsNode(say: (line: string) => void): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new TfjsNodeUnavailable(
      `tfjs-node is set up on Linux with x64 only, not on ${process.platform} ${process.arch}: training uses WebAssembly.`,
    );
  mkdirSync(cacheDirectory, { recursive: true });
  const directory = mkdtempSync(join(cacheDirectory, 'tfjs-node-new-'));
  try {
    await installPrograms(['g++', 'pip3'], say).catch((error: unknown) => {
      throw error instanceof ServiceUnavailable ? new TfjsNodeUnavailable(error.message) : error;
    });
    writeFileSync(join(directory, 'package.json'), '{ "private": true }');
    say(`fetching @tensorflow/tfjs-node ${packageVersion} and the C library ${libraryVersion} (230 MB)`);
    const packages = [`@tensorflow/tfjs-node@${packageVersion}`, `node-api-headers@${headersVersion}`];
    const npm = ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages];
    await step('npm install', 'npm', npm, directory, npmMsMax);
    await fetchLibrary(directory);
    say('building the binding');
    await buildBinding(directory);
    // Headers are of no more use, and 10,000 files.
    rmSync(join(packagePath(directory), 'deps/include'), { recursive: true, force: true });
    if (!verified(directory))
      throw new TfjsNodeUnavailable('The binding was built but does not answer on this machine.');
    if (!tfjsNodeReady()) {
      rmSync(goal, { recursive: true, force: true });
      renameSync(directory, goal);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
