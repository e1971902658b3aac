// Guarantee: compose.yaml mounts files that are there and gives every service an image of a fixed version on the machine's own
// address; and the dashboards and alerts name only what the operator's page explains, each board in the shape Grafana reads.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = resolve(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

interface Service {
  readonly image: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly network_mode?: string;
}
const { services } = parse(read('compose.yaml')) as { services: Readonly<Record<string, Service>> };

describe('compose.yaml', () => {
  it('has the engines, Prometheus and Grafana, each at a fixed version', () => {
    expect(Object.keys(services).sort()).toEqual(['clickhouse', 'grafana', 'kafka', 'prometheus', 'redis']);
    for (const { image } of Object.values(services)) expect(image).toMatch(/^[a-z/-]+:v?\d+[\d.]*$/);
  });

  it('opens ports on the machine’s own address only, and mounts what is in the repository', () => {
    for (const { ports = [], volumes = [] } of Object.values(services)) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      for (const volume of volumes) expect(existsSync(join(root, volume.split(':')[0] ?? '')), volume).toBe(true);
    }
  });
});

describe('alerts', () => {
  const { groups } = parse(read('dashboards/prometheus/alerts.yml')) as {
    groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
  };
  const alerts = groups.flatMap(({ rules }) => rules);

  it('are each explained to the operator, and the operator is told of no other', () => {
    const told = [...read('docs/operations.md').matchAll(/^\| `(Holdfast[A-Za-z]+)`/gm)].map(([, name]) => name);
    expect(told.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  });
});

describe('dashboards', () => {
  const folder = 'dashboards/grafana/boards';
  const boards = readdirSync(join(root, folder)).map((file) => JSON.parse(read(join(folder, file))) as Board);

  it('ask the provisioned datasource, in panels that do not overlap', () => {
    const { datasources } = parse(read('dashboards/grafana/provisioning/datasources/prometheus.yaml')) as {
      datasources: readonly { readonly uid: string }[];
    };
    const uids = datasources.map(({ uid }) => uid);
    expect(new Set(boards.map(({ uid }) => uid)).size).toBe(boards.length);
    for (const { panels } of boards) {
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
      expect(new Set(panels.map(({ gridPos: { x, y } }) => `${x},${y}`)).size).toBe(panels.length);
      for (const { datasource, targets, gridPos } of panels) {
        expect(uids).toContain(datasource.uid);
        expect(targets.length).toBeGreaterThan(0);
        expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      }
    }
  });
});

interface Board {
  readonly uid: string;
  readonly panels: readonly {
    readonly id: number;
    readonly datasource: { readonly uid: string };
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number };
    readonly targets: readonly { readonly expr: string }[];
  }[];
}
