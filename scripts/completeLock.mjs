/**
 * Completes package-lock.json with the optional platform packages that `npm install` leaves out when it cannot see them
 * (npm drops an optional package whose download failed; a partial registry mirror is enough). Without them `npm ci`
 * refuses the lock file on every machine. The added entries carry no integrity hash: npm fetches and fills it where the
 * platform matches. Run by `npm run lock` after each change of dependencies. Plain JavaScript: it must run before Node 24 is there.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const systems = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'aix', 'win32'];
const processors = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el', 'wasm32'];

/** What the platform packages of this ecosystem say in their names: `@scope/name-linux-x64-gnu`. */
function platformOf(name) {
  const words = name.split(/[-/.]/);
  const os = systems.find((word) => words.includes(word));
  const cpu = processors.find((word) => words.some((part) => part === word));
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined;
  return { os, cpu, libc };
}

const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const added = [];
for (const [at, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (lock.packages[`node_modules/${name}`] || lock.packages[`${at}/node_modules/${name}`]) continue;
    const { os, cpu, libc } = platformOf(name);
    if (!/^\d/.test(version) || (os === undefined && cpu === undefined)) {
      throw new Error(
        `${name}@${version} (optional, of ${at}) is missing and its platform cannot be told from its name`,
      );
    }
    lock.packages[`node_modules/${name}`] = {
      version,
      ...(cpu ? { cpu: [cpu] } : {}),
      ...(entry.dev ? { dev: true } : {}),
      ...(libc ? { libc: [libc] } : {}),
      optional: true,
      ...(os ? { os: [os] } : {}),
    };
    added.push(`${name}@${version}`);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stderr.write(
  `package-lock.json: ${added.length} platform packages added${added.length ? `: ${added.join(', ')}` : ''}\n`,
);
